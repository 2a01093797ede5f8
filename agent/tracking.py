"""From what receivers say to the track and to the newest fix.

Touches the store (never waits for it) and the positions. Decides nothing: `gate`, `positions` and `cadence` do.
"""

from __future__ import annotations

from collections.abc import Callable

from agent import cadence
from agent.health import Stream
from agent.lifecycle import raise_wanted, stream_to
from agent.model import Ailment, Fix, Report
from agent.ports import Clock, FixSource, Store
from agent.positions import Positions
from agent.signals import State


class Tracking:
    """One device's receivers. fresh: called after each new fix. vouch: told every report of a live receiver, before the gate."""

    def __init__(
        self,
        positions: Positions,
        store: Store,
        clock: Clock,
        pace: cadence.Pace,
        *,
        state: Callable[[], State],
        fresh: Callable[[], None],
        ailing: Callable[[], None],
        vouch: Callable[[Report], None],
    ) -> None:
        self.positions = positions
        self.stream = Stream()
        self._store, self._clock, self._pace = store, clock, pace
        self._state, self._fresh, self._ailing, self._vouch = state, fresh, ailing, vouch
        self._recorded: Fix | None = None

    async def receive(self, source: FixSource) -> None:
        """Listen to one receiver; never returns."""

        def ailing(ailment: Ailment | None) -> None:
            self.positions.sources[source.name].ailment = ailment
            self._ailing()

        await source.run(self.hear, ailing)

    def hear(self, report: Report) -> None:
        """One report: what passes the gate goes into the track if due, and past the location lane."""
        if self.positions.sources[report.receiver].kind != "replay":  # a log tells the time of its recording
            self._vouch(report)
        fixes, _ = self.positions.hear(report, wall=self._clock.wall(), wall_trusted=self._clock.trusted())
        for fix in fixes:
            self._take(fix)

    def relieve(self) -> Fix | None:
        """While a callout is wanted: a doubted position rather than none."""
        fix = self.positions.relieve(self._clock.at())
        if fix is not None:
            if not self._state().calm:  # a track that grows would tell (law 5)
                self._record(fix)
            self._fresh()
        return fix

    def sent(self, fix: Fix) -> None:
        """A position was accepted; it belongs into the track as sent. After a cancel it is only marked: a growing track tells (law 5)."""
        self.stream = Stream(self.stream.sent + 1, self.stream.failed, fix.wall, self._clock.at())
        if not self._state().calm and (self._recorded is None or self._recorded.at < fix.at):
            self._record(fix)
        self._store.sent(fix)

    def not_sent(self) -> None:
        """A position was not accepted."""
        was = self.stream
        self.stream = Stream(was.sent, was.failed + 1, was.last_sent_fix_wall, was.last_accepted_at)

    def start_stream(self) -> None:
        """Another callout: count anew."""
        self.stream = Stream()

    def _take(self, fix: Fix) -> None:
        state = self._state()
        # Also while nothing can be sent yet: the trail since the press is made of it.
        streaming = (stream_to(state) is not None or raise_wanted(state)) and not state.calm
        if cadence.record_due(self._recorded, fix, self._pace, streaming=streaming):
            self._record(fix)
        self._fresh()

    def _record(self, fix: Fix) -> None:
        self._store.record(fix)
        self._recorded = fix
