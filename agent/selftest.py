"""The daily self-test: everything that can be looked at without raising is looked at, and what it came to is kept.

Decides when: in the night with the other jobs (`housekeeping`), else ten minutes after a start, else once a day by the monotonic clock, so
that a device which sleeps at night or never knows the time is tested, too. Nothing of it depends on whether a callout is on (law 5).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Final, Protocol

from agent.examinations import Examination, Examinations
from agent.health import Conditions
from agent.kept import NoteKept
from agent.model import Severity
from agent.ports import Clock, Store
from agent.proofs import SelfTested, read_self_test, write_self_test

log = logging.getLogger("callout-agent")

NOTE: Final = "self_test"
EVERY_S: Final = 25 * 3_600.0  # later than the night's
FRESH_S: Final = 20 * 3_600.0
SOON_S: Final = 600.0  # after a start that knows of none
OFTEN_S: Final = 600.0
SPREAD_S: Final = 1_800.0
FIRST_S: Final = 60.0
LOOK_S: Final = 10.0


class Rooms(Protocol):
    """Whom it is for."""

    conditions: Conditions

    @property
    def store(self) -> Store:
        """Where the last one is kept."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    def kept_note(self, name: str) -> str | None:
        """A small fact that the store knew at start."""


class SelfTest:
    """A comfort. examinations: what is looked at."""

    def __init__(self, rooms: Rooms, examinations: Examinations) -> None:
        self._rooms, self._examinations = rooms, examinations
        self._started_at = rooms.clock.at()
        self._last: SelfTested | None = None
        self._last_at: float | None = None
        self._alone = asyncio.Lock()

    @property
    def last(self) -> SelfTested | None:
        """What the last one came to, of whatever process."""
        return self._last or read_self_test(self._rooms.kept_note(NOTE))

    async def run(self) -> None:
        """Never returns: what costs nothing every few minutes, the whole when it is due."""
        self._rooms.conditions.drop("self_test.failed")
        examine = self._examinations
        await asyncio.sleep(FIRST_S)
        await self._look({**examine.often(), **examine.seldom()})
        often_at = self._rooms.clock.at() + OFTEN_S
        while True:
            await asyncio.sleep(LOOK_S)
            if self._rooms.clock.at() >= often_at:
                await self._look(examine.often())
                often_at = self._rooms.clock.at() + OFTEN_S
            if self.due():
                await self.test()

    async def nightly(self) -> None:
        """With the other jobs; not every device at one moment."""
        await asyncio.sleep(SPREAD_S * random.random())  # noqa: S311 - spreads a fleet, keeps no secret
        await self.test()

    def due(self) -> bool:
        """Whether no other one has come, or will."""
        at = self._rooms.clock.at()
        if self._last_at is not None:
            return at - self._last_at >= EVERY_S
        if at - self._started_at < SOON_S:
            return False
        known = self.last if self._rooms.clock.trusted() else None
        fresh = known is not None and 0 <= self._rooms.clock.wall() - known.wall < FRESH_S
        return not fresh or at - self._started_at >= EVERY_S

    async def test(self) -> None:
        """All of it, one at a time."""
        async with self._alone:
            examine = self._examinations
            examinations = {**examine.often(), **examine.seldom(), **examine.daily()}
            await self._look(examinations)
            looked_for = {code for codes in examinations for code in codes}
            failed = sorted(self._ills(looked_for))
            self._last, self._last_at = SelfTested(self._rooms.clock.wall(), tuple(failed)), self._rooms.clock.at()
            self._rooms.store.step(NoteKept(NOTE, write_self_test(self._last)))
            log.log(logging.WARNING if failed else logging.INFO, "self-test: %s", ", ".join(failed) or "all is well")

    async def _look(self, examinations: Mapping[tuple[str, ...], Examination]) -> None:
        conditions, clock = self._rooms.conditions, self._rooms.clock
        for codes, examine in examinations.items():
            found = await examine()
            if found is None:
                continue
            conditions.drop(*(code for code in codes if all(finding.code != code for finding in found)))
            for finding in found:
                conditions.put(finding.code, finding.severity, finding.text, finding.hint, wall=clock.wall())

    def _ills(self, looked_for: set[str]) -> list[str]:
        """What it found, and whatever else disarms or is not proven; of the device alone, as while calm, whatever is on."""
        return [
            each.code
            for each in self._rooms.conditions.shown(calm=True)
            if each.severity is Severity.CRITICAL
            or each.code.endswith(".unproven")
            or (each.code in looked_for and each.severity is not Severity.NOTE)
        ]
