"""Migrations: every earlier schema comes up to date with every row, all of a migration or nothing of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from agent import dbfile, schema
from agent.kept import CalloutKept, CalloutRecord, EventKept, NoteKept, PressMade
from agent.model import Fix, Press
from agent.store import Pace, Store, peek

WALL = 1_780_000_000.0
NEVER = Pace(group_s=3600, group_rows=10**6)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "m.db", isolation_level=None)
    yield connection
    connection.close()


async def fill(path: Path) -> None:
    store = Store(path, boot_id="boot-1", pace=NEVER)
    await store.open()
    store.record(Fix(1.0, WALL + 1, "gpsd", 1.0, 2.0))
    record = CalloutRecord("0012", "https://host", 5, "active", calm=True, origin="cli", drill=False, raised_wall=WALL)
    event = EventKept("0012", "k", "hello", WALL, "device", told=False)
    await store.step(PressMade(Press(1, 2.0, WALL + 2, "cli")), CalloutKept(record), event, NoteKept("armed_proof", "x"))
    await store.aclose()


def read_all(path: Path) -> dict[str, list[dict[str, object]]]:
    db = Database(path)
    try:
        return {name: list(db.table(name).rows) for name in db.table_names()}
    finally:
        db.close()


def add_satellites(db: Database) -> None:
    """A step as a later version might append it."""
    db.table("fixes").add_column("satellites", int)
    db.table("notes").transform(rename={"value": "words"})


def break_half_way(db: Database) -> None:
    """A step that fails after it has changed something."""
    db.table("fixes").add_column("half", int)
    raise RuntimeError("power")


@pytest.mark.parametrize("version", range(len(schema.MIGRATIONS) + 1))
def test_every_earlier_schema_comes_up_to_date(connection: sqlite3.Connection, version: int) -> None:
    """From each version that was ever released, the empty file included, to the present one."""
    schema.migrate(connection, schema.MIGRATIONS[:version])
    schema.migrate(connection)
    assert schema.read_version(connection) == len(schema.MIGRATIONS)
    assert {"fixes", "presses", "callouts", "events", "notes"} <= set(Database(connection).table_names())


def test_a_migration_keeps_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of today, opened by a version with one more step, holds what it held."""
    path = tmp_path / "a.db"
    asyncio.run(fill(path))
    before = read_all(path)
    steps = (*schema.MIGRATIONS, add_satellites)
    file = sqlite3.connect(path, isolation_level=None)
    schema.migrate(file, steps)
    schema.migrate(file, steps)  # the second time there is nothing to do
    assert schema.read_version(file) == len(steps)
    file.close()
    after = read_all(path)
    for row in after["fixes"]:
        assert row.pop("satellites") is None
    after["notes"] = [{"name": row["name"], "value": row["words"]} for row in after["notes"]]
    assert after == before
    assert all(before[name] for name in ("fixes", "presses", "callouts", "events", "notes", "boots"))


def test_a_migration_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    """Half of a step is rolled back with the version."""
    schema.migrate(connection)
    with pytest.raises(RuntimeError):
        schema.migrate(connection, (*schema.MIGRATIONS, add_satellites, break_half_way))
    assert schema.read_version(connection) == len(schema.MIGRATIONS)
    columns = {column.name for column in Database(connection).table("fixes").columns}
    assert not columns & {"satellites", "half"}


def test_a_database_of_a_newer_version_is_kept_aside_and_its_emergency_goes_on(tmp_path: Path) -> None:
    """After a downgrade: not a byte of the newer file changes, and the owed press and the callout are taken over."""
    path = tmp_path / "a.db"
    asyncio.run(fill(path))
    newer = sqlite3.connect(path, isolation_level=None)
    schema.migrate(newer, (*schema.MIGRATIONS, lambda db: db.table("fixes").add_column("satellites", int)))
    newer.close()
    (tmp_path / "a.db.identity").unlink()
    before = read_all(path)

    async def run() -> None:
        store = Store(path, boot_id="boot-2", pace=NEVER)
        remembered = await store.open()
        assert store.summary().trouble.code == "store.newer_moved"
        assert remembered.callout.id == "0012"
        assert [p.number for p in remembered.owed] == [1]
        await store.step()
        await store.aclose()

    asyncio.run(run())
    (aside,) = tmp_path.glob("a.db.aside-*-newer")
    assert read_all(aside) == before
    assert [p.number for p in peek(path)[1].owed] == [1]


def test_the_tables_lie_in_a_file_that_shrinks(tmp_path: Path) -> None:
    """auto_vacuum must be set before the first table is made; WAL stays with the file."""
    file = dbfile.open_file(tmp_path / "a.db", 256)
    assert file.connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert file.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert file.connection.execute("PRAGMA max_page_count").fetchone() == (65536,)
    file.close()
