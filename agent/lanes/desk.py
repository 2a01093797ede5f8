"""What every lane sees of the daemon, and the waiting they share.

Touches the inbox and the clock through what it is given. Must not know any lane.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from agent.cadence import Pace
from agent.delivery import KEEPALIVE_S, attempt_deadline_s
from agent.health import Origin
from agent.lanes.turns import Rank, Turns
from agent.model import CalloutId, Fix, Outcome, Place
from agent.ports import Clock, Dispatch
from agent.signals import Happening, State


@dataclass(frozen=True, slots=True)
class Terms:
    """What the lanes need of the config. Seconds."""

    pace: Pace
    response_type_id: int
    deadline_s: float = 10.0
    adopt: str = "near"
    adopt_poll_s: float = 300.0
    customer_id: int = 0
    predefined: bool = False  # a site known to dispatch by its external reference


class Desk(Protocol):
    """The daemon as its lanes see it."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def terms(self) -> Terms:
        """From the config."""

    @property
    def state(self) -> State:
        """The lifecycle's state of now."""

    def decide(self, event: Happening) -> Awaitable[None]:
        """Put an event in the inbox; the awaitable ends when the step it caused has been carried out."""

    def open(self) -> Dispatch:
        """A connection of one's own."""

    def roll(self) -> float:
        """A random number in [0, 1): jitter."""

    def place(self) -> Place | None:
        """The best position for a raise."""

    def live(self) -> Fix | None:
        """The newest fix if it is not stale."""

    def tell(self, callout_id: CalloutId, text: str) -> None:
        """Queue a message for the event stream."""

    def notice(self, outcome: Outcome, origin: Origin) -> None:
        """A reply, or its absence, says something about health."""

    def sent(self, fix: Fix) -> None:
        """This fix was accepted on the location lane."""

    def not_sent(self) -> None:
        """A position was not accepted."""


REST_S = 10.0  # a lane that waits for nothing in particular looks up so often: that is how it shows that it does not hang


class Lane:
    """A task with a bell. `ring` wakes it to look again; `hurry` also ends a wait between attempts (the link came back).

    attempts: grows with each request and each look.
    """

    def __init__(self, desk: Desk, turns: Turns, rank: Rank) -> None:
        self.desk = desk
        self._turns, self._rank = turns, rank
        self._bell = asyncio.Event()
        self._hurried = False
        self.attempts = 0
        self._open_until = float("-inf")  # the connection is believed open until then

    def ring(self) -> None:
        """Something changed: look again."""
        self._bell.set()

    def hurry(self) -> None:
        """Whatever the lane waits for between two attempts is over now."""
        self._hurried = True
        self._bell.set()

    @property
    def deadline_s(self) -> float:
        """Of the next request: twice the usual one if a connection has to be opened first, which takes 8 s on a slow link."""
        return attempt_deadline_s(0 if self.connected else 1, self.desk.terms.deadline_s)

    @contextlib.asynccontextmanager
    async def turn(self, *, at_once: bool = False) -> AsyncIterator[None]:
        """For one request. Who has to open a connection waits a little for others who do; what is sent is chosen after that."""
        if self.connected:
            self.attempts += 1
            yield
            return
        async with self._turns.take(Rank.AT_ONCE if at_once else self._rank):
            self.attempts += 1
            yield

    @property
    def connected(self) -> bool:
        """Whether the connection is believed open, so that a request costs no handshake."""
        return self.desk.clock.at() < self._open_until

    def learn(self, outcome: Outcome) -> None:
        """An answer leaves the connection open; without one it is given up."""
        self.attempts += 1
        answered = outcome.http_status is not None
        self._open_until = self.desk.clock.at() + KEEPALIVE_S if answered else float("-inf")

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Wait until something is wanted."""
        while not wanted():
            await self._rung(None)

    async def pause(self, seconds: float, while_wanted: Callable[[], bool]) -> None:
        """Wait between two attempts: ends early when hurried or no longer wanted."""
        over_at = self.desk.clock.at() + seconds
        await self.until_due(lambda: over_at - self.desk.clock.at(), while_wanted)

    async def until_due(self, left_s: Callable[[], float], while_wanted: Callable[[], bool]) -> None:
        """Wait for what may become due sooner than it seemed: asked again at each ring. Ends early like `pause`."""
        while while_wanted() and not self._take_hurry():
            seconds = left_s()
            if seconds <= 0:
                return
            await self._rung(seconds)

    async def _rung(self, timeout_s: float | None) -> None:
        """Until someone rings, at most so long and at most REST_S: whoever waits longer asks again."""
        self.attempts += 1
        try:
            async with asyncio.timeout(REST_S if timeout_s is None else min(timeout_s, REST_S)):
                await self._bell.wait()
        except TimeoutError:
            return
        finally:
            self._bell.clear()

    def _take_hurry(self) -> bool:
        hurried, self._hurried = self._hurried, False
        return hurried
