"""Operations of a callout that is on: raise, read, stream, talk, cancel.

Each is a plain function from a Call to a Reply. The rules behind them are the state's, the shapes are the codec's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulator import bodies, forms
from simulator.operations.calls import Call, Reply, callout_of, number, own, refuse_closed
from simulator.records import Callout, Site, Verdict
from simulator.state import Wanted

# --- raising ---


def raise_for_customer(call: Call) -> Reply:
    """Raise for the customer in the path."""
    customer_id = number(call.params["customerId"], "Customer")
    own(call, customer_id)
    sent = bodies.read_raise(call.body, call.sim.settings.generation)
    return _raise(call, customer_id, sent, optional_point=False, check=True)


def raise_legacy(call: Call) -> Reply:
    """Raise for the customer in the body, or the token's own. OLD needs no position and checks no subscription."""
    sent = bodies.read_raise(call.body, call.sim.settings.generation)
    customer_id = sent.customer_id or (call.token.customer_id if call.token else None)
    if customer_id is None:
        bodies.bad("customerId is required")
    own(call, customer_id)
    return _raise(call, customer_id, sent, optional_point=not call.new, check=call.new)


def _raise(call: Call, customer_id: int, sent: bodies.RaiseBody, *, optional_point: bool, check: bool) -> Reply:
    if sent.response_type_id is None:
        bodies.bad("responseTypeId is required")
    site = call.sim.state.site_by_id(sent.site_id) if sent.site_id is not None else None
    if site:
        own(call, site.customer_id)
    if not (sent.point or site or optional_point) and call.sim.settings.position_required:
        bodies.bad("location is required" if call.new else "latitude and longitude are required")
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
    own(call, site.customer_id)
    kind = bodies.optional_integer(call.body, "responseTypeId")
    if kind is None:
        if not call.new:
            bodies.bad("responseTypeId is required")
        kind = call.sim.settings.response_types[0][0]
    installer = bodies.text(call.body, "installerIdentifier") if "installerIdentifier" in call.body else None
    wanted = Wanted(site.customer_id, kind, None, origin="site", site=site)
    if not call.new:
        test = forms.optional_flag(call.body, "internalTest")
        wanted = replace(wanted, classification_id=forms.optional_integer(call.body, "calloutClassificationId"), internal_test=bool(test))
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
    """The active callouts of one customer: the one in the path, or else the token's own. A server token's own are all."""
    if "customerId" not in call.params:
        return Reply(call.sim.codec().listed(call.sim.state.open_callouts(call.token.customer_id if call.token else None)))
    customer_id = number(call.params["customerId"], "Customer")
    own(call, customer_id)
    call.sim.state.customer(customer_id)
    return Reply(call.sim.codec().listed(call.sim.state.open_callouts(customer_id)))


def list_active(call: Call) -> Reply:
    """The active callouts of the whole source."""
    return Reply(call.sim.codec().listed(call.sim.state.open_callouts()))


def read(call: Call) -> Reply:
    """One callout, open or closed."""
    callout = callout_of(call)
    return refuse_closed(call, callout, "read") or Reply(call.sim.codec().read(callout))


# --- streaming ---


def locate(call: Call) -> Reply:
    """Take a position."""
    return _locate(call, "locate", lambda _: {"message": "Location updated"})


def locate_and_return(call: Call) -> Reply:
    """Take a position and answer with the callout; a calloutId in the body is ignored."""
    codec = call.sim.codec()
    return _locate(call, "locate_return", lambda callout: codec.returned(callout, "Location updated"))


def _locate(call: Call, operation: str, shape: Callable[[Callout], Any]) -> Reply:
    callout = callout_of(call)
    point = bodies.read_point(call.body)
    if refusal := refuse_closed(call, callout, operation):
        return refusal
    if not callout.closed:
        call.sim.state.locate(callout, point, call.now)
    return Reply(shape(callout))


# --- talking and cancelling ---


def list_events(call: Call) -> Reply:
    """The event stream, oldest first."""
    callout, codec = callout_of(call), call.sim.codec()
    return refuse_closed(call, callout, "list_events") or Reply([codec.event(callout, entry) for entry in callout.entries])


def send_event(call: Call) -> Reply:
    """Add to the event stream."""
    callout = callout_of(call)
    source, said = bodies.read_event(call.body, call.sim.settings.generation)
    if refusal := refuse_closed(call, callout, "send_event"):
        return refusal
    entry = call.sim.state.say(callout, source, said, call.now)
    return Reply(call.sim.codec().event_sent(callout, entry), call.sim.settings.created_status)


def cancel(call: Call) -> Reply:
    """Take a cancel. With a code the answer is drawn up before the code is looked at, so it cannot tell right from wrong.

    Unless `strict_code` has it so: then a wrong code is 400.
    """
    callout = callout_of(call)
    typed = bodies.read_safe_code(call.body)
    refusal = refuse_closed(call, callout, "cancel")
    answer = call.sim.codec().cancelled(callout)
    verdict = call.sim.state.cancel(callout, typed, call.now)
    if refusal:
        return refusal
    if verdict is Verdict.WRONG and call.sim.settings.strict_code:
        bodies.bad("safeCode does not match")
    return Reply(answer if typed is not None else call.sim.codec().cancelled(callout))
