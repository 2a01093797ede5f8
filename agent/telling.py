"""Messages for the event stream of a callout: kept first, then queued, then settled.

Touches the store and the event lanes. What is told decide others. A message outlives the process: it is in the store before a lane
has it, and a start hands over what was not told. Logs nothing: a cancelled callout is told as well (law 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from agent import wording
from agent.kept import EventKept, Write
from agent.lanes.board import Lanes
from agent.lanes.event import TRAIL, Message
from agent.model import CalloutId
from agent.ports import Clock, Store

DEVICE = "device"  # the source of a message: this device itself


class Telling:
    """One per daemon."""

    def __init__(self, store: Store, clock: Clock, lanes: Callable[[], Lanes], said: Callable[[CalloutId, Sequence[str]], None]) -> None:
        """said: told what is about to leave, so that it is known again where dispatch lists it."""
        self._said = said
        self._store, self._clock, self._lanes = store, clock, lanes
        self._count = 0
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def tell(self, callout_id: CalloutId, text: str, *, urgent: bool = False) -> None:
        """Queue a message. An urgent one goes before all others."""
        message = self._make(callout_id, text)
        self._said(callout_id, [message.text])
        self._store.step(self._kept(message, told=False))
        lane = self._lanes().urgent if urgent else self._lanes().event
        lane.add(message)

    def tell_trail(self, callout_id: CalloutId, texts: Sequence[str], *with_it: Write) -> Awaitable[object]:
        """Queue the messages of a trail, in order; each other message goes before them. Ends when each is told, or cannot be.

        with_it: what is written in the same transaction.
        """
        messages = [self._make(callout_id, text, TRAIL) for text in texts]
        self._said(callout_id, [message.text for message in messages])
        loop = asyncio.get_running_loop()
        for message in messages:
            self._waiting[message.key] = loop.create_future()
        self._store.step(*(self._kept(message, told=False) for message in messages), *with_it)
        for message in messages:
            self._lanes().event.add(message)
        return asyncio.gather(*(self._waiting[message.key] for message in messages))

    def recall(self, message: Message) -> None:
        """A message that an earlier process kept and did not tell."""
        self._said(message.callout_id, [message.text])
        self._lanes().event.add(message)

    def settled(self, message: Message, told: bool) -> None:  # noqa: FBT001 - a callback's one fact
        """A lane is done with it: dispatch has it, or will never take it."""
        self._store.step(self._kept(message, told=told))
        waiting = self._waiting.pop(message.key, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _make(self, callout_id: CalloutId, text: str, kind: str = "") -> Message:
        self._count += 1
        return Message(callout_id, text[: wording.MAX_EVENT_CHARS], f"{kind}{self._clock.wall():.3f}-{self._count}")

    def _kept(self, message: Message, *, told: bool) -> EventKept:
        return EventKept(message.callout_id, message.key, message.text, self._clock.wall(), DEVICE, told=told)
