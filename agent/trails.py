"""What dispatch has missed, told once it hears us again: the track of an outage, and the minutes before a press.

Touches the store and the event lane. Decides when a gap is over and what of it needs words; `trail` decides the words. The location
lane goes first: nothing here begins before a position was accepted, unless there is no position to send. What is to be told is read
off the store, so a restart changes nothing. Logs nothing: it goes on behind a cancel as before it (law 5).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from agent import aside, findings, trail
from agent.health import Conditions, Origin
from agent.kept import FixesTold, Missed, NoteKept
from agent.lifecycle import stream_to
from agent.model import Asked, CalloutId, Fix, Meaning, Outcome, Severity
from agent.ports import Clock, Store
from agent.records import PRESS_TRAIL_NOTE, began_with, vouched_wall
from agent.signals import State
from agent.telling import Telling

_log = logging.getLogger(__name__)

MOST_FIXES = 1_500  # of one trail: two hours at the pace of a callout; more would need a wider bound than the accuracy of the fixes
MOST_LINES = 10  # messages of dated fixes that wait at a time


@dataclass(frozen=True, slots=True)
class Manner:
    """From `[backlog]` and `[store]`. after_outage: "trail", "events" or "keep"."""

    after_outage: str = "trail"
    trail_after_s: float = 30.0
    before_press_s: float = 600.0


@dataclass(frozen=True, slots=True)
class _Pressed:
    """A press by its number; UTC s as it was thought then, NaN where nobody vouched; monotonic s, None where it is of another boot."""

    number: int
    wall: float
    at: float | None


@dataclass(frozen=True, slots=True)
class _Gap:
    """It ended at monotonic s `until_at`. closed: by a position that dispatch took; else no position tells where the device is now."""

    until_at: float
    closed: bool


class Rooms(Protocol):
    """What the trails need of the daemon."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""

    @property
    def conditions(self) -> Conditions:
        """What is unhealthy."""

    def live(self) -> Fix | None:
        """The newest fix if it is not stale."""


class Trails:
    """One per daemon."""

    def __init__(self, rooms: Rooms, store: Store, telling: Telling, manner: Manner) -> None:
        self._rooms, self._store, self._telling, self._manner = rooms, store, telling, manner
        self._to: CalloutId | None = None
        self._heard_at: float | None = None  # monotonic s of capture of the last position that this callout has
        self._failed_at: float | None = None  # monotonic s of the last failure after that; without one a long pause is only the cadence
        self._refused_at: float | None = None  # monotonic s since when dispatch answers and takes no position
        self._worded_at: float | None = None  # monotonic s when words last stood in for positions
        self._gap: _Gap | None = None  # is to be told
        self._press: _Pressed | None = None  # what was before it is to be told
        self._bell = asyncio.Event()

    def recall(self, note: str | None) -> None:
        """At start, once the lifecycle knows its callout. note: `PRESS_TRAIL_NOTE` as the store had it."""
        number, wall, callout_id = (*(note or "").split(" ", 2), "", "", "")[:3]
        self._look()
        if self._to is not None and callout_id == str(self._to):
            with contextlib.suppress(ValueError):  # a damaged note costs its trail, not the start
                self._press = _Pressed(int(number), float(wall), None)
                self._bell.set()

    def follow(self, before: State, after: State) -> None:
        """After each step: a callout that began with a press is told what was before it."""
        self._look()
        press = began_with(before, after)
        if press is not None:
            self._press = _Pressed(press.number, vouched_wall(press), press.at if press.at > 0 else None)
            self._bell.set()

    def located(self, fix: Fix) -> None:
        """Dispatch has this position. What lies between it and the one before is covered, or missed."""
        self._look()
        heard_at, failed_at = self._heard_at, self._failed_at
        self._heard_at, self._refused_at = fix.at, None
        if failed_at is not None and failed_at < fix.at:  # else this position was old when it came in: what failed meanwhile lies behind it
            self._failed_at = None
        if self._manner.after_outage == "keep":
            return
        if heard_at is not None and not (failed_at is not None and fix.at - heard_at >= self._manner.trail_after_s):
            self._store.covered(heard_at, fix.at)
        else:
            self._tell(_Gap(fix.at, closed=True))

    def replied(self, outcome: Outcome) -> None:
        """Dispatch answered on any lane: where no position comes in, this is how it is known that it hears us."""
        self._look()
        now_at, proven = self._rooms.clock.at(), findings.proves_path(outcome)
        if not proven or (outcome.asked is Asked.LOCATION and outcome.meaning is not Meaning.ACCEPTED):
            self._failed_at = now_at
        if proven and _refused(outcome) and self._refused_at is None:
            self._refused_at = now_at
        if not proven or self._to is None or self._manner.after_outage == "keep":
            return
        if self._gap is None and self._is_unseen(now_at) and self._store.summary().untold:
            self._worded_at = now_at
            self._tell(_Gap(now_at, closed=False))

    def _is_unseen(self, now_at: float) -> bool:
        """Whether words are all that dispatch gets: there is no position, or it has taken none for long."""

        def long(since_at: float | None) -> bool:
            return since_at is None or now_at - since_at >= self._manner.trail_after_s

        if not long(self._worded_at):
            return False
        return long(self._heard_at) if self._rooms.live() is None else self._refused_at is not None and long(self._refused_at)

    async def run(self) -> None:
        """Never returns."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            if self._to is None:
                continue
            try:
                await self._work_off(self._to)
            except Exception as trouble:  # noqa: BLE001 - a trail is a comfort: positions, presses and messages go on without it
                _log.debug("trail", exc_info=True)
                self._press = self._gap = None
                self._own_up(type(trouble).__name__)

    # --- the work -----------------------------------------------------------------------------------------------------------

    async def _work_off(self, to: CalloutId) -> None:
        if self._press is not None:
            await self._tell_before(to, self._press)
        if self._gap is not None and self._is_on(to):
            await self._tell_missed(to, self._gap)

    async def _tell_before(self, to: CalloutId, press: _Pressed) -> None:
        fixes = await self._store.before_press(press.number, self._manner.before_press_s)
        wall = self._wall_of(press)
        texts: tuple[str, ...] = ()
        if fixes and self._manner.after_outage != "keep":
            texts = await aside.start(partial(trail.before_press, fixes, wall), name="trail")
        if self._is_on(to) and self._press == press:
            self._press = None
            await self._telling.tell_trail(to, texts, NoteKept(PRESS_TRAIL_NOTE, ""))

    def _wall_of(self, press: _Pressed) -> float:
        """UTC s by the clock of now, which may have been set since; NaN where nobody vouches for it."""
        clock = self._rooms.clock
        return clock.wall() - (clock.at() - press.at) if press.at is not None and clock.trusted() else press.wall

    async def _tell_missed(self, to: CalloutId, gap: _Gap) -> None:
        last: Fix | None = None
        while True:
            missed = await self._store.missed(gap.until_at, MOST_FIXES)
            if not missed.fixes or missed.fixes[0] == last or not self._is_on(to):
                break
            last = missed.fixes[0]
            texts, told = await self._put_into_words(missed, gap)
            if not self._is_on(to):
                break
            await self._telling.tell_trail(to, texts, FixesTold(missed.fixes[told - 1].at, self._rooms.clock.wall(), missed.since_at))
        if self._gap == gap:
            self._gap = None
        else:
            self._bell.set()  # another gap has ended meanwhile

    async def _put_into_words(self, missed: Missed, gap: _Gap) -> tuple[tuple[str, ...], int]:
        """The messages, and how many of the fixes they tell. A gap that was short after all (a restart) needs no words.

        The gap, and not what was recorded in it: the last seconds before a garage are few positions, and all that there is for long.
        """
        first, fixes = missed.before or missed.fixes[0], missed.fixes
        if gap.closed and not missed.more and gap.until_at - first.at < self._manner.trail_after_s:
            return (), len(fixes)
        if self._manner.after_outage == "events":
            return await aside.start(partial(trail.lines, fixes, MOST_LINES), name="trail")
        return await aside.start(partial(trail.missed, missed.before, fixes), name="trail"), len(fixes)

    def _own_up(self, what: str) -> None:
        text, hint = f"the trail could not be told ({what}); its fixes stay in the store", "this is a defect: please report it"
        wall = self._rooms.clock.wall()
        self._rooms.conditions.put("trail.failed", Severity.DEGRADED, text, hint, wall=wall, origin=Origin.CALLOUT)

    # --- the callout of now -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        to = stream_to(self._rooms.state)
        if to != self._to:
            self._to, self._heard_at, self._gap, self._failed_at = to, None, None, None
            self._refused_at = self._worded_at = None
            self._press = None if to is None else self._press

    def _is_on(self, to: CalloutId) -> bool:
        self._look()
        return self._to == to

    def _tell(self, gap: _Gap) -> None:
        self._gap = gap
        self._bell.set()


def _refused(outcome: Outcome) -> bool:
    """Whether dispatch does not want this position, and may well take a message. Where it does not know the callout it takes neither."""
    if outcome.asked is not Asked.LOCATION:
        return False
    return outcome.cause == "scope" or (outcome.meaning is Meaning.REJECTED and outcome.http_status in (400, 422))
