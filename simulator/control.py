"""The simulator's own API under /sim: the dispatcher's desk, faults, tokens, settings, the log and the live stream.

No part of the Panic API; a client under test never calls it. It shows no secret, and codes only for the dispatcher's key.
A page of another origin may not post here.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator import bodies, desk, membership, scenario_routes, settings
from simulator.fault_keys import kinds
from simulator.faults import NeedsTlsError, Rule, read_rules
from simulator.live import Listener, Topic
from simulator.operations import BACKEND, OPERATIONS, require_known
from simulator.operations.calls import number
from simulator.origin import is_foreign
from simulator.records import DIGITS, Callout, Customer
from simulator.routes import answer, bearer, keep, read_body, refuse, same, since, stream
from simulator.simulation import PREFIX, Simulation
from simulator.state import Act, Refusal, Refused, Wanted

Handler = Callable[["Desk", Request, Any], Any]

# What a fault may name.
FAULTED = tuple(each.name for each in (*OPERATIONS, *BACKEND))


class Desk:
    """The handlers. Each gets the request and its JSON (None without a body) and returns JSON."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim

    # --- looking ---

    def about(self, _: Request, __: Any) -> Any:
        """Where things are."""
        root = self.sim.root_url
        return {"base_url": root + PREFIX, "page": root + "/", "token_url": root + "/backend/token", **settings.tell(self.sim.settings)}

    def customers(self, _: Request, __: Any) -> Any:
        """Every customer."""
        return desk.customers_view(self.sim.state.customers.values(), self.sim.now())

    def devices(self, _: Request, __: Any) -> Any:
        """Every linked device and what it last told."""
        return desk.devices_view(self.sim.state.devices.values())

    def callouts(self, _: Request, __: Any) -> Any:
        """Every callout."""
        return desk.callouts_view(self.sim.state)

    def callout(self, request: Request, _: Any) -> Any:
        """One callout."""
        return desk.callout_view(self.sim.state, self._callout(request))

    def codes(self, request: Request, _: Any) -> Any:
        """Cancels with the code as typed; asks for the dispatcher's key."""
        if not same(bearer(request), self.sim.settings.dispatcher_key):
            return answer({"message": "The dispatcher's key is needed"}, 401)
        return desk.codes_view(self._callout(request))

    def tokens(self, _: Request, __: Any) -> Any:
        """Every token without its text."""
        return desk.tokens_view(self.sim.tokens.all(), self.sim.now())

    def webhooks(self, _: Request, __: Any) -> Any:
        """The registered webhook and how its deliveries go."""
        return self.sim.outbox.tell(self.sim.state.webhook)

    def requests(self, request: Request, _: Any) -> Any:
        """The request log; ?since=N leaves out older ones."""
        return [seen.tell() for seen in self.sim.traffic.since(since(request))]

    def faults(self, _: Request, __: Any) -> Any:
        """The rules in force."""
        return self.sim.faults.all(self.sim.now())

    def fault_kinds(self, _: Request, __: Any) -> Any:
        """What a fault may be: every action and key in words, with types, defaults and ranges."""
        return kinds(FAULTED)

    # --- customers and callouts ---

    def add_customer(self, _: Request, body: Any) -> Any:
        """Add one: id, mobile, name, subscribed."""
        wanted = _object(body)
        mobile = bodies.text(wanted, "mobile")
        if sum(letter in DIGITS for letter in mobile) < 4:
            bodies.bad("mobile must have at least four digits")
        name = bodies.text(wanted, "name") if "name" in wanted else "Customer"
        customer = Customer(bodies.integer(wanted, "id"), name, mobile, created_wall=self.sim.now())
        self.sim.state.add_customer(customer)
        membership.set_subscribed(self.sim.state, customer, self.sim.now(), wanted=_flag(wanted, "subscribed", default=True))
        self.sim.hub.tell("customers")
        return answer(desk.customers_view([customer], self.sim.now())[0], 201)

    def change_customer(self, request: Request, body: Any) -> Any:
        """Subscribe or unsubscribe."""
        customer = self.sim.state.customer(number(request.path_params["customer"], "Customer"))
        wanted = _flag(_object(body), "subscribed", default=customer.subscribed_at(self.sim.now()))
        membership.set_subscribed(self.sim.state, customer, self.sim.now(), wanted=wanted)
        self.sim.hub.tell("customers")
        return desk.customers_view([customer], self.sim.now())[0]

    def raise_elsewhere(self, _: Request, body: Any) -> Any:
        """A callout raised by the customer's phone, not by the device."""
        sent = _object(body)
        kind = bodies.optional_integer(sent, "responseTypeId") or self.sim.settings.response_types[0][0]
        point = bodies.read_point(sent) if "latitude" in sent or "longitude" in sent else None
        wanted = Wanted(bodies.integer(sent, "customerId"), kind, point, origin="elsewhere")
        callout, new = self.sim.state.raise_callout(wanted, self.sim.now(), self.sim.track_key())
        return answer(desk.callout_view(self.sim.state, callout), 201 if new else 200)

    def respond(self, request: Request, body: Any) -> Any:
        """dispatch, arrive, complete, stand_down or close. A dispatch may say in how many seconds: eta_s."""
        callout = self._callout(request)
        self.sim.state.respond(callout, Act(request.path_params["act"]), self.sim.now(), _span(_object(body or {}), "eta_s"))
        return desk.callout_view(self.sim.state, callout)

    def say(self, request: Request, body: Any) -> Any:
        """A message from dispatch."""
        callout = self._callout(request)
        self.sim.state.own(callout, self.sim.now())
        self.sim.state.say(callout, "dispatch", bodies.text(_object(body), "message"), self.sim.now())
        return desk.callout_view(self.sim.state, callout)

    # --- tokens, faults, settings ---

    def expire_tokens(self, _: Request, body: Any) -> Any:
        """Expire every token now, or those of one customer."""
        customer_id = bodies.optional_integer(_object(body or {}), "customerId")
        return {"expired": self.sim.tokens.expire(self.sim.now(), customer_id)}

    def add_faults(self, _: Request, body: Any) -> Any:
        """Add one rule or several."""
        numbers = [self.sim.faults.add(rule, self.sim.now()) for rule in self._rules(body)]
        return answer([rule for rule in self._faults_changed() if rule["id"] in numbers], 201)

    def replace_faults(self, _: Request, body: Any) -> Any:
        """These rules and no others."""
        rules = self._rules(body)
        self.sim.faults.clear()
        for rule in rules:
            self.sim.faults.add(rule, self.sim.now())
        return self._faults_changed()

    def clear_faults(self, _: Request, __: Any) -> Any:
        """No faults."""
        self.sim.faults.clear()
        return self._faults_changed()

    def remove_fault(self, request: Request, _: Any) -> Any:
        """One rule less."""
        if not self.sim.faults.remove(number(request.path_params["fault"], "Fault")):
            raise Refused(Refusal.UNKNOWN, "No such fault")
        return self._faults_changed()

    def change_settings(self, _: Request, body: Any) -> Any:
        """Change what `settings.tell` tells."""
        changed = settings.change(self.sim.settings, _object(body))
        require_known(body)
        self.sim.apply(changed)
        return settings.tell(self.sim.settings)

    def clear_requests(self, _: Request, __: Any) -> Any:
        """Forget the log."""
        self.sim.traffic.clear()
        return []

    def reset(self, _: Request, __: Any) -> Any:
        """Back to the start."""
        self.sim.reset()
        return self.about(_, None)

    # --- live ---

    def live(self, request: Request, _: Any) -> Any:
        """Server-sent events until the page goes or the server stops."""
        return stream(request, self.sim.hub.stream(self.sim.stopping, self.view))

    def view(self, topic: Topic, listener: Listener) -> Any:
        """What a listener is told about one topic, None where there is nothing left to tell."""
        name, number = topic
        now = {"now": self.sim.now()}
        if name in ("hello", "reset"):
            return {**now, **self._everything(listener)}
        if name == "callout":
            found = self.sim.state.callouts.get(number or 0)
            return found and {**now, "callout": self._news_of(found, listener)}
        if name == "request" and number is not None:
            return {**now, "requests": [seen.tell() for seen in self.sim.traffic.since(number - 1) if seen.number == number]}
        if name == "faults":
            return {**now, "faults": self.faults_now()}
        if name == "customers":
            return {**now, "customers": desk.customers_view(self.sim.state.customers.values(), self.sim.now())}
        return now if name == "beat" else {**now, "settings": settings.tell(self.sim.settings)}

    def _everything(self, listener: Listener) -> dict[str, Any]:
        listener.told = {callout.id: desk.told_of(callout) for callout in self.sim.state.callouts.values()}
        return {
            "callouts": desk.callouts_view(self.sim.state),
            "customers": desk.customers_view(self.sim.state.customers.values(), self.sim.now()),
            "faults": self.faults_now(),
            "settings": settings.tell(self.sim.settings),
            "responseTypes": [{"id": number, "value": value} for number, value in self.sim.settings.response_types],
            "requests": [seen.tell() for seen in self.sim.traffic.since(self.sim.traffic.total - 40)],
            "struck": [seen.tell() for seen in self.sim.traffic.since() if seen.fault],
        }

    def _news_of(self, callout: Callout, listener: Listener) -> dict[str, Any]:
        view = desk.callout_view(self.sim.state, callout, listener.told.get(callout.id, desk.NOTHING))
        listener.told[callout.id] = desk.told_of(callout)
        return view

    def faults_now(self) -> list[dict[str, Any]]:
        """The rules with their counts."""
        return self.sim.faults.all(self.sim.now())

    def _rules(self, body: Any) -> list[Rule]:
        rules = read_rules(body, FAULTED)
        try:
            for rule in rules:
                self.sim.faults.check(rule)
        except NeedsTlsError as error:
            raise Refused(Refusal.CONFLICT, str(error)) from None
        return rules

    def _faults_changed(self) -> list[dict[str, Any]]:
        self.sim.hub.tell("faults")
        return self.faults_now()

    def _callout(self, request: Request) -> Callout:
        return self.sim.state.callout(number(request.path_params["callout"], "Callout"))


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        bodies.bad("Body must be a JSON object")
    return body


def _flag(body: dict[str, Any], key: str, *, default: bool) -> bool:
    value = body.get(key, default)
    if not isinstance(value, bool):
        bodies.bad(f"{key} must be true or false")
    return value


def _span(body: dict[str, Any], key: str) -> float | None:
    value = body.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 86400):
        bodies.bad(f"{key} must be from 0 to 86400 seconds")
    return value


TABLE: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/sim", Desk.about),
    ("GET", "/sim/customers", Desk.customers),
    ("POST", "/sim/customers", Desk.add_customer),
    ("PATCH", "/sim/customers/{customer}", Desk.change_customer),
    ("GET", "/sim/devices", Desk.devices),
    ("GET", "/sim/callouts", Desk.callouts),
    ("POST", "/sim/callouts", Desk.raise_elsewhere),
    ("GET", "/sim/callouts/{callout}", Desk.callout),
    ("GET", "/sim/callouts/{callout}/codes", Desk.codes),
    ("POST", "/sim/callouts/{callout}/say", Desk.say),
    ("GET", "/sim/tokens", Desk.tokens),
    ("POST", "/sim/tokens/expire", Desk.expire_tokens),
    ("GET", "/sim/webhooks", Desk.webhooks),
    ("GET", "/sim/requests", Desk.requests),
    ("DELETE", "/sim/requests", Desk.clear_requests),
    ("GET", "/sim/faults", Desk.faults),
    ("GET", "/sim/faults/kinds", Desk.fault_kinds),
    ("POST", "/sim/faults", Desk.add_faults),
    ("PUT", "/sim/faults", Desk.replace_faults),
    ("DELETE", "/sim/faults", Desk.clear_faults),
    ("DELETE", "/sim/faults/{fault}", Desk.remove_fault),
    ("PATCH", "/sim/settings", Desk.change_settings),
    ("POST", "/sim/reset", Desk.reset),
    ("GET", "/sim/live", Desk.live),
)


def routes(sim: Simulation) -> list[Route]:
    """The simulator's own API as routes."""
    room = Desk(sim)
    acts = [("POST", f"/sim/callouts/{{callout}}/{act}", _act(act)) for act in Act]
    own = [Route(path, _endpoint(room, handler), methods=[method]) for method, path, handler in (*TABLE, *acts)]
    return [*own, *scenario_routes.routes(sim, own, is_foreign)]


def _act(act: Act) -> Handler:
    def handler(room: Desk, request: Request, body: Any) -> Any:
        request.path_params["act"] = act
        return room.respond(request, body)

    return handler


def _endpoint(room: Desk, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        if is_foreign(request):
            return answer({"message": "Not from another origin"}, 403)
        try:
            told = await _carry_out(room, handler, request)
        finally:
            unkept = keep(room.sim)
        return unkept or told

    return serve


async def _carry_out(room: Desk, handler: Handler, request: Request) -> Response:
    try:
        raw = await read_body(request)
        result = handler(room, request, json.loads(raw) if raw else None)
    except Refused as refused:
        return refuse(refused)
    except (ValueError, RecursionError) as error:
        return answer({"message": str(error)}, 400)
    room.sim.transcript.acted(request.method, request.url.path, raw, request.scope.get("simulator.by", "dispatcher"))
    return result if isinstance(result, Response) else answer(result)
