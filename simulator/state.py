"""The rules of the service: who may raise, what a second raise is, what a cancel does, what a responder may do next.

Pure: no HTTP, no JSON, no clock, no randomness, no IO. The moment and every random text come in as arguments. What changed is
told by `touched`, which the caller drains, and by `notices`, which whoever delivers the webhook drains. What a subscription, a device
or a rating is has rooms of its own (`membership`, `gadgets`, `after_care`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from simulator.records import (
    Callout,
    Cancel,
    Counters,
    Customer,
    Device,
    Entry,
    Happening,
    Note,
    Notice,
    Position,
    Site,
    Subscription,
    Verdict,
    Webhook,
)
from simulator.settings import Settings


class Refusal(StrEnum):
    """Why the service says no."""

    BAD = "bad"
    UNKNOWN = "unknown"
    NOT_ALLOWED = "not allowed"
    CONFLICT = "conflict"


class Refused(Exception):  # noqa: N818 - "refused" is the word
    """The service says no. The text may be shown to the caller."""

    def __init__(self, why: Refusal, message: str) -> None:
        super().__init__(message)
        self.why = why
        self.message = message


@dataclass(frozen=True, slots=True)
class Point:
    """A place as a request told it."""

    latitude: float
    longitude: float
    accuracy_m: float | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a raise asks for, whatever shape it came in."""

    customer_id: int
    response_type_id: int
    point: Point | None
    origin: str = "device"
    site: Site | None = None
    classification_id: int | None = None
    internal_test: bool = False
    check_subscription: bool = True


# Until when the subscription of a simulation's own customer is good: 2100-01-01.
FOR_EVER_WALL = 4_102_444_800.0
# Notices that nobody fetches are dropped, oldest first.
MOST_NOTICES = 1000


class Act(StrEnum):
    """What a responder or dispatcher does with a callout."""

    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    COMPLETE = "complete"
    STAND_DOWN = "stand_down"
    CLOSE = "close"


class State:
    """Customers, sites, devices and callouts of one simulation, and its webhook."""

    def __init__(self, settings: Settings, first_callout_id: int) -> None:
        self.settings = settings
        self.counters = Counters(first_callout_id)
        self.touched: set[int] = set()
        self.notices: list[Notice] = []
        self.devices: dict[str, Device] = {}
        self.webhook: Webhook | None = None
        self.customers: dict[int, Customer] = {}
        self.sites: dict[str, Site] = {}
        self.callouts: dict[int, Callout] = {}
        self.reset()

    def reset(self) -> None:
        """Back to the default customer and no callouts. Ids go on, so that none comes twice."""
        chosen = self.settings
        self.callouts.clear()
        self.touched.clear()
        self.notices.clear()
        self.devices.clear()
        self.webhook = None
        customer = Customer(chosen.customer_id, chosen.customer_name, chosen.customer_mobile)
        if chosen.subscribed:
            customer.subscriptions.append(Subscription(self.next_id("subscription"), chosen.subscription_types[0][0], 0.0, FOR_EVER_WALL))
        self.customers = {customer.id: customer}
        # The first site keeps its id over a reset.
        site = Site(9001, chosen.site_reference, chosen.customer_id, chosen.site_latitude, chosen.site_longitude, chosen.site_reference)
        self.counters.site = max(self.counters.site, site.id + 1)
        self.sites = {site.reference: site}

    def next_id(self, kind: str) -> int:
        """A new id of this kind, a field of `Counters`."""
        number: int = getattr(self.counters, kind)
        setattr(self.counters, kind, number + 1)
        return number

    def notice(self, event: Happening, entity: str, number: int) -> None:
        """Something happened that a webhook may want to hear of."""
        self.notices.append(Notice(str(event), entity, number))
        del self.notices[:-MOST_NOTICES]

    def _changed(self, callout: Callout, *happenings: Happening) -> None:
        self.touched.add(callout.id)
        for each in happenings:
            self.notice(each, "callout", callout.id)

    # --- looking things up ---

    def customer(self, customer_id: int) -> Customer:
        """One that is not deleted. Raises Refused UNKNOWN."""
        if (found := self.customers.get(customer_id)) is None or found.deleted_wall is not None:
            raise Refused(Refusal.UNKNOWN, f"Customer {customer_id} not found")
        return found

    def callout(self, callout_id: int) -> Callout:
        """Raises Refused UNKNOWN."""
        if (found := self.callouts.get(callout_id)) is None:
            raise Refused(Refusal.UNKNOWN, f"Callout {callout_id} not found")
        return found

    def open_callouts(self, customer_id: int | None = None) -> list[Callout]:
        """Callouts not closed, oldest first; of one customer or of all."""
        return [each for each in self.callouts.values() if not each.closed and customer_id in (None, each.customer_id)]

    def site_by_id(self, site_id: int) -> Site:
        """Raises Refused BAD."""
        for site in self.sites.values():
            if site.id == site_id:
                return site
        raise Refused(Refusal.BAD, f"Unknown predefinedLocationId {site_id}")

    def response_type(self, type_id: int) -> str:
        """The name of a response type, its number where unknown."""
        return dict(self.settings.response_types).get(type_id, str(type_id))

    def classification(self, number: int | None) -> str | None:
        """The name of a classification, its number where unknown."""
        return None if number is None else dict(self.settings.classifications).get(number, str(number))

    # --- what customers and their devices do ---

    def add_customer(self, customer: Customer) -> None:
        """Raises Refused CONFLICT for an id or mobile number that is taken; one that was deleted has left the number, not the id."""
        taken = any(customer.mobile == other.mobile for other in self.customers.values() if other.deleted_wall is None)
        if taken or customer.id in self.customers:
            raise Refused(Refusal.CONFLICT, "A customer with this id or mobile number exists")
        self.customers[customer.id] = customer
        self.notice(Happening.CREATED_CUSTOMER, "customer", customer.id)

    def add_site(self, site: Site) -> Site:
        """The site with an id of its own. Raises Refused CONFLICT for a reference that is taken."""
        if site.reference in self.sites:
            raise Refused(Refusal.CONFLICT, "A fixed location with this externalReferenceId exists")
        self.sites[site.reference] = replace(site, id=self.next_id("site"))
        return self.sites[site.reference]

    def raise_callout(self, wanted: Wanted, now: float, track_key: str) -> tuple[Callout, bool]:
        """The callout, and whether it is new. An active callout is returned as it is, never duplicated or moved."""
        customer = self.customer(wanted.customer_id)
        if wanted.response_type_id not in dict(self.settings.response_types):
            raise Refused(Refusal.BAD, f"Unknown responseTypeId {wanted.response_type_id}")
        if existing := self.open_callouts(customer.id):
            return self._raise_again(existing[-1], wanted, now), False
        if wanted.check_subscription and not customer.subscribed_at(now):
            raise Refused(Refusal.NOT_ALLOWED, "Customer has no active subscription")
        return self._open(wanted, now, track_key), True

    def _open(self, wanted: Wanted, now: float, track_key: str) -> Callout:
        callout = Callout(
            id=self.next_id("callout"),
            customer_id=wanted.customer_id,
            response_type_id=wanted.response_type_id,
            classification_id=wanted.classification_id,
            internal_test=wanted.internal_test,
            origin=wanted.origin,
            raised_wall=now,
            track_key=track_key,
            site_id=wanted.site.id if wanted.site else None,
        )
        self.callouts[callout.id] = callout
        via = {"site": "site", "elsewhere": "elsewhere"}.get(wanted.origin, "raise")
        if wanted.site:
            callout.positions.append(Position(now, wanted.site.latitude, wanted.site.longitude, None, "site"))
        elif wanted.point:
            callout.positions.append(_position(wanted.point, now, via))
        self._changed(callout, Happening.NEW_CALLOUT)
        return callout

    def _raise_again(self, callout: Callout, wanted: Wanted, now: float) -> Callout:
        callout.presses += 1
        kind = self.response_type(wanted.response_type_id)
        callout.notes.append(Note(now, f"Raised again ({wanted.origin}, {kind}): request {callout.presses}"))
        self.touched.add(callout.id)
        return callout

    def locate(self, callout: Callout, point: Point, now: float) -> None:
        """Keep one more position of an open callout."""
        callout.positions.append(_position(point, now, "location"))
        self.touched.add(callout.id)

    def say(self, callout: Callout, source: str, text: str, now: float, kind: str = "chat") -> Entry:
        """Add an entry to the callout's event stream."""
        entry = Entry(self.next_id("entry"), now, source, text, kind)
        callout.entries.append(entry)
        self._changed(callout, Happening.CALLOUT_EVENTS_CHANGED)
        return entry

    def cancel(self, callout: Callout, typed: str | None, now: float) -> Verdict:
        """Take a cancel. Outwardly a wrong code is a right one; only the verdict and the dispatcher's notes and flags differ."""
        verdict = self._judge(callout, typed)
        callout.cancels.append(Cancel(now, verdict, typed))
        self.touched.add(callout.id)
        if callout.closed:
            callout.notes.append(Note(now, "Cancel after the close", alarming=verdict is Verdict.WRONG))
        elif verdict is Verdict.WRONG:
            callout.duress = True
            callout.notes.append(Note(now, "DURESS: cancel with a wrong safe code", alarming=True))
        elif verdict is Verdict.RIGHT:
            self.soft_cancel(callout, "Soft-cancelled by the customer: safe code right", now)
            # A right code after a wrong one may be forced: that callout waits for a person.
            self._close_if(callout, now, wanted=self.settings.right_code_closes and not callout.duress)
        else:
            callout.notes.append(Note(now, "Unconditional cancel (no safe code)"))
            self._changed(callout, Happening.CALLOUT_NO_LONGER_REQUIRES_RESPONSE)
            self._close_if(callout, now, wanted=self.settings.unconditional_closes)
        return verdict

    def soft_cancel(self, callout: Callout, words: str, now: float) -> None:
        """The customer's side asks to stop: the callout stays open and dispatch decides."""
        callout.soft_cancelled = True
        callout.notes.append(Note(now, words))
        self._changed(callout, Happening.CALLOUT_SOFT_CANCELLED_BY_CUSTOMER)

    def _judge(self, callout: Callout, typed: str | None) -> Verdict:
        if typed is None:
            return Verdict.UNCONDITIONAL
        return Verdict.RIGHT if typed == self.customers[callout.customer_id].safe_code else Verdict.WRONG

    # --- what dispatch does ---

    def own(self, callout: Callout, now: float) -> None:
        """A controller took it. Told once."""
        if callout.owned_wall is None:
            callout.owned_wall = now
            self._changed(callout, Happening.CALLOUT_OWNED)

    def respond(self, callout: Callout, act: Act, now: float, eta_s: float | None = None) -> None:
        """Carry out one act of dispatch. eta_s: of a dispatch, in how many seconds. Raises Refused CONFLICT where it makes no sense."""
        if act not in possible(callout):
            raise Refused(Refusal.CONFLICT, f"Cannot {act.replace('_', ' ')} now")
        self.own(callout, now)
        if act is Act.CLOSE:
            self._close_if(callout, now, wanted=True)
            return
        if act is Act.DISPATCH:
            callout.status, callout.dispatched_wall = "Responder Dispatched", now
            callout.eta_wall = None if eta_s is None else now + eta_s
            self._changed(callout, Happening.RESPONDER_MANUALLY_DISPATCHED if eta_s is None else Happening.RESPONDER_ACKNOWLEDGED_CALLOUT)
        elif act is Act.STAND_DOWN:
            self._stand_down(callout, now)
        else:
            self._proceed(callout, act, now)
        self.say(callout, "system", _TOLD[act], now, kind="lifecycle")

    def _proceed(self, callout: Callout, act: Act, now: float) -> None:
        if act is Act.ARRIVE:
            callout.arrived_wall, status, happening = now, "Responder Arrived", Happening.RESPONDER_ARRIVED_ON_SCENE
        else:
            callout.completed_wall, status, happening = now, "Responder Completed", Happening.RESPONDER_COMPLETED
        if self.settings.arrival_status:
            callout.status = status
        self._changed(callout, happening)

    def _stand_down(self, callout: Callout, now: float) -> None:
        """The responder turns back: nobody is dispatched any more, and another may be."""
        callout.status, callout.stood_down_wall = "Responder Cancelled", now
        callout.dispatched_wall = callout.eta_wall = callout.arrived_wall = None
        if callout.soft_cancelled and not callout.duress:
            self._changed(callout, Happening.CALLOUT_NO_LONGER_REQUIRES_RESPONSE)

    def _close_if(self, callout: Callout, now: float, *, wanted: bool) -> None:
        if not wanted:
            return
        callout.status, callout.closed_wall = self.settings.closed_text, now
        self.say(callout, "system", _TOLD[Act.CLOSE], now, kind="lifecycle")
        self._changed(callout, Happening.CALLOUT_CLOSED)


_TOLD = {
    Act.DISPATCH: "Responder dispatched",
    Act.ARRIVE: "Responder arrived on scene",
    Act.COMPLETE: "Responder completed",
    Act.STAND_DOWN: "Responder cancelled",
    Act.CLOSE: "Callout closed",
}


def possible(callout: Callout) -> tuple[Act, ...]:
    """What dispatch may do with this callout now."""
    if callout.closed:
        return ()
    if callout.dispatched_wall is None:
        return (Act.DISPATCH, Act.CLOSE)
    if callout.arrived_wall is None:
        return (Act.ARRIVE, Act.STAND_DOWN, Act.CLOSE)
    if callout.completed_wall is None:
        return (Act.COMPLETE, Act.STAND_DOWN, Act.CLOSE)
    return (Act.CLOSE,)


def _position(point: Point, now: float, via: str) -> Position:
    return Position(now, point.latitude, point.longitude, point.accuracy_m, via)
