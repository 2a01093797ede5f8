"""What an operator may ask of dispatch: a request as a mapping in, a JSON document out.

One executor for the daemon and for a command line without one. Decides what an answer means to a person; not who may ask, nor about
which callout (`enquiries` does). Touches only the connection that it is given. Must not raise for what the network does, must not
outlive its deadline, and logs nothing: a document may hold positions, and the address of a page that shows them live.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.documents import (
    NOTHING,
    REFUSED,
    UNREACHABLE,
    callout_document,
    device_document,
    event_document,
    failure,
    item_document,
    map_document,
    reason_document,
    report_document,
)
from agent.model import Asked, CalloutId, Meaning, Outcome
from agent.paperwork import CancellationReason, Device, DeviceAnswer, MapPicture, Rating, RatingItem, Report
from agent.ports import Dispatch

DEADLINE_S: Final = 15.0  # of one request, however many questions it takes
MAX_TEXT: Final = 1_000  # characters of a message, a note, a comment
MAX_ITEMS: Final = 20
SERVER_TOKEN_HINT: Final = "it may need a server token, which belongs on your backend: ask from there, or with --token-file FILE"  # noqa: S105 - words
ABSENT: Final = {
    Asked.REPORT: ("dispatch has no report of callout {id}", "there is one once the callout is closed, if at all"),
    Asked.MAP: ("dispatch has no map of callout {id}", "there may be one once the callout is closed"),
}

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asking:
    """One request under way. until_at: monotonic s."""

    dispatch: Dispatch
    request: Mapping[str, Any]
    until_at: float

    @property
    def left_s(self) -> float:
        """What is left of the deadline."""
        return max(0.0, self.until_at - time.monotonic())

    @property
    def id(self) -> CalloutId:
        """The callout, or the device. Raises ValueError."""
        given = self.request.get("id")
        if not isinstance(given, int | str) or isinstance(given, bool) or given == "":
            raise ValueError("which one? an id is needed")
        return given

    def text(self, key: str, limit: int = MAX_TEXT) -> str | None:
        """A text without the blanks around it; None for none. Raises ValueError."""
        value = self.request.get(key)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{key} must be text")
        if value is not None and len(value) > limit:
            raise ValueError(f"{key} is longer than {limit} characters")
        return (value or "").strip() or None

    def needed(self, key: str) -> str:
        """A text that must be there. Raises ValueError."""
        value = self.text(key)
        if value is None:
            raise ValueError(f"{key} is needed")
        return value

    def whole(self, key: str, low: int, high: int) -> int | None:
        """A whole number within bounds; None for none. Raises ValueError."""
        value = self.request.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            raise ValueError(f"{key} must be a whole number from {low} to {high}")
        return value


async def perform(dispatch: Dispatch, request: Mapping[str, Any], deadline_s: float = DEADLINE_S) -> Answer:
    """Carry out one request: `{"ok": true, ...}`, or `{"ok": false, "error", "hint", "code"}`. Never raises for what is in it."""
    operation = OPERATIONS.get(str(request.get("do")))
    if operation is None:
        return failure(REFUSED, "unknown request", "one of: " + ", ".join(OPERATIONS))
    try:
        return await operation(Asking(dispatch, request, time.monotonic() + deadline_s))
    except ValueError as error:
        return failure(REFUSED, str(error))


# --- callouts ------------------------------------------------------------------------------------------------------------


async def _list(asking: Asking) -> Answer:
    """Active callouts: of the customer, or (`all`) of the whole source."""
    ask = asking.dispatch.list_active if asking.request.get("all") is True else asking.dispatch.look_up
    outcome = await ask(deadline_s=asking.left_s)
    if outcome.callouts is None:
        return failed(outcome)
    url = asking.request.get("url") is True
    return {"ok": True, "callouts": [callout_document(each, url=url) for each in outcome.callouts]}


async def _show(asking: Asking) -> Answer:
    outcome = await asking.dispatch.read(asking.id, deadline_s=asking.left_s)
    if outcome.callout is None:
        return failed(outcome)
    return {"ok": True, "callout": callout_document(outcome.callout, url=asking.request.get("url") is True)}


async def _events(asking: Asking) -> Answer:
    outcome = await asking.dispatch.events(asking.id, deadline_s=asking.left_s)
    if outcome.events is None:
        return failed(outcome)
    return {"ok": True, "id": asking.id, "events": [event_document(each) for each in outcome.events]}


async def _say(asking: Asking) -> Answer:
    outcome = await asking.dispatch.tell(asking.id, asking.needed("text"), deadline_s=asking.left_s)
    return {"ok": True, "id": asking.id, "text": "Dispatch has the message."} if _taken(outcome) else failed(outcome)


async def _map(asking: Asking) -> Answer:
    outcome = await asking.dispatch.picture(asking.id, deadline_s=asking.left_s)
    if not isinstance(outcome.paper, MapPicture) or not _taken(outcome):
        return failed(outcome)
    return {"ok": True, "id": asking.id, **map_document(outcome.paper)}


async def _report(asking: Asking) -> Answer:
    outcome = await asking.dispatch.report(asking.id, deadline_s=asking.left_s)
    if not isinstance(outcome.paper, Report) or not _taken(outcome):
        return failed(outcome)
    return {"ok": True, "id": asking.id, **report_document(outcome.paper)}


# --- what comes after ------------------------------------------------------------------------------------------------------


async def _reasons(asking: Asking) -> Answer:
    outcome = await asking.dispatch.reasons(asking.id, deadline_s=asking.left_s)
    if not isinstance(outcome.paper, tuple) or not _taken(outcome):
        return failed(outcome)
    return {
        "ok": True,
        "id": asking.id,
        "reasons": [reason_document(each) for each in outcome.paper if isinstance(each, CancellationReason)],
    }


async def _add_reason(asking: Asking) -> Answer:
    reason_id, notes = asking.whole("reason_id", 0, 2**53), asking.text("notes")
    if reason_id is None and notes is None:
        raise ValueError("a reason or a note is needed")
    outcome = await asking.dispatch.add_reason(asking.id, reason_id, notes, deadline_s=asking.left_s)
    if not _taken(outcome):
        return failed(outcome)
    kept = outcome.paper
    reason = reason_document(kept) if isinstance(kept, CancellationReason) else {"id": reason_id, "reason": None}
    return {"ok": True, "id": asking.id, "reason": reason}


async def _rating_items(asking: Asking) -> Answer:
    outcome = await asking.dispatch.rating_items(deadline_s=asking.left_s)
    if not isinstance(outcome.paper, tuple) or not _taken(outcome):
        return failed(outcome)
    return {"ok": True, "items": [item_document(each) for each in outcome.paper if isinstance(each, RatingItem)]}


async def _rate(asking: Asking) -> Answer:
    """One rating, then its items. What became of the rating is told although an item fails: nobody shall rate twice."""
    stars, comment = asking.whole("stars", 1, 5), asking.text("comment")
    if stars is None:
        raise ValueError("how many stars? 1 to 5")
    items, may_contact = _items(asking.request), asking.request.get("may_contact")
    if may_contact is not None and not isinstance(may_contact, bool):
        raise ValueError("may_contact must be true or false")
    known = await _known_items(asking) if items else ()
    outcome = await asking.dispatch.rate(asking.id, stars, comment, may_contact, deadline_s=asking.left_s)
    if not _taken(outcome):
        return failed(outcome)
    rating_id = outcome.paper.id if isinstance(outcome.paper, Rating) else None
    answer: Answer = {"ok": True, "id": asking.id, "rating": {"id": rating_id, "stars": stars}, "items": []}
    for wanted in items:
        item = _matching(wanted, known)
        taken = rating_id is not None and await _rate_item(asking, rating_id, item, stars)
        answer["items"].append({**item_document(item), "taken": taken})
    missed = [each["description"] for each in answer["items"] if not each["taken"]]
    if not missed:
        return answer
    return {**answer, **failure(REFUSED, f"the rating was taken, but not: {', '.join(missed)}", "do not rate again for their sake")}


def _items(request: Mapping[str, Any]) -> list[str]:
    given = request.get("items") or []
    if not isinstance(given, list) or not all(isinstance(each, str) and each.strip() for each in given):
        raise ValueError("items must be texts")
    if len(given) > MAX_ITEMS or any(len(each) > MAX_TEXT for each in given):
        raise ValueError(f"at most {MAX_ITEMS} items of {MAX_TEXT} characters")
    return [each.strip() for each in given]


async def _known_items(asking: Asking) -> tuple[RatingItem, ...]:
    """Those of dispatch; none where it does not tell them: then an item goes by its words alone."""
    outcome = await asking.dispatch.rating_items(deadline_s=asking.left_s / 3)
    paper = outcome.paper if isinstance(outcome.paper, tuple) else ()
    return tuple(each for each in paper if isinstance(each, RatingItem))


def _matching(wanted: str, known: tuple[RatingItem, ...]) -> RatingItem:
    """The item of dispatch that is meant, by number or by words; else a new one of these words."""
    same = (each for each in known if wanted.casefold() in (str(each.id).casefold(), each.description.casefold()))
    return next(same, RatingItem(None, wanted))


async def _rate_item(asking: Asking, rating_id: CalloutId, item: RatingItem, stars: int) -> bool:
    outcome = await asking.dispatch.rate_item(rating_id, item.description, item_id=item.id, score=stars, deadline_s=asking.left_s)
    return _taken(outcome)


# --- devices ---------------------------------------------------------------------------------------------------------------


async def _device_link(asking: Asking) -> Answer:
    outcome = await asking.dispatch.link_device(
        asking.needed("serial"),
        asking.needed("supplier"),
        device_type_id=asking.whole("type_id", 0, 2**53),
        alias=asking.text("alias"),
        firmware=asking.text("firmware"),
        deadline_s=asking.left_s,
    )
    return _device(outcome)


async def _device_update(asking: Asking) -> Answer:
    outcome = await asking.dispatch.update_device(asking.id, device_type_id=asking.whole("type_id", 0, 2**53), deadline_s=asking.left_s)
    return _device(outcome)


def _device(outcome: Outcome) -> Answer:
    if not _taken(outcome):
        return failed(outcome)
    return {"ok": True, "device": device_document(outcome.paper) if isinstance(outcome.paper, Device) else None}


async def _device_unlink(asking: Asking) -> Answer:
    outcome = await asking.dispatch.unlink_device(asking.id, deadline_s=asking.left_s)
    return {"ok": True, "id": asking.id} if _taken(outcome) else failed(outcome)


async def _device_send(asking: Asking) -> Answer:
    """One message of a device. What its number means is known to the template at dispatch alone: see `device` about who may."""
    type_id, message_type, extra = asking.whole("type_id", 0, 2**53), asking.whole("message_type", 0, 2**53), asking.request.get("extra")
    if type_id is None or message_type is None or not isinstance(extra, dict | None):
        raise ValueError("type_id and message_type are needed, and extra must be an object")
    outcome = await asking.dispatch.device_event(asking.id, type_id, message_type, extra=extra, deadline_s=asking.left_s)
    if not _taken(outcome):
        return failed(outcome)
    made = outcome.paper if isinstance(outcome.paper, DeviceAnswer) else DeviceAnswer(None, None)
    return {"ok": True, "id": asking.id, "event": made.event, "callout_id": made.callout_id}


OPERATIONS: Final[Mapping[str, Callable[[Asking], Awaitable[Answer]]]] = {
    "list": _list,
    "show": _show,
    "events": _events,
    "say": _say,
    "map": _map,
    "report": _report,
    "reasons": _reasons,
    "add_reason": _add_reason,
    "rating_items": _rating_items,
    "rate": _rate,
    "device_link": _device_link,
    "device_update": _device_update,
    "device_unlink": _device_unlink,
    "device_send": _device_send,
}


# --- what an outcome means to a person --------------------------------------------------------------------------------------


def _taken(outcome: Outcome) -> bool:
    return outcome.meaning is Meaning.ACCEPTED


def failed(outcome: Outcome) -> Answer:
    """Why it came to nothing, and what to do."""
    if outcome.http_status == 404:
        return _absent(outcome)
    match outcome.meaning:
        case Meaning.CLOSED:
            told = (REFUSED, f"dispatch has closed callout {outcome.callout_id}", "nothing more can be added to it")
        case Meaning.REJECTED if outcome.asked is Asked.ADD_REASON:
            told = (
                REFUSED,
                f"dispatch does not take this reason: {outcome.text}",
                "callout-agent callout reasons lists the numbers that it takes",
            )
        case Meaning.REJECTED:
            told = (REFUSED, f"dispatch refused it: {outcome.text}", "the same again will be refused again")
        case Meaning.UNAUTHORISED:
            told = (REFUSED, f"dispatch does not let this token do that: {outcome.text}", SERVER_TOKEN_HINT)
        case Meaning.ACCEPTED:
            told = (UNREACHABLE, "dispatch answered with something else than was asked for", "callout-agent doctor")
        case _ if outcome.cause == "no_token":
            told = (UNREACHABLE, f"no token: {outcome.text}", "callout-agent doctor shows where the token comes from")
        case _:
            told = (UNREACHABLE, f"dispatch gave no answer to rely on: {outcome.text}", "try again")
    return failure(*told)


def _absent(outcome: Outcome) -> Answer:
    if outcome.asked in ABSENT:
        error, hint = ABSENT[outcome.asked]
        return failure(NOTHING, error.format(id=outcome.callout_id), hint)
    if outcome.callout_id is not None:
        return failure(NOTHING, f"dispatch knows no callout {outcome.callout_id}", "callout-agent callout list shows those that are on")
    return failure(NOTHING, f"dispatch knows no such thing: {outcome.text}", "callout-agent doctor finds out which paths it knows")
