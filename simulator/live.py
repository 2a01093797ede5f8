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
# How soon a page is to come back after its connection broke; browsers take three seconds otherwise.
RETRY_MS = 1_000
# Hundreds of callouts change every second: what comes within this time goes out together.
GATHER_S = 0.05
# A page that reads nothing (a laptop that sleeps) is told everything anew instead of more news than this.
MOST_NEWS = 1_000

Topic = tuple[str, int | None]
View = Callable[[Topic, "Listener"], Any]
Wants = Callable[[Topic], bool]


class Listener:
    """One open page. `told`: of each callout, how many positions, events and notes it has. `wants`: what it is rung for."""

    def __init__(self, wants: Wants = lambda _: True) -> None:
        self.wants = wants
        self.news: dict[Topic, None] = {}
        self.rung = asyncio.Event()
        self.told: dict[int, tuple[int, int, int]] = {}

    def hear(self, topic: Topic) -> None:
        """One more piece of news."""
        if len(self.news) >= MOST_NEWS:
            self.news = {("reset", None): None}
        self.news[topic] = None
        self.rung.set()

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
            if listener.wants((name, number)):
                listener.hear((name, number))

    async def stream(self, stopping: asyncio.Event, view: View, wants: Wants = lambda _: True) -> AsyncIterator[str]:
        """Frames for one listener until the server stops. wants: leaves out topics; their coming and going shows nowhere."""
        listener = Listener(wants)
        self._listeners.add(listener)
        loop = asyncio.get_running_loop()
        try:
            yield f"retry: {RETRY_MS}\n{frame('hello', view(('hello', None), listener))}"
            spoke_at = loop.time()
            while not stopping.is_set():
                rung = await _ring(listener.rung, stopping, spoke_at + BEAT_S - loop.time())
                if rung:
                    # The first of many goes at once; those that follow it closely go together.
                    await _ring(None, stopping, spoke_at + GATHER_S - loop.time())
                frames = _frames(view, listener)
                # What was rung for may have come to nothing, and then the beat stays due when it was.
                if not frames and loop.time() >= spoke_at + BEAT_S:
                    frames = [frame("beat", view(("beat", None), listener))]
                if frames:
                    spoke_at = loop.time()
                    yield "".join(frames)
        finally:
            self._listeners.discard(listener)


def frame(name: str, document: Any) -> str:
    """One event; the JSON has no line breaks, so one data line carries it."""
    return f"event: {name}\ndata: {json.dumps(document)}\n\n"


def _frames(view: View, listener: Listener) -> list[str]:
    documents = ((topic, view(topic, listener)) for topic in listener.take())
    # None: what changed has gone since, by a reset; or it shows nowhere in this view.
    return [frame(topic[0], document) for topic, document in documents if document is not None]


async def _ring(rung: asyncio.Event | None, stopping: asyncio.Event, within_s: float) -> bool:
    """Wait for news (where `rung` is given), the end or the time; whether there is news."""
    waits = {asyncio.ensure_future(event.wait()) for event in (rung, stopping) if event is not None}
    try:
        await asyncio.wait(waits, timeout=max(0.0, within_s), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return rung is not None and rung.is_set()
