"""What the disk is given behind a cancel is what standby gives it (law 5): its light and its counters can be seen, and when it is full."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.deeds import Covered, Sent, Taken
from agent.kept import CalloutKept, CalloutRecord, NoteKept, PressesSettled, PressMade
from agent.model import Fix, Press
from agent.store import Pace, Store
from agent.waiting import Waiting

WALL = 1_780_000_000.0
PROMPT = Pace(group_s=0.05, group_rows=10)
ACTIVE = CalloutRecord(7, "https://host", 5, "active", calm=False, origin="cli", drill=False, raised_wall=WALL)
CANCELLING = replace(ACTIVE, phase="cancelling", calm=True)


def fix_of(at: float) -> Fix:
    return Fix(at, WALL + at, "gpsd", -33.9, 18.4)


def written(path: Path) -> tuple[int, int]:
    """When the journal of the database was changed last, and how long it is."""
    about = path.with_name(f"{path.name}-wal").stat()
    return about.st_mtime_ns, about.st_size


def marked(path: Path) -> int:
    """How many fixes are marked as sent, for another process: two in one share what they know of an open file."""
    sql = "SELECT count(*) FROM fixes WHERE sent_utc IS NOT NULL"
    words = "import sqlite3, sys; print(sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True).execute(sys.argv[2]).fetchone()[0])"
    return int(subprocess.run([sys.executable, "-c", words, path, sql], check=True, capture_output=True).stdout)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another thread writes, and nothing rings
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("calm", [True, False])
def test_positions_that_dispatch_takes_behind_a_cancel_are_marked_with_the_next_fix_and_not_by_themselves(
    tmp_path: Path,
    calm: bool,  # noqa: FBT001 - drawn by name
) -> None:
    """Before a cancel they are soon on the disk. None is lost, whoever asks meanwhile knows them, and a clean end keeps them."""

    async def run() -> None:
        path = tmp_path / "a.db"
        store = Store(path, boot_id="boot-1", pace=PROMPT)
        await store.open()
        await store.step(PressMade(Press(1, 1.0, WALL, "button:panic")), PressesSettled(1, 7, WALL), CalloutKept(ACTIVE))
        for at in range(2, 32):
            store.record(fix_of(float(at)))
        await until(lambda: store.summary().fixes == 30)
        if calm:
            await store.step(CalloutKept(CANCELLING), NoteKept("calm", "true"))
        before = written(path)
        for at in range(2, 22):
            store.sent(fix_of(float(at)))
            store.covered(at - 1.0, float(at))
        if not calm:
            await until(lambda: written(path) != before and marked(path) == 20)
            await store.aclose()
            return
        await asyncio.sleep(10 * PROMPT.group_s)  # the story is that nothing happens
        assert written(path) == before
        assert marked(path) == 0
        store.record(fix_of(40.0))
        await until(lambda: store.summary().fixes == 31)
        assert marked(path) == 20, "with the fix, in one transaction"
        store.sent(fix_of(22.0))
        assert [fix.at for fix in (await store.missed(100.0, 100)).fixes] == [float(at) for at in (*range(23, 32), 40)]
        store.sent(fix_of(23.0))
        await store.aclose()
        assert marked(path) == 22

    asyncio.run(run())


def test_what_is_told_of_a_disk_that_takes_nothing_counts_fixes_and_no_marks() -> None:
    """Marks go first, so a hidden callout that makes many brings no fix, and no word of one, sooner to its end (law 5)."""
    standby, hidden = Waiting(100), Waiting(100)
    for at in range(90):
        for each, episode in ((standby, None), (hidden, "now")):
            each.add(Taken(fix_of(float(at)), episode))
        for _ in range(6):
            hidden.add(Sent(float(at), "gpsd", WALL), patient=True)
            hidden.add(Covered(at - 1.0, float(at), "now", WALL), patient=True)
    assert (standby.dropped, hidden.dropped) == (0, 0)
    assert sum(isinstance(deed, Taken) for deed in hidden.seen()) == 90
    for at in range(90, 120):
        for each, episode in ((standby, None), (hidden, "now")):
            each.add(Taken(fix_of(float(at)), episode))
    assert standby.dropped == hidden.dropped > 0
