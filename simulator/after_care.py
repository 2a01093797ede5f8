"""What is said about a callout afterwards: why it was no emergency, and how the response was.

Pure rules over records: no HTTP, no JSON, no clock. Changes nothing about how a callout goes on: a reason closes nothing.
"""

from __future__ import annotations

from simulator.records import Callout, RatedItem, Rating, Reason
from simulator.state import Refusal, Refused, State


def add_reason(state: State, callout: Callout, reason_id: int | None, notes: str | None, now: float) -> Reason:
    """Link a known reason, or one in words alone. Raises Refused BAD for an unknown id."""
    known = dict(state.settings.exception_reasons)
    if reason_id is not None and reason_id not in known:
        raise Refused(Refusal.BAD, f"Unknown exceptionReasonId {reason_id}")
    text = known[reason_id] if reason_id is not None else notes or "Not said"
    reason = Reason(state.next_id("reason"), reason_id, text, notes, now)
    callout.reasons.append(reason)
    state.touched.add(callout.id)
    return reason


def rated_callout(state: State, callout_id: int) -> Callout:
    """The callout that a body names. Raises Refused BAD: the page of ratings knows no 404."""
    if (callout := state.callouts.get(callout_id)) is None:
        raise Refused(Refusal.BAD, f"Unknown calloutId {callout_id}")
    return callout


def rate(state: State, callout: Callout, stars: int, comment: str | None, now: float, *, may_contact: bool | None = None) -> Rating:
    """Rate a callout, or rate it anew: there is one rating of each, so that a repeat after a lost answer adds none."""
    if callout.ratings:
        rating = callout.ratings[0]
        rating.stars, rating.comment, rating.may_contact, rating.wall = stars, comment, may_contact, now
    else:
        rating = Rating(state.next_id("rating"), stars, comment, may_contact, now)
        callout.ratings.append(rating)
    state.touched.add(callout.id)
    return rating


def rating_of(state: State, rating_id: int) -> tuple[Callout, Rating]:
    """A rating and its callout. Raises Refused BAD."""
    for callout in state.callouts.values():
        for rating in callout.ratings:
            if rating.id == rating_id:
                return callout, rating
    raise Refused(Refusal.BAD, "Unknown rating")


def rate_item(state: State, callout: Callout, wanted: RatedItem) -> RatedItem:
    """Create, or update the item of the same rating and item id. wanted.id is replaced. Raises Refused BAD for an unknown item."""
    known = dict(state.settings.rating_items)
    if wanted.item_id is not None and wanted.item_id not in known:
        raise Refused(Refusal.BAD, f"Unknown ratingItemId {wanted.item_id}")
    wanted.description = wanted.description or known.get(wanted.item_id or 0)
    state.touched.add(callout.id)
    for place, kept in enumerate(callout.rated_items):
        same = kept.item_id == wanted.item_id if wanted.item_id is not None else kept.description == wanted.description
        if kept.rating_id == wanted.rating_id and same:
            wanted.id = kept.id
            callout.rated_items[place] = wanted
            return wanted
    wanted.id = state.next_id("rated_item")
    callout.rated_items.append(wanted)
    return wanted
