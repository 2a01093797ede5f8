"""What of a step is written down: the difference of two states as writes for the store.

Pure. A code is never among them: `State.cancels` has no counterpart in the store (law 5).
"""

from __future__ import annotations

import math

from agent.columns import write_utc
from agent.kept import CALM_SINCE_NOTE, CalloutKept, CalloutRecord, NoteKept, PressesSettled, PressMade, Write
from agent.model import CalloutId, Press
from agent.signals import ELSEWHERE, Phase, State

# "NUMBER WALL CALLOUT": what was before this press is owed to this callout. WALL is `nan` where nobody vouched for it.
PRESS_TRAIL_NOTE = "press_trail"


def writes(before: State, after: State, *, base_url: str, customer_id: int, wall: float) -> tuple[Write, ...]:
    """Everything that must be on disk before the step is acted on (law 6), in order. Empty when nothing lasting changed."""
    return (
        *_calm_since(before, after, wall),
        *_owed(before.owed, after, wall),
        *_ended(before, after, base_url, customer_id, wall),
        *_going_on(before, after, base_url, customer_id),
        *_began(before, after),
        *_calm(before, after),
    )


def _owed(before: tuple[Press, ...], after: State, wall: float) -> tuple[Write, ...]:
    """Presses made and settled. Without a link a loose contact makes thousands, and every step comes through here."""
    if before is after.owed:
        return ()
    had, has = set(before), set(after.owed)
    gone = [press.number for press in before if press not in has]
    made = tuple(PressMade(press) for press in after.owed if press not in had)
    return (*made, PressesSettled(max(gone), after.callout_id, wall)) if gone else made


def _calm_since(before: State, after: State, wall: float) -> tuple[Write, ...]:
    """When the calm began, before all that says that it did, the callout's row too.

    The store leaves this out where it was calm already, so that a restart does not move the moment.
    """
    return (NoteKept(CALM_SINCE_NOTE, write_utc(wall) if after.calm else ""),) if after.calm != before.calm else ()


def _calm(before: State, after: State) -> tuple[Write, ...]:
    """A press ends the calm, unless it is older than the cancel: then the store must hear of both."""
    told_again = after.calm and after.press_number > before.press_number
    return (NoteKept("calm", str(after.calm).lower()),) if told_again or after.calm != before.calm else ()


def _ended(before: State, after: State, base_url: str, customer_id: int, wall: float) -> tuple[Write, ...]:
    """The callout of before is no longer the callout of now."""
    if before.callout_id is None or before.callout_id == after.callout_id:
        return ()
    closed_wall = wall if before.callout_id in after.closed else None
    return (CalloutKept(_record(before, before.callout_id, Phase.STANDBY, base_url, customer_id, closed_wall)),)


def _going_on(before: State, after: State, base_url: str, customer_id: int) -> tuple[Write, ...]:
    if after.callout_id is None:
        return ()
    now = _record(after, after.callout_id, after.phase, base_url, customer_id, None)
    then = None if before.callout_id is None else _record(before, before.callout_id, before.phase, base_url, customer_id, None)
    return () if now == then else (CalloutKept(now),)


def began_with(before: State, after: State) -> Press | None:
    """The press that led to the callout with which this step began; None where none began, or nobody pressed here."""
    if after.callout_id in (None, before.callout_id) or not before.owed or after.origin == ELSEWHERE:
        return None
    return before.owed[0]


def _began(before: State, after: State) -> tuple[Write, ...]:
    """The minutes before the press are to be told to the callout that it led to; the note goes when they have been."""
    press = began_with(before, after)
    if press is None:
        return ()
    return (NoteKept(PRESS_TRAIL_NOTE, f"{press.number} {vouched_wall(press):.3f} {after.callout_id}"),)


def vouched_wall(press: Press) -> float:
    """UTC s of a press; NaN where nobody vouched for the clock: a controller takes a time that is told for one that is true."""
    return press.wall if press.wall_trusted else math.nan


def _record(state: State, callout_id: CalloutId, phase: Phase, base_url: str, customer_id: int, closed_wall: float | None) -> CalloutRecord:
    """An overtaken drill stays marked as a drill, so that a restart does not take it for the real callout."""
    return CalloutRecord(
        id=callout_id,
        base_url=base_url,
        customer_id=customer_id,
        phase=phase.value,
        calm=state.calm,
        origin=state.origin,
        drill=state.drill or callout_id == state.overtaken,
        raised_wall=state.since_wall,
        press_number=state.press_number,
        dispatch_status=state.status,
        closed_wall=closed_wall,
    )
