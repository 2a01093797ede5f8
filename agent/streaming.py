"""Replies about the callout of now, and the one way out of it; cancels, which end nothing.

Handlers of the table in `lifecycle`, under the rules of its theory. No IO, no clock, no randomness, no logging, no await.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agent import wording
from agent.model import Asked, Callout, CalloutId, Meaning, Outcome, Press
from agent.raising import begin, late_notes
from agent.signals import (
    CLOSED_REMEMBERED,
    Cancel,
    CancelAsked,
    CancelReplied,
    CancelSent,
    EventReplied,
    Forgotten,
    LocateNow,
    LocationReplied,
    LookedUp,
    LookUpNow,
    Missing,
    Phase,
    ReadNow,
    ReadReplied,
    Restarted,
    State,
    Step,
    Tell,
)

UNKNOWN_ROUNDS: Final = 3  # DESIGN section 4: 404 on location and read and a list without the id, three times ...
UNKNOWN_SPAN_S: Final = 60.0  # ... over this
YOUNG_S: Final = 600.0  # a callout of ours younger than this is raised once more

# --- replies for the callout of now ----------------------------------------------------------------------------------------


def located(state: State, event: LocationReplied) -> Step:
    """A position was accepted, refused, or told us that the callout is closed."""
    state, closed = _closed_by(state, event.outcome)
    if closed:
        return state, ()
    if state.callout_id is None:
        return _probed(state, event)
    if event.outcome.callout_id != state.callout_id:
        return state, ()
    if event.outcome.meaning is Meaning.ACCEPTED:
        state = replace(state, missing=Missing(), unknown=False)
        if event.outcome.callout is not None:
            state = replace(state, status=event.outcome.callout.status or state.status)
        return _settle_by_found(state, event)
    if event.outcome.http_status == 404:
        state, commands = _missing(replace(state, missing=replace(state.missing, location=True)), event.at)
        return state, (*commands, ReadNow(), LookUpNow())
    return state, ()


def _probed(state: State, event: LocationReplied) -> Step:
    """Without a callout a location reply answers a probe: an accepted one proves that the callout lives after all."""
    probed = event.outcome.callout_id
    if probed is None or probed != state.disputed or event.outcome.meaning is not Meaning.ACCEPTED:
        return state, ()
    origin = state.owed[0].origin if state.owed else "elsewhere"
    state, commands = _settle_by_found(begin(state, Callout(id=probed), origin, event), event)
    return state, (*commands, LocateNow(), ReadNow())


def _settle_by_found(state: State, event: LocationReplied) -> Step:
    if state.found is None or state.found[0] != state.callout_id or state.callout_id is None:
        return state, ()
    up_to = state.found[1]
    told = late_notes(tuple(press for press in state.owed if press.number <= up_to), event.wall) + state.notes
    owed = tuple(press for press in state.owed if press.number > up_to)
    return replace(state, owed=owed, found=None, notes=()), tuple(Tell(state.callout_id, text) for text in told)


def read(state: State, event: ReadReplied) -> Step:
    """The callout as dispatch shows it; `closed` is closed and nothing else is."""
    outcome = event.outcome
    if outcome.callout_id != state.callout_id:
        return state, ()
    if outcome.meaning is Meaning.ACCEPTED and outcome.callout is not None:
        if outcome.callout.closed:
            return close(state, state.callout_id), ()
        return replace(state, status=outcome.callout.status or state.status, missing=Missing(), unknown=False), ()
    if outcome.http_status == 404:
        return _missing(replace(state, missing=replace(state.missing, read=True)), event.at)
    return state, ()


def event_replied(state: State, event: EventReplied) -> Step:
    """A 285 to an event request closes like any other."""
    return _closed_by(state, event.outcome)[0], ()


def cancel_replied(state: State, event: CancelReplied) -> Step:
    """Ends nothing and changes nothing outward. Dispatch has the code unless no answer came or the token was refused."""
    state, closed = _closed_by(replace(state, cancel_in_flight=False), event.outcome)
    if closed or event.outcome.meaning in (Meaning.RETRY, Meaning.UNAUTHORISED):
        return state, ()
    return replace(state, cancels=tuple(cancel for cancel in state.cancels if cancel.number != event.number)), (ReadNow(),)


def _closed_by(state: State, outcome: Outcome) -> tuple[State, bool]:
    """Closed by a 285 for that id. For another id than the callout of now it is only remembered."""
    by_read = outcome.asked is Asked.LOCATION and outcome.callout is not None and outcome.callout.closed
    if (outcome.meaning is not Meaning.CLOSED and not by_read) or outcome.callout_id is None:
        return state, False
    if outcome.callout_id == state.callout_id:
        return close(state, outcome.callout_id), True
    return replace(state, closed=_remember(state.closed, outcome.callout_id)), True


def close(state: State, callout_id: CalloutId | None) -> State:
    """The only way out. Calm holds after the close; a press still owed goes on being raised."""
    return replace(
        State(
            phase=Phase.RAISING if state.owed else Phase.STANDBY,
            calm=state.calm,
            owed=state.owed,
            press_number=state.press_number,
            cancel_number=state.cancel_number,
            cancel_in_flight=state.cancel_in_flight,
            overtaken=state.overtaken if state.owed else None,
            notes=state.notes if state.owed else (),
        ),
        closed=state.closed if callout_id is None else _remember(state.closed, callout_id),
    )


def _remember(closed: tuple[CalloutId, ...], callout_id: CalloutId) -> tuple[CalloutId, ...]:
    return (callout_id, *(known for known in closed if known != callout_id))[:CLOSED_REMEMBERED]


def _missing(state: State, at: float) -> Step:
    missing = state.missing
    if not (missing.location and missing.read and missing.listed):
        return state, ()
    first_at = missing.first_at if missing.rounds else at
    missing = Missing(rounds=missing.rounds + 1, first_at=first_at)
    state = replace(state, missing=missing)
    if missing.rounds < UNKNOWN_ROUNDS or at - first_at < UNKNOWN_SPAN_S:
        return state, ()
    state = replace(state, unknown=True)
    young = state.raised_at is not None and at - state.raised_at < YOUNG_S and state.origin != "elsewhere" and not state.drill
    if not young or state.raised_again:
        return state, ()
    again = Press(state.press_number + 1, at, state.since_wall, state.origin, note="dispatch no longer knew the callout")
    return replace(state, raised_again=True, owed=(*state.owed, again), press_number=again.number), ()


def looked_up_streaming(state: State, event: LookedUp) -> Step:
    """Absence from a list is no closure, only one of three pieces of evidence that dispatch does not know the id."""
    if event.outcome.meaning is not Meaning.ACCEPTED or event.outcome.callouts is None:
        return state, ()
    listed = next((callout for callout in event.outcome.callouts if callout.id == state.callout_id), None)
    if listed is not None:
        return replace(state, status=listed.status or state.status, missing=Missing(), unknown=False), ()
    return _missing(replace(state, missing=replace(state.missing, listed=True)), event.at)


# --- cancel, restart, forget ------------------------------------------------------------------------------------------------


def cancel_asked(state: State, event: CancelAsked) -> Step:
    """Outwardly over from here. Codes queue in the order typed; nothing replaces or overtakes a code."""
    number = state.cancel_number + 1
    cancel = Cancel(number, event.code, state.callout_id)
    phase = state.phase if state.phase is Phase.RAISING else Phase.CANCELLING
    return replace(state, phase=phase, calm=True, cancels=(*state.cancels, cancel), cancel_number=number), ()


def cancel_sent(state: State, _event: CancelSent) -> Step:
    """From now to its reply, no raise that is sent settles a later press."""
    return replace(state, cancel_in_flight=True), ()


def restart(state: State, event: Restarted) -> Step:
    """A code lived in memory only: a cancel that was not delivered is gone, the callout lives, and it stays calm."""
    state = replace(state, press_number=event.press_number, owed=event.owed, closed=event.closed, calm=event.calm)
    state = replace(state, notes=tuple(wording.pressed_again(press) for press in event.owed[1:]))
    state = replace(state, drill=bool(event.owed) and all(press.drill for press in event.owed))
    record = event.record
    if record is None or record.phase == Phase.STANDBY.value:
        return replace(state, phase=Phase.RAISING if event.owed else Phase.STANDBY), ()
    state = replace(
        state,
        phase=Phase.CANCELLING if record.calm else Phase.ACTIVE,
        callout_id=record.id,
        origin=record.origin,
        since_wall=record.raised_wall,
        status=record.dispatch_status,
        calm=record.calm,
        drill=record.drill and all(press.drill for press in event.owed),
    )
    return state, (LocateNow(), ReadNow())


def forget(state: State, event: Forgotten) -> Step:
    """Root gave the callout up by hand."""
    return (close(state, event.callout_id), ()) if event.callout_id == state.callout_id else (state, ())
