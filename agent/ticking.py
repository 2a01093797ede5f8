"""Every second: what follows from time having passed, and what systemd and the journal are told.

Asks each room to look again; decides nothing. What it shows is outward: a calm device has nothing more to say than one in standby (law 5).
It does not feed the watchdog: it puts a beat into the inbox, and the decider does, if no vital part stands still (`progress`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from agent import health, wording
from agent.connections import Connections
from agent.decider import Decider
from agent.farewell import Farewell
from agent.health import Conditions
from agent.journal import UNFILTERED, Journal
from agent.last_fix import LastFix
from agent.lifecycle import raise_wanted, stream_to
from agent.model import CalloutId, Fix, Quality
from agent.notify import BEATS_PER_LIMIT, Supervisor
from agent.panel import Panel
from agent.ports import Clock
from agent.presses import Presses
from agent.progress import Progress
from agent.signals import State
from agent.store import Store
from agent.timekeeping import Timekeeping
from agent.tracking import Tracking
from agent.unreachable import Unreachable

log = logging.getLogger(UNFILTERED)  # who stood still a moment ago and does so again is named again

TICK_S = 1.0
DOUBT_EVERY_S = 300.0  # a controller needs to be told once that positions contradict each other, not every second


class Rooms(Protocol):
    """Who looks again."""

    conditions: Conditions
    connections: Connections
    decider: Decider
    farewell: Farewell
    last_fix: LastFix
    panel: Panel
    presses: Presses
    store: Store
    supervisor: Supervisor
    timekeeping: Timekeeping
    tracking: Tracking
    unreachable: Unreachable

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""

    def attempts(self) -> Mapping[str, int]:
        """How often each vital part has attempted its work, by its name."""

    def tell(self, callout_id: CalloutId, text: str) -> None:
        """Queue a message for the event stream."""

    def document(self) -> dict[str, Any]:
        """The status document of now, outwardly."""

    def outwardly_calm(self) -> bool:
        """Whether a cancel was handed over, or may have been."""


class Ticking:
    """One per daemon. limits_s: how long each vital part may go without an attempt."""

    def __init__(self, rooms: Rooms, limits_s: Mapping[str, float]) -> None:
        self._rooms, self._journal = rooms, Journal(lambda code: rooms.conditions.failures(code, calm=rooms.outwardly_calm()))
        self._progress = Progress(limits_s)
        limit_s = rooms.supervisor.limit_s
        self._every_s = TICK_S if limit_s is None else min(TICK_S, limit_s / BEATS_PER_LIMIT)
        self._doubt_told_at = float("-inf")

    async def run(self) -> None:
        """Never returns."""
        while True:
            await asyncio.sleep(self._every_s)
            self._tick()

    def _tick(self) -> None:
        rooms = self._rooms
        self._judge()  # first: in a careful start what follows may fail each time, and the alarm path lives on
        rooms.presses.sweep()
        rooms.last_fix.follow(rooms.tracking.positions.newest)
        wanted = raise_wanted(rooms.state) or stream_to(rooms.state) is not None
        forced = rooms.tracking.relieve() if wanted else None
        if forced is not None:
            self._tell_doubt(forced)
        rooms.panel.follow()  # an attempt that takes too long is failing
        rooms.unreachable.look(rooms.state)
        rooms.farewell.look()
        rooms.timekeeping.follow()
        rooms.connections.follow(rooms.store)
        document = rooms.document()
        self._journal.follow(rooms.conditions.shown(calm=rooms.outwardly_calm()), rooms.clock.at())
        rooms.supervisor.status(health.line(document))

    def _judge(self) -> None:
        rooms = self._rooms
        for part in self._progress.look(rooms.attempts(), rooms.clock.at()):
            # Behind a cancel it is not said which lane: it would tell that one has something to do (law 5).
            name = "a lane" if part.endswith(" lane") and rooms.outwardly_calm() else part
            log.error("%s stands still: the watchdog is not fed any more, and the restart recovers", name)
        rooms.decider.beat(self._reached)

    def _reached(self) -> None:
        """Called by the decider: the inbox is worked off."""
        if not self._progress.standing:
            self._rooms.supervisor.alive()

    def _tell_doubt(self, fix: Fix) -> None:
        to, now_at = stream_to(self._rooms.state), self._rooms.clock.at()
        if to is not None and fix.quality is Quality.FORCED and now_at - self._doubt_told_at > DOUBT_EVERY_S:
            self._doubt_told_at = now_at
            self._rooms.tell(to, wording.doubtful(fix.accuracy_m))
