"""What must be on a disk after its power was cut, and what is: a receiver that remembers what it said, and a reader of the database.

Knows the promise of the store (a group of routine fixes may be gone, nothing else) and no way to cut power. It never opens the database in
place: SQLite would tidy up what the daemon is to find as it was left.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from hardware.feeder import FakePort
from hardware.framing import checksum

GROUP_S, GROUP_ROWS = 5.0, 30
_SPEED_MPS = 30.0  # so that every epoch is more than a metre from the one before, and is recorded
_LATITUDE, _LONGITUDE = -33.9, 18.4


class LostError(AssertionError):
    """Something is gone that had to be there."""


class Runner:
    """A receiver that moves on and remembers what it said. said: UTC s since 1970 of every epoch, to the millisecond.

    pace_s: between two epochs. silent: says nothing for now; a line that nobody reads would keep old epochs.
    """

    def __init__(self, path: Path, *, pace_s: float = 0.05, silent: bool = False) -> None:
        self.said: list[float] = []
        self.silent = silent
        self.pace_s = pace_s
        self._port = FakePort(path)
        self._began_at = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._port.close()

    def between(self, since: float, until: float) -> list[float]:
        """Epochs said in this span of UTC s."""
        return [wall for wall in self.said if since <= wall <= until]

    async def _run(self) -> None:
        while True:
            wall = math.floor(time.time() / self.pace_s) * self.pace_s
            if not self.silent and (not self.said or wall > self.said[-1] + self.pace_s / 2):
                data = self._epoch(wall)
                # A line that is full takes a part of it or nothing: that epoch was not said.
                if self._port.write(data) == len(data):
                    self.said.append(round(wall, 3))
            await asyncio.sleep(self.pace_s - time.time() % self.pace_s)

    def _epoch(self, wall: float) -> bytes:
        told = datetime.fromtimestamp(round(wall, 3), UTC)
        clock = f"{told:%H%M%S}.{told.microsecond // 10_000:02d}"
        gone_deg = (time.monotonic() - self._began_at) % 3600 * _SPEED_MPS / 111_320 / math.cos(math.radians(_LATITUDE))
        place = f"{_minutes(_LATITUDE, 2)},S,{_minutes(_LONGITUDE + gone_deg, 3)},E"
        lines = (
            f"GPRMC,{clock},A,{place},{_SPEED_MPS / 0.514444:.1f},90.0,{told:%d%m%y},,,A",
            f"GPGGA,{clock},{place},1,09,0.9,42.0,M,30.9,M,,",
        )
        return b"".join(b"$%s*%02X\r\n" % (line.encode(), checksum(line.encode())) for line in lines)


def _minutes(degrees: float, width: int) -> str:
    whole, rest = divmod(abs(degrees), 1)
    return f"{int(whole):0{width}d}{rest * 60:08.5f}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What a database holds. integrity: SQLite's verdict. callouts: id to whether it is closed.

    fixes: UTC s by the receiver to UTC s of arrival. Epochs that a busy daemon reads at once arrive at one moment: the first is kept.
    """

    integrity: str
    presses: frozenset[int]
    fixes: dict[float, float]
    callouts: dict[int, bool]

    def has(self, wall: float, pace_s: float) -> bool:
        """Whether it holds this epoch, or the one that arrived with it."""
        # Arrivals are told from the quickest, of which is known only that it takes less than the pace.
        return any(told <= wall < arrived + 0.9 * pace_s for told, arrived in self.fixes.items())


def read_kept(database: Path, scratch: Path) -> Kept:
    """Read a copy, as the daemon would find it: with its -wal, without an -shm."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for side in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(f"{database}{side}", scratch / f"{database.name}{side}")
    with contextlib.closing(sqlite3.connect(scratch / database.name)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            return Kept(integrity, frozenset(), {}, {})
        presses = connection.execute("SELECT number FROM presses").fetchall()
        fixes = connection.execute("SELECT boot, at_s, gnss_utc FROM fixes WHERE gnss_utc IS NOT NULL").fetchall()
        callouts = connection.execute("SELECT id, closed_utc IS NOT NULL FROM callouts").fetchall()
    return Kept(
        integrity,
        frozenset(number for (number,) in presses),
        _date([(boot, at, round(datetime.fromisoformat(text).timestamp(), 3)) for boot, at, text in fixes]),
        {each: bool(closed) for each, closed in callouts},
    )


def _date(fixes: list[tuple[int, float, float]]) -> dict[float, float]:
    """Boot, monotonic s of arrival, UTC s by the receiver -> UTC s of both. The quickest to arrive shows how a boot's clock runs."""
    began = {boot: max(told - at for each, at, told in fixes if each == boot) for boot in {boot for boot, _, _ in fixes}}
    return {told: began[boot] + at for boot, at, told in fixes}


@dataclass(frozen=True, slots=True)
class Owed:
    """What was known outside when the power was cut.

    presses: numbers of those that were acknowledged and stored. routine: epochs said since recording began, until the press or the cut.
    synced: a press was stored, and with it what was recorded before it. before: what the disk held after the cut before this one.
    under_way_s: what was said last may be in the line, before the gate, or in the commit that the cut broke off. pace_s: between epochs.
    """

    presses: frozenset[int]
    routine: Sequence[float]
    synced: bool
    before: Kept | None
    under_way_s: float
    pace_s: float


def missing(owed: Owed, kept: Kept) -> list[float]:
    """Epochs that were recorded and are not on the disk."""
    return [wall for wall in owed.routine if not kept.has(wall, owed.pace_s)]


def judge(owed: Owed, kept: Kept) -> None:
    """Raise LostError unless everything that had to be there is."""
    _hold(kept.integrity == "ok", f"the database is damaged: {kept.integrity}")
    _hold(owed.presses <= kept.presses, f"presses {sorted(owed.presses - kept.presses)} were stored and are gone")
    if owed.before is not None:
        _hold(owed.before.presses <= kept.presses, "presses are gone that had outlived a cut")
        _hold(owed.before.fixes.keys() <= kept.fixes.keys(), "fixes are gone that had outlived a cut")
    gone = missing(owed, kept)
    if not gone:
        return
    began = owed.routine[0]
    where = f"{len(gone)} of {len(owed.routine)} epochs, {[round(wall - began, 2) for wall in gone]} s after the first"
    _hold(list(owed.routine[-len(gone) :]) == gone, f"a hole in the track: {where}")
    told = f"{len(gone)} routine fixes of the last {owed.routine[-1] - gone[0]:.2f} s are gone"
    settled = [wall for wall in gone if wall < owed.routine[-1] - owed.under_way_s]
    _hold(not (settled and owed.synced), f"{told}, and a press was stored after them")
    _hold(len(settled) <= GROUP_ROWS, told)
    _hold(owed.routine[-1] - gone[0] <= GROUP_S + owed.under_way_s, told)


def judge_callouts(kept: Kept, at_dispatch: Sequence[dict[str, object]]) -> None:
    """Raise LostError unless every callout on the disk is one of dispatch's, and closed there if it is closed here."""
    seen = {each["id"]: each["closed"] for each in at_dispatch}
    for callout_id, closed in kept.callouts.items():
        _hold(callout_id in seen, f"callout {callout_id} is not known at dispatch")
        _hold(not closed or bool(seen[callout_id]), f"callout {callout_id} is open at dispatch")
    still_open = [each for each, closed in kept.callouts.items() if not closed]
    _hold(len(still_open) <= 1, f"several open callouts: {still_open}")


def _hold(holds: bool, words: str) -> None:  # noqa: FBT001 - an assertion
    if not holds:
        raise LostError(words)
