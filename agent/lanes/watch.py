"""The watch lane: reads the callout at cadence, and looks for one that was raised elsewhere.

The look-up beside a raise runs here, on a connection of its own, and neither delays nor prevents the raise. Absence from a
list ends nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.delivery import backoff_s
from agent.health import Origin
from agent.lanes.desk import Desk, Lane
from agent.lanes.turns import Rank, Turns
from agent.lifecycle import covers, stream_to
from agent.model import CalloutId, Meaning, Outcome
from agent.signals import AdoptPolicy, LookedUp, ReadReplied

JITTER = 0.2  # DESIGN section 8: five hundred devices must not ask at the same moment
FAILED_POLL_S = 30.0  # after failed polls sooner than at the poll's own pace, at first at once: `armed` is to be honest again soon


class WatchLane(Lane):
    """Reads and look-ups, one at a time; a look-up that was asked for goes first."""

    def __init__(self, desk: Desk, turns: Turns, every_s: Callable[[], float]) -> None:
        """every_s: seconds between two reads, which keep pace with the positions."""
        super().__init__(desk, turns, Rank.READ)
        self._every_s = every_s
        self._dispatch = desk.open()
        self._look_up_at = float("-inf")  # when the next scheduled poll is due
        self._asked = False
        self._read_at = float("-inf")
        self._reading: CalloutId | None = None
        self._failures = 0
        self._failed_polls = 0

    def look_up_now(self) -> None:
        """Ask at once, beside whatever else goes on."""
        self._asked = True
        self.ring()

    def read_now(self) -> None:
        """Read the callout at once."""
        self._read_at = float("-inf")
        self.ring()

    def poll_now(self) -> None:
        """The link came back: the scheduled poll is due, and the read."""
        self._look_up_at = self._read_at = float("-inf")
        self.ring()

    async def run(self) -> None:
        """Never returns."""
        while True:
            now_at = self.desk.clock.at()
            if self._asked:
                self._asked = False
                await self._look_up(Origin.CALLOUT)
            elif self._read_due() <= now_at:
                await self._read()
            elif self._look_up_at <= now_at:
                await self._poll()
            else:
                await self._rung(min(self._read_due(), self._look_up_at) - now_at)

    def _read_due(self) -> float:
        to = stream_to(self.desk.state)
        if to != self._reading:
            self._reading, self._read_at, self._failures = to, float("-inf"), 0
        return float("inf") if to is None else self._read_at

    async def _read(self) -> None:
        async with self.turn():
            to = stream_to(self.desk.state)
            if to is None:
                return
            outcome = await self._dispatch.read(to, deadline_s=self.deadline_s)
        self.learn(outcome)
        pace_s = self._every_s()
        if _failed(outcome):
            self._failures += 1
            pace_s = max(pace_s, backoff_s(self._failures, roll=self.desk.roll(), retry_after_s=outcome.retry_after_s))
        elif self.desk.state.unknown or outcome.meaning is Meaning.UNAUTHORISED:
            pace_s = 60.0
        else:
            self._failures = 0
        self._read_at = self.desk.clock.at() + pace_s
        self.desk.notice(outcome, Origin.CALLOUT)
        await self.desk.decide(ReadReplied(outcome, self.desk.clock.at()))

    async def _poll(self) -> None:
        outcome = await self._look_up(Origin.DEVICE)
        every_s = poll_s = self.desk.terms.adopt_poll_s
        if _failed(outcome):
            self._failed_polls += 1
            cap_s = min(FAILED_POLL_S, poll_s)
            every_s = backoff_s(self._failed_polls, roll=1.0, retry_after_s=outcome.retry_after_s, cap_s=cap_s)
        else:
            self._failed_polls = 0
        self._look_up_at = self.desk.clock.at() + every_s * (1 + JITTER * (2 * self.desk.roll() - 1))

    async def _look_up(self, origin: Origin) -> Outcome:
        terms = self.desk.terms
        async with self.turn():
            settles = covers(self.desk.state)
            outcome = await self._dispatch.look_up(deadline_s=self.deadline_s)
        self.learn(outcome)
        self.desk.notice(outcome, origin)
        now_at, now_wall = self.desk.clock.at(), self.desk.clock.wall()
        policy = AdoptPolicy(terms.adopt, terms.customer_id)
        await self.desk.decide(LookedUp(outcome, settles, now_at, now_wall, policy, self.desk.live()))
        return outcome


def _failed(outcome: Outcome) -> bool:
    """Worth another try soon. A token that may not speak on this route will not be allowed to within a minute."""
    return outcome.meaning is Meaning.RETRY or (outcome.meaning is Meaning.UNAUTHORISED and outcome.cause != "scope")
