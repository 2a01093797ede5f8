"""The alert lane: raises, for ever, while a press is owed (law 1). Waits for nothing: no fix, disk, look-up, renewal or other lane.

Every attempt opens a connection of its own: a kept one may have died unnoticed, and a raise is no time to find out. While one
hangs the next one starts, and the first accepted reply wins. It never gives up and never decides that help came: the lifecycle
does.
"""

from __future__ import annotations

import asyncio

from agent import wording
from agent.delivery import (
    CAP_S,
    FRESH_AFTER_S,
    asks_own_type,
    attempt_deadline_s,
    fresh_after_s,
    lost,
    raise_pause_s,
    raise_shape,
    refused_tries,
)
from agent.health import Origin
from agent.lanes.desk import Desk, Lane
from agent.lanes.turns import Rank, Turns
from agent.lifecycle import covers, raise_wanted
from agent.model import Asked, Meaning, Outcome
from agent.ports import Dispatch
from agent.signals import RaiseReplied

MAX_ALIVE = 4
PLACE_EVERY_S = 0.5  # how often a position is looked for where dispatch refuses a raise without one
SETTLE_S = 1.0  # after an accepted raise that settled nothing (a cancel was on the wire): soon again, but no storm


class AlertLane(Lane):
    """Attempts as tasks; each posts what came of it."""

    def __init__(self, desk: Desk, turns: Turns) -> None:
        super().__init__(desk, turns, Rank.AT_ONCE)
        self._crowded = False
        self._reset()

    def _reset(self) -> None:
        self._began_at: float | None = None
        self._tries = 0
        self._timeouts = 0
        self._failures = 0
        self._unsettled = 0  # accepted raises that settled nothing, in a row
        self._refused = 0  # how often the shape was changed
        self._placeless = False  # dispatch refused the last raise, which carried no position
        self._next_at = float("-inf")

    @property
    def failing(self) -> bool:
        """Attempts have failed since the press, or the first one takes suspiciously long: help is not summoned yet."""
        return self._failures > 0 or (self._began_at is not None and self.desk.clock.at() - self._began_at > FRESH_AFTER_S)

    async def run(self) -> None:
        """Never returns."""
        while True:
            await self.until(self._wanted)
            self._began_at = self.desk.clock.at()
            await self._campaign()
            self._reset()

    def _wanted(self) -> bool:
        return raise_wanted(self.desk.state)

    async def _campaign(self) -> None:
        """Until nothing is owed any more. What still runs then is dropped: its answer could only repeat what we know."""
        alive: list[asyncio.Task[None]] = []  # oldest first
        try:
            while self._wanted():
                alive = [task for task in alive if not task.done()]
                trying = [task for task in alive if not task.cancelling()]
                due = self.desk.clock.at() >= self._next_at
                if (self._take_crowding() or due) and len(trying) >= MAX_ALIVE:
                    trying.pop(0).cancel()
                if len(trying) < MAX_ALIVE and (self._take_hurry() or self._take_place() or due):
                    alive.append(self._start(unanswered=len(trying)))
                    if due and trying:
                        self._report_silence()
                await self._next(alive)
                for task in alive:
                    if task.done() and not task.cancelled():
                        task.result()  # a defect in an attempt ends the process, not the campaign in silence
        finally:
            for task in alive:
                task.cancel()
            await asyncio.gather(*alive, return_exceptions=True)

    def make_room(self) -> None:
        """The network changed: if every attempt that may run hangs, the oldest, likely on the network that was, gives way to one more."""
        self._crowded = True
        self.ring()

    def _take_crowding(self) -> bool:
        crowded, self._crowded = self._crowded, False
        return crowded

    def _start(self, *, unanswered: int) -> asyncio.Task[None]:
        """An attempt beside so many that have not been answered yet: what took them so long may take this one as long.

        Each may take twice as long as it takes until the next one starts: what is nearly through must not begin anew.
        """
        self._tries += 1
        base_s = self.desk.terms.deadline_s
        self._next_at = self.desk.clock.at() + fresh_after_s(self._tries, base_s)
        deadline_s = attempt_deadline_s(1 + self._timeouts + unanswered, base_s)
        return asyncio.create_task(self._attempt(self._tries, deadline_s), name="raise")

    def _report_silence(self) -> None:
        """No answer for as long as an attempt should take: help is not summoned, and that is told before the attempt is given up."""
        self._failures += 1
        outcome = lost(Asked.RAISE, None, "timeout", "no reply to raise yet; further attempts are under way")
        self.desk.notice(outcome, Origin.CALLOUT)
        self.desk.decide(RaiseReplied(outcome, 0, self.desk.state.drill, self.desk.clock.at(), self.desk.clock.wall()))

    async def _next(self, alive: list[asyncio.Task[None]]) -> None:
        """Until an attempt ends, the next is due, or someone rings."""
        due_in_s = max(0.0, self._next_at - self.desk.clock.at())
        if self._placeless:
            due_in_s = min(due_in_s, PLACE_EVERY_S)
        rung = asyncio.ensure_future(self._rung(due_in_s))
        try:
            await asyncio.wait({rung, *alive}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rung.cancel()
            await asyncio.gather(rung, return_exceptions=True)

    def _take_place(self) -> bool:
        """The first position has come: what dispatch refused without one goes again at once, in the documented shape."""
        if not self._placeless or self.desk.place() is None:
            return False
        self._placeless, self._refused = False, 0
        return True

    async def _attempt(self, number: int, deadline_s: float) -> None:
        dispatch = self.desk.open()
        try:
            async with self.turn():
                await self._raise(dispatch, number, deadline_s)
        finally:
            await dispatch.aclose()

    async def _raise(self, dispatch: Dispatch, number: int, deadline_s: float) -> None:
        state, place, sent_at = self.desk.state, self.desk.place(), self.desk.clock.at()
        if not state.owed:  # settled between the decision to raise and this moment
            return
        press = state.owed[-1]
        settles, drill = covers(state), state.drill
        known = {"has_position": place is not None, "predefined": self.desk.terms.predefined}
        shape, own = raise_shape(self._refused, **known), asks_own_type(self._refused, **known)
        outcome = await dispatch.raise_callout(
            place,
            response_type_id=(press.response_type_id if own else None) or self.desk.terms.response_type_id,
            shape=shape,
            deadline_s=deadline_s,
            drill=drill,
        )
        self._weigh(outcome, latest=number == self._tries)
        self._placeless = place is None and outcome.meaning is Meaning.REJECTED
        self.desk.notice(outcome, Origin.CALLOUT)
        await self.desk.decide(RaiseReplied(outcome, settles, drill, self.desk.clock.at(), self.desk.clock.wall(), sent_at))
        source = wording.FIXED_LOCATION if shape == "predefined" else wording.source_of(place, self.desk.clock.wall())
        self._say_what_it_was(outcome, *filter(None, (source, wording.other_type(press, own=own))), drill=drill)
        self.ring()

    def _weigh(self, outcome: Outcome, *, latest: bool) -> None:
        """When the next attempt is due, and in which shape. While a later one is under way, it says when."""
        now_at = self.desk.clock.at()
        if outcome.meaning is Meaning.ACCEPTED:
            self._unsettled += 1
            self._next_at = now_at + min(CAP_S, SETTLE_S * 2.0 ** min(self._unsettled - 1, 10))
            self._failures = self._timeouts = 0
            return
        self._failures += 1
        self._timeouts += outcome.cause == "timeout"
        first_refusal = self._refused == 0
        self._refused = refused_tries(self._refused, outcome)
        if first_refusal and self._refused:
            self._next_at = now_at  # the other documented shape, once and at once
            return
        pause_s = raise_pause_s(outcome, self._failures, roll=self.desk.roll())
        if latest:
            self._next_at = now_at + pause_s

    def _say_what_it_was(self, outcome: Outcome, *words: str, drill: bool) -> None:
        """Anything but a live position and the type asked for is followed by an event; a drill says that it is one."""
        state = self.desk.state
        mine = outcome.meaning is Meaning.ACCEPTED and outcome.callout is not None and outcome.callout.id == state.callout_id
        if not mine or outcome.callout is None:
            return
        if drill and state.drill:
            self.desk.tell(outcome.callout.id, wording.DRILL_STARTED)
        for text in words:
            self.desk.tell(outcome.callout.id, text)
