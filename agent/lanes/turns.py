"""Who opens a connection now: on a link of 9.6 kbit/s five TLS handshakes at once are a queue in which none gets through.

Decides only how long a lane lets others go before it opens a connection, and that is bounded: nobody who hangs holds anybody up
for long. The raise waits for nobody. A lane whose connection is open does not come here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from enum import IntEnum
from typing import Final


class Rank(IntEnum):
    """Who goes first among those who wait."""

    AT_ONCE = 0  # a raise, and what a dying device says: they wait for nobody
    POSITION = 1
    CANCEL = 2
    READ = 3
    MESSAGE = 4


# Seconds that each lane lets others go first. A handshake and a request take about 8 s at 1.5 s round trip and 9.6 kbit/s; after 5 s
# the one who went first has what is large, the certificates, behind it. What is neither a raise nor a position lets it finish.
PATIENCE_S: Final = {Rank.AT_ONCE: 0.0, Rank.POSITION: 5.0, Rank.CANCEL: 5.0, Rank.READ: 10.0, Rank.MESSAGE: 20.0}


class Turns:
    """One for all lanes."""

    def __init__(self) -> None:
        self._opening = 0
        self._waiting: list[Rank] = []
        self._moved = asyncio.Event()

    @contextlib.asynccontextmanager
    async def take(self, rank: Rank) -> AsyncIterator[None]:
        """Hold a turn for one request over a connection that has to be opened first."""
        await self._wait(rank)
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1
            self._moved.set()

    async def _wait(self, rank: Rank) -> None:
        if rank is Rank.AT_ONCE:
            return
        self._waiting.append(rank)
        try:
            async with asyncio.timeout(PATIENCE_S[rank]):
                while self._opening or min(self._waiting) < rank:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return
        finally:
            self._waiting.remove(rank)
            self._moved.set()
