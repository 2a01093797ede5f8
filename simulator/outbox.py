"""What the webhook is still to be told, and how telling it went: each notice in order, at least once, or given up with a note.

Pure: no HTTP, no clock, no waiting; `webhooks` carries the deliveries. What leaves is drawn up when it happens, so that a receiver which
was down hears how things were and not how they are. Shows neither the registered headers nor the part of a url that may be a secret.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from simulator.codec import Codec, Json, iso
from simulator.papers import Papers
from simulator.records import Callout, Notice, Webhook
from simulator.settings import Generation
from simulator.state import State

# Beyond these, the oldest one that waits is dropped: the newest tell how things stand.
MOST_WAITING = 1000
# How many deliveries that are over can be looked at.
MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on its way. body: the JSON document as it leaves. outcome: of the last try; "" before the first."""

    number: int
    event: str
    entity: str
    id: int
    happened_wall: float
    body: str
    tries: int = 0
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Over:
    """A delivery that waits no more. result: "delivered", "given up", "dropped" or "not wanted"."""

    delivery: Delivery
    result: str
    wall: float


class Outbox:
    """What waits, by its number and in order, and the last of what is over."""

    def __init__(self) -> None:
        self.waiting: dict[int, Delivery] = {}
        self._over: deque[Over] = deque(maxlen=MOST_SHOWN)
        self._counts = {"delivered": 0, "given up": 0, "dropped": 0, "not wanted": 0}

    def take(self, notices: Iterable[Notice], state: State, codec: Codec, now: float) -> None:
        """Put in what is registered for. A thing that has gone since is told by its id alone."""
        for notice in notices:
            if state.webhook is None or notice.event not in state.webhook.events:
                continue
            if len(self.waiting) >= MOST_WAITING:
                self.end(next(iter(self.waiting.values())), "dropped", now)
            # Above all that were there before, those of an earlier process among them.
            number = max([*self.waiting, *(each.delivery.number for each in self._over)], default=0) + 1
            body = json.dumps(document(notice, state, codec))
            self.waiting[number] = Delivery(number, notice.event, notice.entity, notice.id, now, body)

    def first(self) -> Delivery | None:
        """The next one to leave."""
        return next(iter(self.waiting.values()), None)

    def tried(self, delivery: Delivery, outcome: str) -> Delivery:
        """The same delivery after one more try. It may have been dropped meanwhile."""
        after = replace(delivery, tries=delivery.tries + 1, outcome=outcome)
        if delivery.number in self.waiting:
            self.waiting[delivery.number] = after
        return after

    def end(self, delivery: Delivery, result: str, now: float) -> None:
        """It waits no more; twice is harmless."""
        if self.waiting.pop(delivery.number, None):
            self._over.append(Over(delivery, result, now))
            self._counts[result] += 1

    def tell(self, webhook: Webhook | None) -> Json:
        """As JSON: who is registered, how many waited and how that ended, and the last deliveries, newest first."""
        shown = [_shown(over.delivery, over.result, over.wall) for over in self._over]
        shown += [_shown(delivery, "waiting", None) for delivery in list(self.waiting.values())[:MOST_SHOWN]]
        return {
            "webhook": webhook and {"url": bare(webhook.url), "events": list(webhook.events), "headers": sorted(webhook.headers)},
            "waiting": len(self.waiting),
            **{result.replace(" ", "_"): count for result, count in self._counts.items()},
            "deliveries": shown[::-1],
        }


def bare(url: str) -> str:
    """A url without user, password, query and fragment: those may be secrets."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"


def document(notice: Notice, state: State, codec: Codec) -> Json:
    """What is posted: the event's name, what it is about, and for a responder's events the incident as a block."""
    if notice.entity == "callout":
        callout = state.callouts.get(notice.id)
        return {
            "message": notice.event,
            "callout": codec.flat(callout) if callout else {"id": notice.id},
            **_incident(notice, callout, codec),
        }
    papers = Papers(codec.generation is Generation.NEW)
    if notice.entity == "customer":
        customer = state.customers.get(notice.id)
        told = papers.customer(customer, codec.now_wall) if customer else {"id": notice.id}
        # The newer answer to a new customer has the subscription beside it; here it is about the customer alone.
        return {"message": notice.event, "customer": told.get("customer", told)}
    return {"message": notice.event, notice.entity: _subscription(notice.id, state, papers, codec.now_wall)}


def _incident(notice: Notice, callout: Callout | None, codec: Codec) -> Json:
    """The webhook page calls it a block: an object, also where the read view has an array."""
    told = codec.nested(callout).get("incidentInformation") if callout and notice.event.startswith("RESPONDER_") else None
    if told is None:
        return {}
    return {"incidentInformation": told[0] if isinstance(told, list) else told}


def _subscription(number: int, state: State, papers: Papers, now: float) -> Json:
    for customer in state.customers.values():
        for each in customer.subscriptions:
            if each.id == number:
                return papers.subscription(customer, each, now)
    return {"id": number}


def _shown(delivery: Delivery, result: str, wall: float | None) -> Json:
    return {
        "number": delivery.number,
        "event": delivery.event,
        "entity": delivery.entity,
        "id": delivery.id,
        "happened": iso(delivery.happened_wall),
        "result": result,
        "tries": delivery.tries,
        "outcome": delivery.outcome,
        "ended": iso(wall),
    }
