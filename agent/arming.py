"""Who is told that the device is not armed: a lamp of its own, and a program of the owner.

Decides when the program is told: once something has lasted, at its beginning and at its end, also across a restart. Touches the lamp, the
program and a note of the store. It knows only what everybody may see: behind a cancel it says what it says in standby (law 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from agent.hooks import Hook
from agent.kept import NoteKept
from agent.ports import Clock, Store

LOOK_S: Final = 1.0
SETTLE_S: Final = 30.0  # a start, and a poll that failed once, are no news
NOTE: Final = "told_not_armed"


class Arming:
    """A comfort. hook: may be none. light: the lamp. document: the status as everybody may see it. kept: the note of the last process."""

    def __init__(
        self,
        hook: Hook,
        light: Callable[[bool], None],
        store: Store,
        clock: Clock,
        *,
        document: Callable[[], Mapping[str, Any]],
        kept: Callable[[str], str | None],
        settle_s: float = SETTLE_S,
    ) -> None:
        self._hook, self._light, self._store, self._clock = hook, light, store, clock
        self._document, self._kept, self._settle_s = document, kept, settle_s
        self._told: bool | None = None
        self._since_at: float | None = None  # when what is differs from what was told

    async def run(self) -> None:
        """Never returns; the lamp goes dark with it."""
        self._told = self._kept(NOTE) != "yes"
        try:
            while True:
                self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            self._light(False)  # noqa: FBT003 - dark

    def look(self) -> None:
        """Show what is; tell it if it has lasted."""
        document, at = self._document(), self._clock.at()
        armed = bool(document["armed"])
        self._light(armed)
        if armed == self._told or not self._hook:
            self._since_at = None
            return
        if self._since_at is None:
            self._since_at = at
        if at - self._since_at >= self._settle_s and self._hook.running is None:
            self._told, self._since_at = armed, None
            self._store.step(NoteKept(NOTE, "" if armed else "yes"))
            self._hook.start({"event": "not_armed", "armed": armed, "conditions": document["conditions"]})
