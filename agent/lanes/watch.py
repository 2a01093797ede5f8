"""The watch lane: reads the callout at cadence, listens to what dispatch writes, and looks for a callout that was raised elsewhere.

The look-up beside a raise runs here, on a connection of its own, and neither delays nor prevents the raise. Absence from a
list ends nothing. It listens between two reads, where the connection is open, and only for as long as no read is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from agent.cadence import LISTEN_EVERY, LISTEN_MOST_S, Delivery, listen_s, look_pays_s
from agent.conversation import Responder
from agent.delivery import SCOPE_EVERY_S, attempt_deadline_s, backoff_s, lost
from agent.health import Origin
from agent.lanes.desk import Desk, Lane
from agent.lanes.turns import PATIENCE_S, Rank, Turns
from agent.lifecycle import covers, stream_to
from agent.model import Asked, CalloutId, Meaning, Outcome
from agent.signals import AdoptPolicy, LookedUp, ReadReplied

JITTER = 0.2  # DESIGN section 8: five hundred devices must not ask at the same moment
FAILED_POLL_S = 30.0  # after failed polls sooner than at the poll's own pace, at first at once: `armed` is to be honest again soon
REFUSED_EVERY_S = 60.0
ROOM_S = 5.0  # before the next read that is enough to listen in; where reads come quicker, half of the time between them
CLOSELY_S = 60.0  # polls that follow each other sooner leave no room for a read between them that has to open a connection
GRACE_S = 1.0  # a look at the event stream that others wait for has this long to end before it is given up, and its connection with it


class Ears(Protocol):
    """Whoever hears what dispatch says back."""

    def responder(self) -> Responder:
        """How far help has come."""

    def wanted(self) -> CalloutId | None:
        """Whose event stream is to be read; None for none."""

    def size(self) -> tuple[int, int]:
        """Entries of the stream as it was last, and letters in their texts."""

    def take_read(self, outcome: Outcome) -> bool:
        """A read of the callout. Whether what dispatch says of a responder has changed."""

    def take_events(self, outcome: Outcome) -> bool:
        """What a look at the event stream came to. Whether it told how far help has come, so that a read may tell more."""


class WatchLane(Lane):
    """Reads, looks at the event stream and look-ups, one at a time; a look-up that was asked for goes first."""

    def __init__(
        self, desk: Desk, turns: Turns, every_s: Callable[[], float], ears: Ears, deliveries: Callable[[], tuple[Delivery, ...]]
    ) -> None:
        """every_s: seconds between two reads, which keep pace with the positions. deliveries: by which the line is judged."""
        super().__init__(desk, turns, Rank.READ)
        self._every_s, self._ears, self._deliveries = every_s, ears, deliveries
        self._listen_at = float("-inf")
        self._listening: asyncio.Timeout | None = None  # of a look at the event stream that is on its way
        self._looked_at = float("-inf")
        self._extra_at = float("-inf")  # when a read may make a look come at once that the budget has no room for
        self._deaf = 0  # looks in a row that came to nothing
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
        self._stop_listening()
        self.ring()

    def read_now(self) -> None:
        """Read the callout at once."""
        self._read_at = float("-inf")
        self._stop_listening()
        self.ring()

    def poll_now(self) -> None:
        """The link came back: the scheduled poll is due, and the read."""
        self._look_up_at = self._read_at = float("-inf")
        self._stop_listening()
        self.ring()

    async def run(self) -> None:
        """Never returns."""
        while True:
            now_at = self.desk.clock.at()
            if self._asked:
                self._asked = False
                await self._look_up(Origin.CALLOUT)
            elif self._look_up_at <= now_at and self.desk.state.calm:  # as soon as in standby: what it finds out is shown (law 5)
                await self._poll()
            elif self._next_read_at(now_at) <= now_at:
                await self._read()
            elif self._look_up_at <= now_at:
                await self._poll()
            elif self._listen_due() <= now_at:
                await self._listen()
            else:
                await self._rung(min(self._next_read_at(now_at), self._look_up_at, self._listen_due()) - now_at)

    def _read_due(self) -> float:
        to = stream_to(self.desk.state)
        if to != self._reading:
            self._reading, self._read_at, self._failures = to, float("-inf"), 0
            # Little has been said when it begins, and others open their connections then.
            self._listen_at, self._deaf = self.desk.clock.at() + LISTEN_EVERY * self._every_s(), 0
        return float("inf") if to is None else self._read_at

    async def _read(self) -> None:
        async with self.turn():
            to = stream_to(self.desk.state)
            if to is None:
                return
            outcome = await self._dispatch.read(to, deadline_s=self._read_deadline_s())
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
        if self._ears.take_read(outcome):
            self._listen_soon(self.desk.clock.at())
        await self.desk.decide(ReadReplied(outcome, self.desk.clock.at()))

    def _next_read_at(self, now_at: float) -> float:
        """Behind a cancel a read that has to open a connection gives way to the poll, which is on time in standby (law 5)."""
        due_at = self._read_due()
        soon = self._look_up_at - max(due_at, now_at) < PATIENCE_S[Rank.READ] + GRACE_S
        return max(due_at, self._look_up_at) if soon and self._gives_way() else due_at

    def _read_deadline_s(self) -> float:
        """Likewise: it is over when the poll is due."""
        left_s = max(GRACE_S, self._look_up_at - self.desk.clock.at())
        return min(self.deadline_s, left_s) if self._gives_way() else self.deadline_s

    def _gives_way(self) -> bool:
        """Not to polls that follow each other so closely that no read would ever come between."""
        return self.desk.state.calm and not self.connected and self.desk.terms.adopt_poll_s >= CLOSELY_S

    def _listen_soon(self, now_at: float) -> None:
        """Whoever was sent may have been announced in words, too. A status that is another one each time must not use up the line."""
        if now_at >= min(self._extra_at, self._looked_at + look_pays_s(*self._ears.size())):
            self._listen_at, self._extra_at = float("-inf"), now_at + LISTEN_MOST_S

    def _listen_due(self) -> float:
        """Where no connection is open, or a read is due too soon, the next read comes first."""
        room = self._read_at - self.desk.clock.at() >= min(ROOM_S, self._every_s() / 2)
        return self._listen_at if room and self.connected and self._ears.wanted() is not None else float("inf")

    async def _listen(self) -> None:
        of, left_s = self._ears.wanted(), self._read_due() - self.desk.clock.at()
        if of is None:
            return
        try:
            async with asyncio.timeout(None) as self._listening:
                outcome = await self._dispatch.events(of, deadline_s=min(self.deadline_s, left_s))
        except TimeoutError:
            outcome = lost(Asked.EVENTS, of, "reset", "given up: something else was due")
        finally:
            self._listening = None
        self.learn(outcome)
        self._looked_at = self.desk.clock.at()
        if self._ears.take_events(outcome):
            self._read_at = float("-inf")
        self._deaf = 0 if outcome.meaning is Meaning.ACCEPTED else self._deaf + 1
        every_s = listen_s(self._every_s(), *self._ears.size(), self._deliveries(), self._deaf)
        if outcome.meaning is Meaning.UNAUTHORISED:
            every_s = SCOPE_EVERY_S if outcome.cause == "scope" else REFUSED_EVERY_S
        self._listen_at = self.desk.clock.at() + every_s

    def _stop_listening(self) -> None:
        """Something else is to go at once."""
        if self._listening is not None and not self._listening.expired():
            loop_at = asyncio.get_running_loop().time() + GRACE_S
            due_at = self._listening.when()
            self._listening.reschedule(loop_at if due_at is None else min(due_at, loop_at))

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
        apart = origin is Origin.DEVICE and self.desk.state.calm
        settles, outcome = await (self._list_apart() if apart else self._list())
        self.desk.notice(outcome, origin)
        now_at, now_wall = self.desk.clock.at(), self.desk.clock.wall()
        policy = AdoptPolicy(terms.adopt, terms.customer_id)
        await self.desk.decide(LookedUp(outcome, settles, now_at, now_wall, policy, self.desk.live()))
        return outcome

    async def _list(self) -> tuple[int, Outcome]:
        async with self.turn():
            settles = covers(self.desk.state)
            outcome = await self._dispatch.look_up(deadline_s=self.deadline_s)
        self.learn(outcome)
        return settles, outcome

    async def _list_apart(self) -> tuple[int, Outcome]:
        """Over a connection of its own, as in standby, where none is open: how one that is open fails can be read (law 5).

        Nor does it wait for other lanes: there are none in standby.
        """
        dispatch = self.desk.open()
        try:
            async with self._turns.take(Rank.AT_ONCE):
                return covers(self.desk.state), await dispatch.look_up(deadline_s=attempt_deadline_s(1, self.desk.terms.deadline_s))
        finally:
            await dispatch.aclose()


def _failed(outcome: Outcome) -> bool:
    """Worth another try soon. A token that may not speak on this route will not be allowed to within a minute."""
    return outcome.meaning is Meaning.RETRY or (outcome.meaning is Meaning.UNAUTHORISED and outcome.cause != "scope")
