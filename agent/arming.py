"""Who is told that the device is not armed: a lamp of its own, and a program of the owner.

Decides when the program is told: once something has lasted, at its beginning and at its end, also across a restart; again where it failed,
as whoever sends messages does without a network. Touches the lamp, the program and a note of the store. It knows only what everybody may
see: behind a cancel it says what it says in standby (law 5).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from agent.hooks import Hook
from agent.kept import NoteKept
from agent.ports import Clock, Store

LOOK_S: Final = 1.0
SETTLE_S: Final = 30.0  # a start, and a poll that failed once, are no news
AGAIN_S, AGAIN_MOST_S = 300.0, 3_600.0  # after a run that failed; twice as long after each
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
        self._seen = False
        self._again_at, self._pause_s = float("-inf"), AGAIN_S

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
        if self._since_at is None or armed != self._seen:
            self._seen, self._since_at, self._again_at = armed, at, float("-inf")
        if at - self._since_at >= self._settle_s and at >= self._again_at and self._hook.running is None:
            document = {"event": "not_armed", "armed": armed, "conditions": document["conditions"]}
            self._hook.start(document, partial(self._ended, armed=armed))

    def _ended(self, *, armed: bool) -> None:
        """The program was told, if it did not fail."""
        if self._hook.failed:
            self._told = None  # nobody knows how far it came: the end is told in any case
            self._again_at = self._clock.at() + self._pause_s
            self._pause_s = min(2 * self._pause_s, AGAIN_MOST_S)
            return
        self._told, self._since_at, self._pause_s = armed, None, AGAIN_S
        self._store.step(NoteKept(NOTE, "" if armed else "yes"))
