"""Server-sent events: who listens, and what each listener has not heard yet.

A listener is told *what changed*, not every change: a slow page skips to the newest view and holds nothing up. Knows neither
callouts nor HTTP routes; views come from the function it is given.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

# Longer than this without a word and a page thinks that the connection has died.
BEAT_S = 10.0

Topic = tuple[str, int | None]


class Listener:
    """One open page. `told` is how many positions of each callout it has."""

    def __init__(self) -> None:
        self.news: dict[Topic, None] = {}
        self.rung = asyncio.Event()
        self.told: dict[int, int] = {}

    def take(self) -> list[Topic]:
        """What is new since the last call, in order."""
        news = list(self.news)
        self.news.clear()
        self.rung.clear()
        return news


class Hub:
    """Everyone who listens. Used on the server's loop only."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def tell(self, name: str, number: int | None = None) -> None:
        """Something changed."""
        for listener in self._listeners:
            listener.news[(name, number)] = None
            listener.rung.set()

    async def stream(self, stopping: asyncio.Event, view: Callable[[Topic, Listener], Any]) -> AsyncIterator[str]:
        """Frames for one listener until the server stops."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield frame("hello", view(("hello", None), listener))
            while not stopping.is_set():
                if not await _ring(listener.rung, stopping):
                    yield frame("beat", view(("beat", None), listener))
                for topic in listener.take():
                    # None: what changed has gone since, by a reset.
                    if (document := view(topic, listener)) is not None:
                        yield frame(topic[0], document)
        finally:
            self._listeners.discard(listener)


def frame(name: str, document: Any) -> str:
    """One event; the JSON has no line breaks, so one data line carries it."""
    return f"event: {name}\ndata: {json.dumps(document)}\n\n"


async def _ring(rung: asyncio.Event, stopping: asyncio.Event) -> bool:
    """Wait for news, the end or the next beat; whether there is news."""
    waits = {asyncio.ensure_future(event.wait()) for event in (rung, stopping)}
    try:
        await asyncio.wait(waits, timeout=BEAT_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return rung.is_set()
