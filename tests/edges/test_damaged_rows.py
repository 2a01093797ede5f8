"""One value that cannot be read must not hide the emergency behind it, at this start or at any later one."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from agent import dbfile
from agent.kept import CalloutKept, CalloutRecord, PressMade, Remembered
from agent.model import Fix, Press
from agent.store import Store

WALL = 1_790_000_000.0


async def begin(path: Path) -> None:
    """An emergency: an owed press, an open callout, a fix."""
    store = Store(path, boot_id="A")
    await store.open()
    store.record(Fix(100.0, WALL, "gpsd", -33.9, 18.4))
    record = CalloutRecord(7, "https://x", 1, "active", calm=False, origin="cli", drill=False, raised_wall=WALL, press_number=1)
    await store.step(PressMade(Press(1, 101.0, WALL, "cli")), CalloutKept(record))
    await store.aclose()


async def recall(path: Path, boot_id: str) -> Remembered:
    store = Store(path, boot_id=boot_id)
    try:
        async with asyncio.timeout(5):
            return await store.open()
    finally:
        await store.aclose()


@pytest.mark.parametrize("boot_id", ["A", "B"])
@pytest.mark.parametrize("damage", ["quality = 'garbage'", "wall_utc = 'garbage'"])
def test_damaged_newest_fix_hides_no_emergency(tmp_path: Path, damage: str, boot_id: str):
    path = tmp_path / "agent.db"
    asyncio.run(begin(path))
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE fixes SET {damage}")  # noqa: S608 - a literal of this module
    connection.commit()
    connection.close()
    remembered = asyncio.run(recall(path, boot_id))
    assert [press.number for press in remembered.owed] == [1]
    assert remembered.callout is not None
    assert remembered.callout.id == 7


def test_damaged_press_keeps_no_old_fix_from_going(tmp_path: Path):
    path = tmp_path / "agent.db"
    asyncio.run(begin(path))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE presses SET wall_utc = 'garbage', state = 'settled'")
    connection.execute("UPDATE callouts SET phase = 'standby', closed_utc = raised_utc")
    connection.commit()
    connection.close()

    async def story() -> None:
        store = Store(path, boot_id="B")
        await store.open()
        await store.step()
        for n in range(3):
            store.record(Fix(10.0 + n, WALL + 90 * 86_400 + n, "gpsd", -33.9, 18.4))
        await store.step()
        assert await store.prune(wall=WALL + 90 * 86_400 + 10, keep_days=30) == 1
        await store.aclose()

    asyncio.run(story())


def test_what_no_opening_foresees_leaves_the_emergency_that_the_tiny_file_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "agent.db"
    asyncio.run(begin(path))

    def defect(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(dbfile, "open_file", defect)
    remembered = asyncio.run(recall(path, "A"))
    assert [press.number for press in remembered.owed] == [1]
    assert remembered.callout is not None
