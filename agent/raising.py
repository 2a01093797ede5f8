"""Presses, raises, look-ups and drills: how a callout becomes ours, and what settles a press.

Handlers of the table in `lifecycle`, under the rules of its theory. No IO, no clock, no randomness, no logging, no await.
"""

from __future__ import annotations

from dataclasses import replace

from agent import adoption, wording
from agent.delivery import EXISTED_AFTER_S
from agent.model import Callout, CalloutId, Meaning, Press
from agent.signals import (
    ELSEWHERE,
    Cancel,
    Command,
    DrillFailed,
    LocateNow,
    LocationReplied,
    LookedUp,
    LookUpNow,
    Missing,
    OfferPosition,
    Phase,
    Pressed,
    Probe,
    RaiseReplied,
    ReadNow,
    State,
    Step,
    Tell,
)

# --- pressed -------------------------------------------------------------------------------------------------------------


def press_in_standby(state: State, event: Pressed) -> Step:
    """The press is owed from here; the daemon stores and sends it at the same time."""
    drill = event.press.drill
    notes = () if drill else wording.said_with(event.press)
    return replace(_owe(state, event), phase=Phase.RAISING, drill=drill, notes=notes, raised_again=False), ()


def press_again(state: State, event: Pressed) -> Step:
    """A press while something is on: owed and told. A drill press changes nothing; a real one ends a drill."""
    if event.press.drill:
        return state, ()
    text = wording.pressed_again(event.press)
    was_drill = state.drill
    state = replace(_owe(state, event), drill=False)
    if not state.calm and state.phase is Phase.CANCELLING:
        state = replace(state, phase=Phase.ACTIVE)
    if was_drill:  # without an id yet, the owed drill press stays: the first id may be the drill's
        return (state, ()) if state.callout_id is None else overtake(state, state.callout_id)
    if state.callout_id is None:
        return replace(state, notes=(*state.notes, text)), ()
    return state, (Tell(state.callout_id, text), LocateNow())


def overtake(state: State, drill_id: CalloutId) -> Step:
    """A press during a drill: the drill's callout, by now ours, is told, streamed to, cancelled, and settles nothing."""
    number = state.cancel_number + 1
    state = replace(
        state,
        owed=real(state.owed),
        overtaken=drill_id,
        cancels=(*state.cancels, Cancel(number, None, drill_id)),
        cancel_number=number,
    )
    return state, (Tell(drill_id, wording.REAL_EMERGENCY), LocateNow())


def real(presses: tuple[Press, ...]) -> tuple[Press, ...]:
    """Without the drills."""
    return tuple(press for press in presses if not press.drill)


def _owe(state: State, event: Pressed) -> State:
    """Unsent codes are dropped and calm ends: the wearer asks for help again. Our own cancel of an overtaken drill stays.

    Nothing of this for a press that the cancel was about.
    """
    press, calm = event.press, state.calm and event.cancelled
    ours = tuple(each for each in state.cancels if each.code is None and each.bound is not None and each.bound == state.overtaken)
    if press.number <= state.press_number:  # `callout.unknown` made a press of its own meanwhile: no raise sent so far may settle this one
        press = replace(press, number=state.press_number + 1)
    return replace(state, owed=(*state.owed, press), press_number=press.number, calm=calm, cancels=state.cancels if calm else ours)


# --- raise and look-up ---------------------------------------------------------------------------------------------------


def raise_replied(state: State, event: RaiseReplied) -> Step:
    """An answer to a raise, or none. Only an open callout that is not known closed counts."""
    callout = event.outcome.callout
    if event.outcome.meaning is not Meaning.ACCEPTED or callout is None:
        lost = event.outcome.meaning is Meaning.RETRY
        return state, ((LookUpNow(),) if lost and state.phase is Phase.RAISING else ())
    if event.drill:
        return drill_replied(state, event, callout)
    if callout.closed:
        return state, ((ReadNow(),) if callout.id == state.callout_id else ())
    return _raised(state, event, callout)


def _raised(state: State, event: RaiseReplied, callout: Callout) -> Step:
    """Dispatch says that this one is open, in answer to a real raise."""
    if callout.id == state.overtaken:
        gone = state.callout_id is None  # the real callout has ended and the drill's still lives
        return _overtake_anew(state, callout, event) if gone and state.owed else (state, ())
    if callout.id in state.closed or _may_be_old(state, callout, event):  # only an accepted location settles it
        found = (callout.id, event.covers)
        return replace(state, disputed=callout.id, found=found), (Probe(callout.id),)
    if in_doubt(state):
        return _taken_for_drill(state, callout, event)
    return _settle_by_raise(state, callout, event)


def _may_be_old(state: State, callout: Callout, event: RaiseReplied) -> bool:
    """Sent before the callout of now became ours: that one would be left for one that dispatch may have closed long ago."""
    if state.callout_id in (None, callout.id) or event.sent_at is None or state.raised_at is None:
        return False
    return event.sent_at < state.raised_at


def _settle_by_raise(state: State, callout: Callout, event: RaiseReplied) -> Step:
    settled = tuple(press for press in state.owed if press.number <= event.covers)
    told = tuple(Tell(callout.id, text) for text in late_notes(real(settled), state.notes, event.at, event.wall))
    known = callout.id == state.callout_id
    origin = origin_of(settled or state.owed)
    if not known:
        state = begin(state, callout, origin, event)
    elif settled and state.origin == ELSEWHERE:  # adopted, and now the wearer's own
        state = replace(state, origin=origin)
    state = replace(state, owed=tuple(press for press in state.owed if press.number > event.covers), notes=(), found=None)
    status = state.status if callout.status is None else callout.status
    return replace(state, status=status), (*told, *(() if known else (LocateNow(), ReadNow())))


def drill_replied(state: State, event: RaiseReplied, callout: Callout) -> Step:
    """The answer to a raise that was marked as a drill."""
    if not state.drill:
        return _late_drill(state, event, callout)
    known_closed = callout.closed or callout.id in state.closed
    if callout.id == state.callout_id:
        return (state, (ReadNow(),)) if callout.closed else _settle_by_raise(state, callout, event)
    if state.callout_id is not None or (known_closed and event.covers < state.press_number):  # an attempt of an earlier drill
        return state, ()
    if callout.existed or known_closed:
        failed = () if state.calm else (DrillFailed(wording.DRILL_FOUND_ONE),)
        return replace(state, phase=Phase.STANDBY, drill=False, owed=(), cancels=(), notes=()), failed
    return _settle_by_raise(state, callout, event)


def _late_drill(state: State, event: RaiseReplied, callout: Callout) -> Step:
    """A real press overtook the drill while its raise was on its way: if that opened a callout, it must not stay open."""
    if callout.closed or callout.id in state.closed or callout.id in (state.callout_id, state.overtaken):
        return state, ()
    if state.callout_id is None:
        return _taken_for_drill(state, callout, event)
    if callout.existed:
        return state, ()
    mistaken = state.overtaken  # now it is known which one the drill's is
    cancels = tuple(each for each in state.cancels if each.code is not None or each.bound != mistaken)
    number = state.cancel_number + 1
    return replace(state, overtaken=callout.id, cancels=(*cancels, Cancel(number, None, callout.id)), cancel_number=number), ()


def in_doubt(state: State) -> bool:
    """A drill raise was on its way when the real press came, and no id was answered yet."""
    return not state.drill and any(press.drill for press in state.owed)


def _taken_for_drill(state: State, callout: Callout, event: RaiseReplied) -> Step:
    """The first id after a press during a drill. One that existed before the drill is a real callout and is not cancelled."""
    drill_age_s = max((event.at - press.at for press in state.owed if press.drill), default=float("inf"))
    state = replace(state, owed=real(state.owed))
    if callout.existed and drill_age_s < EXISTED_AFTER_S:
        state, commands = _settle_by_raise(state, callout, event)
        return state, (Tell(callout.id, wording.REAL_EMERGENCY), *commands)
    return _overtake_anew(state, callout, event)


def _overtake_anew(state: State, callout: Callout, event: RaiseReplied) -> Step:
    waiting = tuple(each for each in state.cancels if each.bound is None)  # typed for the emergency, not for the drill
    state = begin(replace(state, cancels=()), callout, origin_of(state.owed), event)
    return overtake(replace(state, cancels=waiting), callout.id)


def looked_up_raising(state: State, event: LookedUp) -> Step:
    """A raise whose answer was lost may have succeeded: an open callout of ours is streamed to while the raise goes on."""
    if event.covers == 0 or state.drill or in_doubt(state):
        return state, ()
    callout = adoption.ours(event.outcome.callouts or (), event.policy.customer_id, state.closed)
    if callout is None or callout.id == state.overtaken:
        return state, ()
    state = begin(state, callout, origin_of(state.owed), event)
    return replace(state, found=(callout.id, event.covers)), (LocateNow(),)


def looked_up_standby(state: State, event: LookedUp) -> Step:
    """Adopt, offer our position, or ask whether a callout that we know as closed lives after all."""
    if event.outcome.callouts is None:
        return state, ()
    choice = adoption.choose(event.outcome.callouts, event.policy, state.closed, event.here)
    commands: tuple[Command, ...] = ()
    if choice.offer is not None and choice.offer.id != state.offered:
        state = replace(state, offered=choice.offer.id)
        commands = (OfferPosition(choice.offer.id),)
    if choice.disputed is not None:
        commands = (*commands, Probe(choice.disputed.id))
    state = replace(state, disputed=None if choice.disputed is None else choice.disputed.id)
    if choice.adopted is None:
        return state, commands
    return begin(state, choice.adopted, ELSEWHERE, event), (*commands, LocateNow(), ReadNow())


def late_raise(state: State, event: RaiseReplied) -> Step:
    """An answer after the end: another attempt of the same raise. If it opened a callout that we do not know, it is ours."""
    if event.drill or (event.outcome.callout is not None and event.outcome.callout.id in state.closed):
        return state, ()
    return raise_replied(state, event)


def begin(state: State, callout: Callout, origin: str, event: RaiseReplied | LookedUp | LocationReplied) -> State:
    """A callout becomes ours. Codes typed before there was an id belong to it; codes for another one are dropped.

    Calm lasts until the next press, so one that begins during it (adopted, or answered late) is streamed to as inwardly as any.
    """
    kept = (each for each in state.cancels if each.bound in (None, callout.id, state.overtaken))
    cancels = tuple(replace(each, bound=callout.id) if each.bound is None else each for each in kept)
    return replace(
        state,
        phase=Phase.CANCELLING if state.calm else Phase.ACTIVE,
        callout_id=callout.id,
        origin=origin,
        since_wall=callout.created_wall or event.wall,
        raised_at=event.at,
        status=callout.status,
        cancels=cancels,
        missing=Missing(),
        unknown=False,
        closed=tuple(closed for closed in state.closed if closed != callout.id),
        disputed=None,
    )


def origin_of(presses: tuple[Press, ...]) -> str:
    """Who asked for the callout that answers these presses."""
    return presses[0].origin if presses else "press"


def late_notes(settled: tuple[Press, ...], waiting: tuple[str, ...], at: float, wall: float) -> tuple[str, ...]:
    """What to tell once there is an id: presses that waited for longer than LATE_S, and what waited with them.

    waiting: what is to be told of each press, of the first its note. The raise asked for what the newest one asks, so what the first
    asked is told, too.
    """
    waits = tuple((press, press.age_s(at, wall)) for press in settled)
    late = tuple(wording.delivered_late(press, waited_s) for press, waited_s in waits if waited_s > wording.LATE_S)
    outvoted = bool(waiting) and len(settled) > 1 and settled[0].response_type_id != settled[-1].response_type_id
    return (*late, *((wording.pressed_first(settled[0]),) if outvoted else ()), *waiting)
