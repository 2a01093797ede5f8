"""How a press comes into the world: numbered, on tmpfs, in the inbox; and when its file may go.

Must not wait for anything before the inbox has it (law 1), and must not drop its file before the store has it or dispatch has
closed the callout that answered it (law 6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from agent import resume, spool
from agent.model import Press
from agent.ports import Clock
from agent.signals import Happening, Pressed, State
from agent.store import Store


@dataclass(frozen=True, slots=True)
class Made:
    """A press on its way. decided: ends when its step has been carried out."""

    press: Press
    decided: Awaitable[None]


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
        self._files: dict[Path, Press] = {}  # in the runtime directory, and known
        self._forgetting: set[asyncio.Task[None]] = set()

    def count_from(self, number: int) -> None:
        """The highest number known to have been given out."""
        self._number = max(self._number, number)

    def make(self, origin: str, *, note: str | None = None, drill: bool = False) -> Made:
        """A press of now."""
        clock = self._clock
        press = Press(self._next(), clock.at(), clock.wall(), origin, clock.trusted(), note=note, drill=drill)
        # A drill is not worth keeping: nobody waits for it after a crash, and its checks would be of yesterday.
        return self._accept(press, None if drill else resume.keep_in_runtime(self._directory, press))

    def sweep(self) -> None:
        """Take up what someone left here while nobody answered on the socket."""
        for path, spooled in spool.take(self._directory):
            if path not in self._files:
                self.take_up(path, spooled)

    def take_up(self, path: Path, spooled: spool.SpooledPress) -> None:
        """A press that waited in the runtime directory. A drill never starts from a file."""
        if spooled.drill:
            spool.done(path)
        else:
            self._accept(resume.press_of(spooled, self._next(), self._clock), path)

    def forget_all(self) -> None:
        """Dispatch has closed the callout that answered every press so far: their files must not raise another."""
        for path in list(self._files):
            self._forget(path)

    def _next(self) -> int:
        self._number = max(self._number, self._state().press_number) + 1
        return self._number

    def _accept(self, press: Press, path: Path | None) -> Made:
        decided = asyncio.ensure_future(self._decide(Pressed(press)))
        if path is not None:
            self._files[path] = press
            task = asyncio.ensure_future(self._forget_when_stored(path, press, decided))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)
        return Made(press, decided)

    async def _forget_when_stored(self, path: Path, press: Press, decided: Awaitable[None]) -> None:
        await decided
        await self._store.step()
        if await self._store.has_press(press.at):
            self._forget(path)

    def _forget(self, path: Path) -> None:
        spool.done(path)
        self._files.pop(path, None)
