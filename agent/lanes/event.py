"""The event lane: messages for the callout's event stream, in order, each until it is told or cannot be. And the urgent lane.

Low priority: never delays a raise or a position. A message is bound to its callout and is parked when that one has closed. What a
device says that may go silent at any moment has a lane of its own, because here it would wait: for the answer to another message,
for the end of a pause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agent.delivery import CAP_S, REFUSED, REFUSED_CAP_S, SCOPE_EVERY_S, backoff_s
from agent.health import Origin
from agent.lanes.desk import Desk, Lane
from agent.lanes.turns import Rank, Turns
from agent.model import CalloutId, Meaning, Outcome
from agent.signals import EventReplied

PATIENCE = 3  # answered failures in a row before another message gets its turn
TRAIL = "trail-"  # how the key of a message begins that is part of a trail


@dataclass(frozen=True, slots=True)
class Message:
    """One text for one callout. key: its name in the store."""

    callout_id: CalloutId
    text: str
    key: str

    @property
    def is_trail(self) -> bool:
        """Part of a trail: long, and about the past."""
        return self.key.startswith(TRAIL)


class EventLane(Lane):
    """An outbox. `settled` is told the key of what was told, or parked for good."""

    def __init__(self, desk: Desk, turns: Turns, settled: Callable[[Message, bool], None], rank: Rank = Rank.MESSAGE) -> None:
        super().__init__(desk, turns, rank)
        self._dispatch = desk.open()
        self._settled = settled
        self._outbox: deque[Message] = deque()

    def add(self, message: Message) -> None:
        """Queue a message; it leaves after those before it. Parts of a trail let every other one pass."""
        place = len(self._outbox)
        while not message.is_trail and place and self._outbox[place - 1].is_trail:
            place -= 1
        self._outbox.insert(place, message)
        self.ring()

    async def run(self) -> None:
        """Never returns."""
        failures = 0
        while True:
            await self.until(self._wanted)
            message = self._outbox[0]
            async with self.turn():
                outcome = await self._dispatch.tell(message.callout_id, message.text, deadline_s=self.deadline_s)
            self.learn(outcome)
            self.desk.notice(outcome, Origin.CALLOUT)
            await self.desk.decide(EventReplied(outcome))
            missed = self._is_missed(message, outcome)
            if outcome.meaning in (Meaning.ACCEPTED, Meaning.REJECTED, Meaning.CLOSED) and not missed:
                failures = 0
                self._outbox.remove(message)
                self._settled(message, outcome.meaning is Meaning.ACCEPTED)
                continue
            failures += 1
            scoped = outcome.cause == "scope"
            if failures % PATIENCE == 0 and outcome.http_status is not None:
                self._outbox.remove(message)
                self.add(message)  # dispatch answers, but not to this one: it goes behind the others
            cap_s = REFUSED_CAP_S if missed else CAP_S
            pause_s = backoff_s(failures, roll=self.desk.roll(), retry_after_s=outcome.retry_after_s, cap_s=cap_s)
            await self.pause(SCOPE_EVERY_S if scoped else pause_s, self._wanted)

    def _is_missed(self, message: Message, outcome: Outcome) -> bool:
        """Whether dispatch does not know the callout of now, which ends nothing: it may know it again soon."""
        state = self.desk.state
        on = message.callout_id in (state.callout_id, state.overtaken)
        return on and outcome.meaning is Meaning.REJECTED and outcome.http_status in REFUSED

    def _wanted(self) -> bool:
        return bool(self._outbox)


class UrgentLane(EventLane):
    """The newest message first, and whatever the lane waits for ends with it. Each says when it was meant, so order is not needed."""

    def add(self, message: Message) -> None:
        """Send a message before all others, at once."""
        self._outbox.appendleft(message)
        self.hurry()
