"""Migrations: every earlier schema comes up to date with every row, all of a migration or nothing of it."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from agent import dbfile, schema
from agent.kept import CalloutKept, CalloutRecord, EventKept, NoteKept, PressMade
from agent.model import Fix, Press
from agent.store import Pace, Store, peek

WALL = 1_780_000_000.0
SCHEMAS = Path(__file__).parent / "schemas"
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


def written_by(version: int, path: Path) -> None:
    """A database as the code of that version wrote it, with rows in every table."""
    connection = sqlite3.connect(path)
    connection.executescript((SCHEMAS / f"version-{version}.sql").read_text(encoding="utf-8"))
    connection.close()


def test_every_earlier_version_left_a_database_to_be_tried() -> None:
    """Whoever appends a migration leaves `schemas/version-N.sql` of the version before it: a `.dump` of a file with rows everywhere."""
    for version in range(1, len(schema.MIGRATIONS)):
        dump = (SCHEMAS / f"version-{version}.sql").read_text(encoding="utf-8")
        assert f"PRAGMA user_version={version};" in dump
        connection = sqlite3.connect(":memory:")
        connection.executescript(dump)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert all(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in tables), "a table is empty"  # noqa: S608
        connection.close()


@pytest.mark.parametrize("version", range(len(schema.MIGRATIONS)))
def test_every_earlier_schema_comes_up_to_date(connection: sqlite3.Connection, version: int) -> None:
    """From each version, the empty file included, the same tables as a new file has."""
    schema.migrate(connection, schema.MIGRATIONS[:version])
    schema.migrate(connection)
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(fresh)
    names = "SELECT type, name, sql FROM sqlite_master ORDER BY name"
    assert connection.execute(names).fetchall() == fresh.execute(names).fetchall()
    assert schema.read_version(connection) == len(schema.MIGRATIONS)
    fresh.close()


def without_ids(rows: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    """The rows in capture order, without the numbers that a version gives them."""
    fixes = sorted(
        ({k: v for k, v in row.items() if k != "id"} for row in rows["fixes"]), key=lambda f: (f["boot"], f["at_s"], f["receiver"])
    )
    state = {row["name"]: row for row in rows["state"] if row["name"] != "counted"}
    return {**rows, "fixes": fixes, "state": [state[name] for name in sorted(state)]}


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS)))
def test_what_an_earlier_version_wrote_is_all_there(tmp_path: Path, version: int) -> None:
    """Every row with every value, in capture order, and the store goes on with it: the press owed, the callout, what is to be told."""
    path = tmp_path / "a.db"
    written_by(version, path)
    before = read_all(path)

    async def run() -> None:
        boot_id = str(before["boots"][-1]["boot_id"])
        store = Store(path, boot_id=boot_id, machine_id="a" * 32, pace=NEVER, wall=lambda: WALL + 100)
        remembered = await store.open()
        assert store.summary().trouble is None
        assert store.summary().fixes == len(before["fixes"])
        owed = [row for row in before["presses"] if row["state"] == "owed"]
        assert [(p.number, p.at) for p in remembered.owed] == [(row["number"], row["at_s"]) for row in owed]
        assert [e.text for e in remembered.untold] == [row["text"] for row in before["events"] if not row["told"]]
        untold = [row for row in before["fixes"] if row["episode"] and not (row["sent_utc"] or row["told_utc"])]
        assert [fix.longitude for fix in (await store.missed(1e9, 100)).fixes] == [row["longitude_deg"] for row in untold]
        press = before["presses"][0]
        minute = [r for r in before["fixes"] if r["boot"] == press["boot"] and press["at_s"] - 60 <= r["at_s"] <= press["at_s"]]
        assert len(await store.before_press(press["number"], 60.0)) == len(minute) > 0
        await store.aclose()

    asyncio.run(run())
    after = read_all(path)
    assert without_ids(after) == without_ids(before)
    ids = [(row["boot"], row["at_s"], row["receiver"]) for row in sorted(after["fixes"], key=lambda row: row["id"])]
    assert ids == sorted(ids)


@pytest.mark.parametrize("moment", [5, 6, 9])
def test_power_lost_in_a_migration_leaves_the_earlier_version_whole(tmp_path: Path, moment: int) -> None:
    """The process is killed at a statement of the migration: the next start finds the old database and migrates it."""
    path = tmp_path / "a.db"
    written_by(1, path)
    before = read_all(path)
    script = (
        "import os, sqlite3, sys; from agent import schema\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('PRAGMA journal_mode = WAL'); left = int(sys.argv[2])\n"
        "c.execute('PRAGMA cache_spill = 1'); c.execute('PRAGMA cache_size = 1')\n"
        "def trace(statement):\n"
        "    global left; left -= 1\n"
        "    if left == 0: os.kill(os.getpid(), 9)\n"
        "c.set_trace_callback(trace); schema.migrate(c)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path), str(moment)], check=False)
    assert killed.returncode == -signal.SIGKILL
    connection = sqlite3.connect(path, isolation_level=None)
    assert schema.read_version(connection) == 1
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert read_all(path) == before
    connection = sqlite3.connect(path, isolation_level=None)
    schema.migrate(connection)
    connection.close()
    assert without_ids(read_all(path)) == without_ids(before)


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS)))
def test_without_room_for_it_a_migration_is_not_tried_and_the_emergency_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """It would be tried at every step, wear the card, and keep the store busy."""
    path = tmp_path / "a.db"
    written_by(version, path)
    before = read_all(path)

    class Full:
        free = 100

    async def run() -> None:
        store = Store(path, boot_id=str(before["boots"][-1]["boot_id"]), machine_id="a" * 32, pace=NEVER, wall=lambda: WALL + 100)
        with monkeypatch.context() as patch:
            patch.setattr(dbfile.shutil, "disk_usage", lambda _: Full)
            patch.setattr(dbfile, "migrate", lambda _: pytest.fail("tried in vain"))
            remembered = await store.open()
            assert [press.number for press in remembered.owed] == [row["number"] for row in before["presses"] if row["state"] == "owed"]
            trouble = store.summary().trouble
            assert trouble is not None
            assert trouble.code == "store.full"
        await store.step()
        assert store.summary().trouble is None
        await store.aclose()

    asyncio.run(run())
    assert without_ids(read_all(path)) == without_ids(before)


def test_rows_that_crowd_a_moment_keep_their_order_and_all_of_them(connection: sqlite3.Connection) -> None:
    """More fixes in one ms than it has places: an old file of which nobody knows how it came about."""
    schema.migrate(connection, schema.MIGRATIONS[:1])
    connection.execute("INSERT INTO boots VALUES (1, 'one'), (2, 'two')")
    rows = [(boot, at, f"r{n:03}") for boot in (1, 2) for at in (-5.0, 7.0, 7.0001, 1e12, 2e12) for n in range(150)]
    connection.executemany("INSERT INTO fixes (boot, at_s, receiver) VALUES (?, ?, ?)", reversed(rows))
    schema.migrate(connection)
    assert connection.execute("SELECT boot, at_s, receiver FROM fixes ORDER BY id").fetchall() == rows


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


def test_a_new_file_has_small_pages_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    """What every commit writes is whole pages; the size allowed is the same for both."""
    old = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    schema.migrate(old, schema.MIGRATIONS[:1])
    old.close()
    for name, page_bytes in (("new.db", 1024), ("old.db", 4096)):
        file = dbfile.open_file(tmp_path / name, 256)
        assert file.connection.execute("PRAGMA page_size").fetchone() == (page_bytes,)
        assert file.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert file.connection.execute("PRAGMA max_page_count").fetchone() == (256 * 2**20 // page_bytes,)
        file.close()


def test_every_column_is_documented(connection: sqlite3.Connection) -> None:
    """docs/STORE.md has a section for each table and view, with just its columns."""
    schema.migrate(connection)
    text = (Path(__file__).parents[2] / "docs" / "STORE.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL))
    told = {
        name: sorted(column for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for column in re.findall(r"`(\w+)`", cell))
        for name, section in sections.items()
    }
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    assert told == {name: sorted(row[1] for row in connection.execute(f"PRAGMA table_info({name})")) for name in names}
