"""Operations around a callout that is over, or should be: map, report, reasons, ratings, dismiss.

The rules are `simulator.after_care`'s, the shapes those of codec and papers.
"""

from __future__ import annotations

from simulator import after_care, bodies, forms
from simulator.operations.calls import Call, Reply, callout_of, made, own
from simulator.papers import Papers
from simulator.records import RatedItem
from simulator.state import Refusal, Refused


def show_map(call: Call) -> Reply:
    """Where a map is. The older guide says that it exists only after the close."""
    callout = callout_of(call)
    if not call.new and not callout.closed:
        raise Refused(Refusal.UNKNOWN, "The map exists once the callout is closed")
    return Reply(call.sim.codec().map(callout))


def report(call: Call) -> Reply:
    """Times and outcome. 404 before the close."""
    callout = callout_of(call)
    if not callout.closed:
        raise Refused(Refusal.UNKNOWN, "The resolution report exists once the callout is closed")
    return Reply(Papers(call.new).report(callout))


def list_reasons(call: Call) -> Reply:
    """Why a callout may have been no emergency."""
    callout_of(call)
    return Reply(Papers(call.new).reasons(call.sim.settings.exception_reasons))


def add_reason(call: Call) -> Reply:
    """Link a reason. NEW needs its id; OLD takes words alone, and nothing at all."""
    callout = callout_of(call)
    reason_id = bodies.integer(call.body, "exceptionReasonId") if call.new else forms.optional_integer(call.body, "exceptionReasonId")
    notes = forms.optional_text(call.body, "notes")
    reason = after_care.add_reason(call.sim.state, callout, reason_id, notes, call.now)
    return made(call, Papers(call.new).reason(callout, reason))


def rate(call: Call) -> Reply:
    """Rate the response to a callout from 1 to 5."""
    callout = after_care.rated_callout(call.sim.state, bodies.integer(call.body, "calloutId"))
    own(call, callout.customer_id)
    stars = forms.score(call.body, "rating")
    comment = forms.optional_text(call.body, "additionalDetails" if call.new else "comment")
    may_contact = forms.optional_flag(call.body, "customerAllowedToBeContacted") if call.new else None
    rating = after_care.rate(call.sim.state, callout, stars, comment, call.now, may_contact=may_contact)
    return made(call, Papers(call.new).rated(callout, rating))


def rating_items(call: Call) -> Reply:
    """The aspects that can be rated."""
    return Reply(Papers(call.new).rating_items(call.sim.settings.rating_items))


def rate_item(call: Call) -> Reply:
    """Rate one aspect: OLD by a score, NEW in words; created or updated."""
    body = call.body
    callout, rating = after_care.rating_of(call.sim.state, bodies.integer(body, "calloutRatingId" if call.new else "ratingId"))
    own(call, callout.customer_id)
    wanted = RatedItem(
        id=0,
        rating_id=rating.id,
        item_id=forms.optional_integer(body, "ratingItemId") if call.new else bodies.integer(body, "ratingItemId"),
        description=bodies.text(body, "ratingItemDescription") if call.new else None,
        item=forms.optional_text(body, "ratingItem") if call.new else None,
        sentiment=forms.optional_text(body, "sentiment") if call.new else None,
        score=None if call.new else forms.score(body, "score"),
        wall=call.now,
    )
    return made(call, Papers(call.new).rated_item(after_care.rate_item(call.sim.state, callout, wanted)))


def dismiss(call: Call) -> Reply:
    """Ask to stop without a code, for a backend. What it does in this API is not documented: here it soft-cancels."""
    callout = callout_of(call)
    if not callout.closed:
        call.sim.state.soft_cancel(callout, "Dismissed by the integration", call.now)
    return Reply(call.sim.codec().cancelled(callout))
