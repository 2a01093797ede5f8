"""The -wal overwritten under the daemon, the database itself sound: what was in the database before is not lost with it (law 4)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from agent.kept import NoteKept
from agent.model import Fix
from agent.store import Pace, Store

WALL = 1_780_000_000.0
OLD = 200


def fix(at: float) -> Fix:
    return Fix(at, WALL + at, "gpsd", -33.9, 18.4)


def count(path: Path) -> int:
    """How many fixes a sound database holds."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found: int = database.execute("SELECT count(*) FROM fixes").fetchone()[0]
        return found


async def opened(path: Path) -> Store:
    store = Store(path, boot_id="boot-1", pace=Pace(group_s=3600, group_rows=10**6))
    await store.open()
    return store


@pytest.mark.parametrize("goes_on", [True, False])
def test_overwritten_journal_costs_what_was_in_it_and_nothing_else(tmp_path: Path, *, goes_on: bool):
    path = tmp_path / "a.db"

    async def story() -> None:
        store = await opened(path)
        for number in range(OLD):
            store.record(fix(1.0 + number))
        await store.aclose()
        store = await opened(path)
        store.record(fix(OLD + 1.0))
        await store.step(NoteKept("note", "in the journal"))
        journal = path.with_name("a.db-wal")
        journal.write_bytes(os.urandom(journal.stat().st_size))
        store.record(fix(OLD + 2.0))
        if goes_on:
            await store.step(NoteKept("note", "on the disk"))
            trouble = store.summary().trouble
            assert trouble is not None
            assert trouble.code == "store.lost_moved"
        await store.aclose()

    asyncio.run(story())
    (aside,) = [each for each in tmp_path.glob("a.db.aside-*") if not each.name.endswith(("-wal", "-shm"))]
    assert count(aside) == OLD
    assert count(path) == 1
