"""The Panic API's operations: what each one does with an authorised call.

Each operation is a plain function from a Call to a Reply. No HTTP library here, no waiting: one call is one atomic step on
the server's loop. `routes` brings the calls and `OPERATIONS` is its table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from simulator import bodies
from simulator.records import Callout, Site
from simulator.settings import ClosedBody, Generation
from simulator.simulation import Simulation
from simulator.state import Refusal, Refused, Wanted
from simulator.tokens import Token

UPDATES_NOT_REQUIRED = 285


class Unauthorised(Exception):  # noqa: N818 - reads as what it is
    """401: no token, a bad one, or one outside its scope."""


class Door(Enum):
    """Who may call. OPEN: no bearer. SERVER: a server token. SCOPED: also a callout token, for its own customer. KEY: a device."""

    OPEN = "open"
    SERVER = "server"
    SCOPED = "scoped"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised call. token None where the door asks for none."""

    sim: Simulation
    params: Mapping[str, str]
    body: bodies.Body
    token: Token | None
    now: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered; body None: no body at all."""

    body: Any
    status: int = 200


# --- tokens ---


def exchange(call: Call) -> Reply:
    """Credentials for a server token."""
    chosen = call.sim.settings
    given = bodies.text(call.body, "clientId"), bodies.text(call.body, "clientSecret")
    if given != (chosen.client_id, chosen.client_secret):
        raise Unauthorised("Unknown client credentials")
    return _token(call, None, chosen.server_token_s)


def mint(call: Call) -> Reply:
    """A callout token for one customer."""
    customer = call.sim.state.customer(bodies.integer(call.body, "customerId"))
    return _token(call, customer.id, call.sim.settings.callout_token_s)


def _token(call: Call, customer_id: int | None, life_s: float) -> Reply:
    token = call.sim.tokens.mint(customer_id, call.now, life_s)
    return Reply(call.sim.codec().token(token, epoch=call.sim.settings.epoch_expiry))


# --- raising ---


def raise_for_customer(call: Call) -> Reply:
    """Raise for the customer in the path."""
    customer_id = _number(call.params["customerId"], "Customer")
    _own(call, customer_id)
    sent = bodies.read_raise(call.body, call.sim.settings.generation)
    return _raise(call, customer_id, sent, optional_point=False, check=True)


def raise_legacy(call: Call) -> Reply:
    """Raise for the customer in the body, or the token's own. OLD needs no position and checks no subscription."""
    sent = bodies.read_raise(call.body, call.sim.settings.generation)
    customer_id = sent.customer_id or (call.token.customer_id if call.token else None)
    if customer_id is None:
        bodies.bad("customerId is required")
    _own(call, customer_id)
    old = call.sim.settings.generation is Generation.OLD
    return _raise(call, customer_id, sent, optional_point=old, check=not old)


def _raise(call: Call, customer_id: int, sent: bodies.RaiseBody, *, optional_point: bool, check: bool) -> Reply:
    if sent.response_type_id is None:
        bodies.bad("responseTypeId is required")
    site = call.sim.state.site_by_id(sent.site_id) if sent.site_id is not None else None
    if not (sent.point or site or optional_point) and call.sim.settings.position_required:
        new = call.sim.settings.generation is Generation.NEW
        bodies.bad("location is required" if new else "latitude and longitude are required")
    wanted = Wanted(
        customer_id,
        sent.response_type_id,
        sent.point,
        origin="site" if site else "device",
        site=site,
        classification_id=sent.classification_id,
        internal_test=sent.internal_test,
        check_subscription=check,
    )
    return _raised(call, wanted, call.sim.codec().raised)


def raise_at_site(call: Call) -> Reply:
    """Raise for a fixed location. An unknown reference is 400, as documented; NEW takes an empty body."""
    site = _site(call)
    _own(call, site.customer_id)
    kind = bodies.optional_integer(call.body, "responseTypeId")
    if kind is None:
        if call.sim.settings.generation is Generation.OLD:
            bodies.bad("responseTypeId is required")
        kind = call.sim.settings.response_types[0][0]
    installer = bodies.text(call.body, "installerIdentifier") if "installerIdentifier" in call.body else None
    wanted = Wanted(site.customer_id, kind, None, origin="site", site=site)
    return _raised(call, wanted, lambda callout: call.sim.codec().raised_at_site(callout, site.reference, installer))


def _site(call: Call) -> Site:
    reference = call.params["externalReferenceId"]
    if (site := call.sim.state.sites.get(reference)) is None:
        bodies.bad(f"Unknown externalReferenceId {reference[:64]}")
    return site


def _raised(call: Call, wanted: Wanted, shape: Callable[[Callout], Any]) -> Reply:
    callout, new = call.sim.state.raise_callout(wanted, call.now, call.sim.track_key())
    chosen = call.sim.settings
    return Reply(shape(callout), chosen.created_status if new else chosen.existing_status)


# --- reading ---


def list_for_customer(call: Call) -> Reply:
    """The active callouts of one customer."""
    customer_id = _number(call.params["customerId"], "Customer")
    _own(call, customer_id)
    call.sim.state.customer(customer_id)
    return Reply(call.sim.codec().listed(call.sim.state.open_callouts(customer_id)))


def list_active(call: Call) -> Reply:
    """The active callouts of the whole source."""
    return Reply(call.sim.codec().listed(call.sim.state.open_callouts()))


def read(call: Call) -> Reply:
    """One callout, open or closed."""
    return Reply(call.sim.codec().read(_callout(call)))


def show_map(call: Call) -> Reply:
    """Where a map is. The older guide says that it exists only after the close."""
    callout = _callout(call)
    if call.sim.settings.generation is Generation.OLD and not callout.closed:
        raise Refused(Refusal.UNKNOWN, "The map exists once the callout is closed")
    return Reply(call.sim.codec().map(callout))


# --- streaming ---


def locate(call: Call) -> Reply:
    """Take a position."""
    return _locate(call, "locate", lambda _: {"message": "Location updated"})


def locate_and_return(call: Call) -> Reply:
    """Take a position and answer with the callout; a calloutId in the body is ignored."""
    codec = call.sim.codec()
    return _locate(call, "locate_return", lambda callout: codec.returned(callout, "Location updated"))


def _locate(call: Call, operation: str, shape: Callable[[Callout], Any]) -> Reply:
    callout = _callout(call)
    point = bodies.read_point(call.body)
    if refusal := _closed(call, callout, operation):
        return refusal
    if not callout.closed:
        call.sim.state.locate(callout, point, call.now)
    return Reply(shape(callout))


def _closed(call: Call, callout: Callout, operation: str) -> Reply | None:
    """285 where the callout is closed and the operation refuses that."""
    chosen = call.sim.settings
    if not callout.closed or operation not in chosen.refuse_closed:
        return None
    message = "Callout is closed; updates not required"
    if chosen.closed_body is ClosedBody.EMPTY:
        return Reply(None, UPDATES_NOT_REQUIRED)
    if chosen.closed_body is ClosedBody.MESSAGE:
        return Reply({"message": message}, UPDATES_NOT_REQUIRED)
    return Reply(call.sim.codec().returned(callout, message), UPDATES_NOT_REQUIRED)


# --- talking and cancelling ---


def list_events(call: Call) -> Reply:
    """The event stream, oldest first."""
    callout, codec = _callout(call), call.sim.codec()
    return Reply([codec.event(callout, entry) for entry in callout.entries])


def send_event(call: Call) -> Reply:
    """Add to the event stream."""
    callout = _callout(call)
    source, said = bodies.read_event(call.body, call.sim.settings.generation)
    if refusal := _closed(call, callout, "send_event"):
        return refusal
    entry = call.sim.state.say(callout, source, said, call.now)
    return Reply(call.sim.codec().event_sent(callout, entry), call.sim.settings.created_status)


def cancel(call: Call) -> Reply:
    """Take a cancel. With a code the answer is drawn up before the code is looked at, so it cannot tell right from wrong."""
    callout = _callout(call)
    typed = bodies.read_safe_code(call.body)
    if refusal := _closed(call, callout, "cancel"):
        call.sim.state.cancel(callout, typed, call.now)
        return refusal
    answer = call.sim.codec().cancelled(callout)
    call.sim.state.cancel(callout, typed, call.now)
    return Reply(answer if typed is not None else call.sim.codec().cancelled(callout))


# --- who and which ---


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise Refused(Refusal.UNKNOWN, f"{what} not found")
    return int(text)


def _own(call: Call, customer_id: int) -> None:
    """A callout token is good for its own customer only: 401, not 403, as documented."""
    if call.token and call.token.customer_id not in (None, customer_id):
        raise Unauthorised("Token is not valid for this customer")


def _callout(call: Call) -> Callout:
    callout = call.sim.state.callout(_number(call.params["calloutId"], "Callout"))
    _own(call, callout.customer_id)
    return callout


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the API. name: as in `Settings.scope` and in faults. optional_body: no body is an empty object."""

    name: str
    method: str
    path: str
    door: Door
    act: Callable[[Call], Reply]
    optional_body: bool = False


OPERATIONS = (
    Operation("oauth_token", "POST", "/oauth/token", Door.OPEN, exchange),
    Operation("callout_token", "POST", "/oauth/calloutToken", Door.SERVER, mint),
    Operation("raise", "POST", "/customers/{customerId}/callouts", Door.SCOPED, raise_for_customer),
    Operation("list_customer", "GET", "/customers/{customerId}/callouts", Door.SCOPED, list_for_customer),
    Operation("raise_legacy", "POST", "/callouts", Door.SCOPED, raise_legacy),
    Operation("list_active", "GET", "/callouts/activeCallouts", Door.SCOPED, list_active),
    Operation("read", "GET", "/callouts/{calloutId}", Door.SCOPED, read),
    Operation("locate", "POST", "/callouts/{calloutId}/location", Door.SCOPED, locate),
    Operation("locate_return", "POST", "/callouts/{calloutId}/updateLocationAndReturnCallout", Door.SCOPED, locate_and_return),
    Operation("list_events", "GET", "/callouts/{calloutId}/events", Door.SCOPED, list_events),
    Operation("send_event", "POST", "/callouts/{calloutId}/events", Door.SCOPED, send_event),
    Operation("cancel", "POST", "/callouts/{calloutId}/cancel", Door.SCOPED, cancel, optional_body=True),
    Operation("map", "GET", "/callouts/{calloutId}/maps", Door.SCOPED, show_map),
    Operation(
        "raise_site",
        "POST",
        "/predefinedLocations/externalRef/{externalReferenceId}/callouts",
        Door.SCOPED,
        raise_at_site,
        optional_body=True,
    ),
)

# What an operator's own backend would offer its devices; not a part of the Panic API.
BACKEND = (Operation("mint", "POST", "/backend/token", Door.KEY, mint),)
