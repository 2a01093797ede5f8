"""Replies about the callout of now, and the one way out of it; cancels, which end nothing.

Handlers of the table in `lifecycle`, under the rules of its theory. No IO, no clock, no randomness, no logging, no await.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agent import wording
from agent.delivery import CLOSES
from agent.kept import CalloutRecord
from agent.model import Asked, Callout, CalloutId, Meaning, Outcome, Press
from agent.raising import begin, late_notes, origin_of, overtake, real
from agent.signals import (
    CLOSED_REMEMBERED,
    ELSEWHERE,
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
MOST_CODES: Final = 1_000  # waiting at a time: far more than anybody types in a dead zone
YOUNG_S: Final = 600.0  # a callout of ours younger than this is raised once more

# --- replies for the callout of now ----------------------------------------------------------------------------------------


def located(state: State, event: LocationReplied) -> Step:
    """A position was accepted, refused, or told us that the callout is closed."""
    state, closed = _closed_by(state, event.outcome)
    if closed:
        return state, ()
    if state.callout_id is None or _answers_raise(state, event.outcome.callout_id):
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


def _answers_raise(state: State, callout_id: CalloutId | None) -> bool:
    """A probe of another callout than that of now, which dispatch gave as the answer to our raise."""
    return callout_id not in (None, state.callout_id) and state.found is not None and callout_id == state.found[0] == state.disputed


def _probed(state: State, event: LocationReplied) -> Step:
    """An accepted location proves that the callout lives after all."""
    probed = event.outcome.callout_id
    if probed is None or probed != state.disputed or event.outcome.meaning is not Meaning.ACCEPTED:
        return state, ()
    origin = origin_of(state.owed) if state.owed else ELSEWHERE
    state, commands = _settle_by_found(begin(state, Callout(id=probed), origin, event), event)
    return state, (*commands, LocateNow(), ReadNow())


def _settle_by_found(state: State, event: LocationReplied) -> Step:
    if state.found is None or state.found[0] != state.callout_id or state.callout_id is None:
        return state, ()
    up_to = state.found[1]
    told = late_notes(tuple(press for press in state.owed if press.number <= up_to), state.notes, event.at, event.wall)
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
    cancels = tuple(cancel for cancel in state.cancels if cancel.number != event.number)
    return replace(state, cancels=cancels), (() if state.callout_id is None else (ReadNow(),))


def _closed_by(state: State, outcome: Outcome) -> tuple[State, bool]:
    """Closed by a 285 for that id. For another id than the callout of now it is only remembered."""
    shown = outcome.asked is Asked.LOCATION and outcome.callout is not None and outcome.callout.closed
    by_read = shown and outcome.meaning is Meaning.ACCEPTED
    by_285 = outcome.asked in CLOSES and outcome.meaning is Meaning.CLOSED
    if not (by_read or by_285) or outcome.callout_id is None:
        return state, False
    if outcome.callout_id == state.callout_id:
        return close(state, outcome.callout_id), True
    cancels = tuple(each for each in state.cancels if each.bound != outcome.callout_id)
    disputed = None if state.disputed == outcome.callout_id else state.disputed
    return replace(state, closed=_remember(state.closed, outcome.callout_id), cancels=cancels, disputed=disputed), True


def close(state: State, callout_id: CalloutId | None) -> State:
    """The only way out. Calm holds after the close; a press still owed goes on being raised. A drill is over with its callout."""
    owed = () if state.drill else state.owed
    return replace(
        State(
            phase=Phase.RAISING if owed else Phase.STANDBY,
            calm=state.calm,
            owed=owed,
            press_number=state.press_number,
            cancel_number=state.cancel_number,
            cancel_in_flight=state.cancel_in_flight,
            overtaken=state.overtaken if owed else None,
            notes=state.notes if owed else (),
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
    young = state.raised_at is not None and at - state.raised_at < YOUNG_S and state.origin != ELSEWHERE and not state.drill
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
    """Outwardly over from here. Codes queue in the order typed; nothing replaces or overtakes a code.

    What a program types by the thousand is dropped behind them, answered like any other: it would fill the memory of a device in need.
    """
    number = state.cancel_number + 1
    if len(state.cancels) >= MOST_CODES:
        return state, ()
    cancel = Cancel(number, event.code, state.callout_id)
    phase = state.phase if state.phase is Phase.RAISING else Phase.CANCELLING
    return replace(state, phase=phase, calm=True, cancels=(*state.cancels, cancel), cancel_number=number), ()


def cancel_sent(state: State, _event: CancelSent) -> Step:
    """From now to its reply, no raise that is sent settles a later press."""
    return replace(state, cancel_in_flight=True), ()


def restart(state: State, event: Restarted) -> Step:
    """A code lived in memory only: a cancel that was not delivered is gone, the callout lives, and it stays calm.

    It comes a second time when the store answers late; what this process saw meanwhile is the newer truth.
    """
    state = replace(
        state,
        press_number=max(state.press_number, event.press_number, *(press.number for press in event.owed)),
        closed=_merge(state.closed, event.closed),
        calm=state.calm if state.press_number else event.calm,
        notes=tuple(wording.pressed_again(press) for press in real(event.owed)[1:]),
    )
    record = event.record
    if record is not None and record.phase != Phase.STANDBY.value:
        return _go_on(state, event, record)
    owed, drill = event.owed, all(press.drill for press in event.owed)
    if owed and not owed[0].drill:
        owed = real(owed)
    said = () if not owed or owed[0].drill else wording.said_with(owed[0])
    phase = Phase.RAISING if owed else Phase.STANDBY
    return replace(state, phase=phase, owed=owed, drill=drill and bool(owed), notes=(*said, *state.notes)), ()


def recalled(state: State, event: Restarted) -> Step:
    """The store answers late and tells of a cancel: what was found meanwhile, without a press, is followed unseen (law 5).

    A press that was owed when it was cancelled goes on being raised.
    """
    if not event.calm or state.owed:
        return state, ()
    number = max(state.press_number, event.press_number, *(press.number for press in event.owed))
    return replace(state, phase=Phase.CANCELLING, calm=True, owed=real(event.owed), press_number=number), ()


def _go_on(state: State, event: Restarted, record: CalloutRecord) -> Step:
    """With the callout that was open. A drill that a real press overtook is told and cancelled again: that was lost with us."""
    age_s = event.wall - record.raised_wall
    calm = state.calm or record.calm
    state = replace(
        state,
        phase=Phase.CANCELLING if calm else Phase.ACTIVE,
        callout_id=record.id,
        origin=record.origin,
        since_wall=record.raised_wall,
        raised_at=event.at - age_s if 0 <= age_s < YOUNG_S else None,
        status=record.dispatch_status,
        calm=calm,
        closed=tuple(known for known in state.closed if known != record.id),
    )
    owed = real(event.owed)
    if not record.drill or not owed:
        return replace(state, owed=event.owed if record.drill else owed, drill=record.drill), (LocateNow(), ReadNow())
    state, commands = overtake(replace(state, owed=owed), record.id)
    return state, (*commands, ReadNow())


def _merge(newer: tuple[CalloutId, ...], older: tuple[CalloutId, ...]) -> tuple[CalloutId, ...]:
    return (*newer, *(known for known in older if known not in newer))[:CLOSED_REMEMBERED]


def forget(state: State, event: Forgotten) -> Step:
    """Root gave the callout up by hand."""
    return (close(state, event.callout_id), ()) if event.callout_id == state.callout_id else (state, ())
