"""The callout lifecycle as a table: `step(state, event) -> (state, commands)`.

    standby --Pressed--> raising --RaiseReplied(accepted)--> active --CancelAsked--> cancelling
       ^                                                       |  ^                      |
       |                                                       |  +------- Pressed ------+
       +---------------------- Closed by dispatch -------------+-------------------------+

Theory. A press is *owed* until it is *settled*: by an accepted raise that was sent after the press and whose id is not known
to be closed, or by a callout that a look-up sent after the press found, once a location to it was accepted. While anything is
owed the alert lane raises, in every state: dispatch returns an open callout and opens a new one if it had just closed.
What goes on for longer than one step (raise, stream, cancel) is read off the state by `raise_wanted`, `stream_to` and
`next_cancel`; a lost command can therefore not lose a raise. Commands are only what the state cannot say.

A callout ends by 285 to a location, cancel or event request for its id, by a read that says `closed`, or by `Forgotten`;
never by a timeout, a restart, a 4xx or absence from a list (laws 1, 2, 8).

No IO, no clock, no randomness, no logging, no await. Every (phase, event) pair is in TABLE or in IGNORED.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from agent import raising, streaming
from agent.model import CalloutId
from agent.signals import (
    Cancel,
    CancelAsked,
    CancelReplied,
    CancelSent,
    EventReplied,
    Forgotten,
    Happening,
    LocationReplied,
    LookedUp,
    Phase,
    Pressed,
    RaiseReplied,
    ReadReplied,
    Restarted,
    State,
    Step,
)


def step(state: State, event: Happening) -> Step:
    """The next state and what to do once. A pair in neither table is a defect: KeyError."""
    pair = (state.phase, type(event))
    if pair in IGNORED:
        return state, ()
    return TABLE[pair](state, event)


# --- what goes on, read off the state ------------------------------------------------------------------------------------


def raise_wanted(state: State) -> bool:
    """The alert lane raises, for ever, while a press is owed."""
    return bool(state.owed)


def covers(state: State) -> int:
    """The highest press that a raise or look-up sent now may settle.

    0, none, while a cancel is on the wire: what dispatch answers may be the callout which that cancel is about to end.
    """
    return 0 if state.cancel_in_flight else state.press_number


def stream_to(state: State) -> CalloutId | None:
    """Where positions go."""
    return state.callout_id


def next_cancel(state: State) -> Cancel | None:
    """The oldest cancel not yet answered that may go to the callout of now, or to the drill that it overtook."""
    return next((each for each in state.cancels if each.bound is not None and each.bound in (state.callout_id, state.overtaken)), None)


def may_drill(state: State) -> bool:
    """A drill starts only from a quiet standby; the look-up before it is the daemon's."""
    return state.phase is Phase.STANDBY and not state.owed


Handler = Callable[[State, Any], Step]
Pair = tuple[Phase, type[object]]

TABLE: Final[Mapping[Pair, Handler]] = {
    (Phase.STANDBY, Restarted): streaming.restart,
    (Phase.STANDBY, Pressed): raising.press_in_standby,
    (Phase.STANDBY, RaiseReplied): raising.late_raise,
    (Phase.STANDBY, LookedUp): raising.looked_up_standby,
    (Phase.STANDBY, LocationReplied): streaming.located,
    (Phase.STANDBY, CancelReplied): streaming.cancel_replied,
    (Phase.STANDBY, EventReplied): streaming.event_replied,
    (Phase.ACTIVE, Restarted): streaming.recalled,
    (Phase.RAISING, Pressed): raising.press_again,
    (Phase.RAISING, CancelAsked): streaming.cancel_asked,
    (Phase.RAISING, RaiseReplied): raising.raise_replied,
    (Phase.RAISING, LookedUp): raising.looked_up_raising,
    (Phase.RAISING, LocationReplied): streaming.located,
    (Phase.RAISING, CancelReplied): streaming.cancel_replied,
    (Phase.RAISING, EventReplied): streaming.event_replied,
    **{(phase, Pressed): raising.press_again for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, CancelAsked): streaming.cancel_asked for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, CancelSent): streaming.cancel_sent for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, RaiseReplied): raising.raise_replied for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, LookedUp): streaming.looked_up_streaming for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, LocationReplied): streaming.located for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, ReadReplied): streaming.read for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, CancelReplied): streaming.cancel_replied for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, EventReplied): streaming.event_replied for phase in (Phase.ACTIVE, Phase.CANCELLING)},
    **{(phase, Forgotten): streaming.forget for phase in (Phase.ACTIVE, Phase.CANCELLING)},
}

ONCE: Final = "a process starts once, and starts in standby"
NO_ID: Final = "there is no callout of ours that it could be about"
IGNORED: Final[Mapping[Pair, str]] = {
    (Phase.STANDBY, CancelAsked): "nothing to cancel: sent nowhere, kept nowhere, answered with the same words as ever",
    (Phase.STANDBY, CancelSent): "the callout closed before its cancel left",
    (Phase.STANDBY, ReadReplied): NO_ID,
    (Phase.STANDBY, Forgotten): NO_ID,
    (Phase.RAISING, CancelSent): "the callout closed before its cancel left",
    (Phase.RAISING, ReadReplied): "it is about a callout that has closed since",
    (Phase.RAISING, Forgotten): NO_ID,
    (Phase.RAISING, Restarted): ONCE,
    (Phase.CANCELLING, Restarted): ONCE,
}
