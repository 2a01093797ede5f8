"""Presses, raises, look-ups and drills: how a callout becomes ours, and what settles a press.

Handlers of the table in `lifecycle`, under the rules of its theory. No IO, no clock, no randomness, no logging, no await.
"""

from __future__ import annotations

from dataclasses import replace

from agent import adoption, wording
from agent.model import Callout, CalloutId, Meaning, Press
from agent.signals import (
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
    return replace(_owe(state, event.press), phase=Phase.RAISING, drill=event.press.drill, notes=(), raised_again=False), ()


def press_again(state: State, event: Pressed) -> Step:
    """A press while something is on: owed and told. A drill press changes nothing; a real one ends a drill."""
    if event.press.drill:
        return state, ()
    text = wording.pressed_again(event.press)
    phase = Phase.RAISING if state.phase is Phase.RAISING else Phase.ACTIVE
    state = _owe(replace(state, phase=phase), event.press)
    if state.drill:
        return _real_emergency(state)
    if state.callout_id is None:
        return replace(state, notes=(*state.notes, text)), ()
    return state, (Tell(state.callout_id, text), LocateNow())


def _real_emergency(state: State) -> Step:
    """A press during a drill: the drill's callout is told, streamed to, cancelled, and settles nothing."""
    owed = tuple(press for press in state.owed if not press.drill)
    state = replace(state, drill=False, owed=owed)
    if state.callout_id is None:
        return state, ()
    return _overtake(state, state.callout_id)


def _overtake(state: State, drill_id: CalloutId) -> Step:
    number = state.cancel_number + 1
    state = replace(
        state,
        phase=Phase.ACTIVE,
        callout_id=drill_id,
        overtaken=drill_id,
        cancels=(Cancel(number, None, drill_id),),
        cancel_number=number,
    )
    return state, (Tell(drill_id, wording.REAL_EMERGENCY), LocateNow())


def _owe(state: State, press: Press) -> State:
    """Unsent codes are dropped and calm ends: the wearer asks for help again."""
    return replace(state, owed=(*state.owed, press), press_number=max(state.press_number, press.number), calm=False, cancels=())


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
    if callout.id in state.closed:  # one of us is wrong: only an accepted location settles it
        found = (callout.id, event.covers)
        return replace(state, disputed=callout.id, found=found), (Probe(callout.id),)
    if callout.id == state.overtaken:
        return state, ()
    return _settle_by_raise(state, callout, event)


def _settle_by_raise(state: State, callout: Callout, event: RaiseReplied) -> Step:
    settled = tuple(press for press in state.owed if press.number <= event.covers)
    told = tuple(Tell(callout.id, text) for text in late_notes(settled, event.wall) + state.notes)
    known = callout.id == state.callout_id
    if not known:
        origin = settled[0].origin if settled else (state.owed[0].origin if state.owed else "press")
        state = begin(state, callout, origin, event)
    state = replace(state, owed=tuple(press for press in state.owed if press.number > event.covers), notes=(), found=None)
    status = state.status if callout.status is None else callout.status
    return replace(state, status=status), (*told, *(() if known else (LocateNow(), ReadNow())))


def drill_replied(state: State, event: RaiseReplied, callout: Callout) -> Step:
    """The answer to a raise that was marked as a drill."""
    if not state.drill:  # overtaken by a real press while it was on its way, or over: if it lives it must not stay open
        if not state.owed or callout.closed or callout.id in state.closed or state.callout_id is not None:
            return state, ()
        return _overtake(state, callout.id)
    if callout.existed or callout.closed:
        owed = tuple(press for press in state.owed if not press.drill)
        return replace(state, phase=Phase.STANDBY, drill=False, owed=owed), (DrillFailed(wording.DRILL_FOUND_ONE),)
    return _settle_by_raise(state, callout, event)


def looked_up_raising(state: State, event: LookedUp) -> Step:
    """A raise whose answer was lost may have succeeded: an open callout of ours is streamed to while the raise goes on."""
    if event.covers == 0 or state.drill:
        return state, ()
    callout = adoption.ours(event.outcome.callouts or (), event.policy.customer_id, state.closed)
    if callout is None or callout.id == state.overtaken:
        return state, ()
    state = begin(state, callout, state.owed[0].origin if state.owed else "press", event)
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
    return begin(state, choice.adopted, "elsewhere", event), (*commands, LocateNow(), ReadNow())


def late_raise(state: State, event: RaiseReplied) -> Step:
    """An answer after the end: another attempt of the same raise. If it opened a callout that we do not know, it is ours."""
    if event.drill:
        return state, ()
    return raise_replied(state, event)


def begin(state: State, callout: Callout, origin: str, event: RaiseReplied | LookedUp | LocationReplied) -> State:
    """A callout becomes ours. Codes typed before there was an id belong to it; codes for another one are dropped."""
    cancels = tuple(replace(cancel, bound=callout.id) for cancel in state.cancels if cancel.bound in (None, callout.id))
    return replace(
        state,
        phase=Phase.CANCELLING if state.calm and (cancels or state.phase is not Phase.STANDBY) else Phase.ACTIVE,
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


def late_notes(settled: tuple[Press, ...], wall: float) -> tuple[str, ...]:
    """What to tell of presses that waited for longer than LATE_S."""
    return tuple(wording.delivered_late(press, wall) for press in settled if wall - press.wall > wording.LATE_S)
