"""How a press comes into the world: numbered, on tmpfs, in the inbox; and when its file may go.

Must not wait for anything before the inbox has it (law 1), and must not drop its file before the store has it (law 6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent import resume, spool
from agent.model import Press
from agent.ports import Clock
from agent.signals import Happening, Pressed, State
from agent.store import Store


class Presses:
    """Numbers count up and are never given twice."""

    def __init__(
        self,
        directory: Path,
        store: Store,
        clock: Clock,
        *,
        state: Callable[[], State],
        decide: Callable[[Happening], Awaitable[None]],
    ) -> None:
        self._directory, self._store, self._clock = directory, store, clock
        self._state, self._decide = state, decide
        self._number = 0
        self._forgetting: set[asyncio.Task[None]] = set()

    def count_from(self, number: int) -> None:
        """The highest number known to have been given out."""
        self._number = max(self._number, number)

    def make(self, origin: str, *, note: str | None = None, drill: bool = False) -> Press:
        """A press of now."""
        clock = self._clock
        press = Press(self._next(), clock.at(), clock.wall(), origin, clock.trusted(), note=note, drill=drill)
        self._accept(press, resume.keep_in_runtime(self._directory, press))
        return press

    def take_up(self, path: Path, spooled: spool.SpooledPress) -> None:
        """A press that waited in the runtime directory."""
        press = resume.press_of(spooled, self._next(), self._clock)
        if press is None:  # a drill that no one waits for any more
            spool.done(path)
        else:
            self._accept(press, path)

    def _next(self) -> int:
        self._number = max(self._number, self._state().press_number) + 1
        return self._number

    def _accept(self, press: Press, path: Path | None) -> None:
        decided = self._decide(Pressed(press))
        if path is not None:
            task = asyncio.ensure_future(self._forget(path, press, decided))
            self._forgetting.add(task)
            task.add_done_callback(self._forgotten)

    async def _forget(self, path: Path, press: Press, decided: Awaitable[None]) -> None:
        await decided
        await self._store.step()
        if await self._store.has_press(press.at):
            spool.done(path)

    def _forgotten(self, task: asyncio.Task[None]) -> None:
        self._forgetting.discard(task)
        if not task.cancelled():
            task.result()
