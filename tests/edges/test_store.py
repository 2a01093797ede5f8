"""The store on a healthy disk: what is kept, when it is committed, what comes back, what retention may take."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import identity
from agent.columns import first_id, write_utc
from agent.identity import Identity
from agent.kept import CalloutKept, CalloutRecord, EventKept, NoteKept, PressesSettled, PressMade, Remembered
from agent.model import Fix, Press
from agent.retention import Limits
from agent.store import Pace, Store, peek

WALL = 1_780_000_000.0
# So slow that nothing is committed unless a test asks for it.
NEVER = Pace(group_s=3600, group_rows=10**6)
ACTIVE = CalloutRecord(7, "https://host", 5, "active", calm=False, origin="cli", drill=False, raised_wall=WALL)


def make_fix(at: float, wall: float | None = None, **more: Any) -> Fix:
    return Fix(at, WALL + at if wall is None else wall, "gpsd", -33.9, 18.4, **more)


def make_press(number: int, at: float, **more: Any) -> PressMade:
    return PressMade(Press(number, at, WALL + at, "button:panic", **more))


@asynccontextmanager
async def opened(path: Path, **how: Any) -> AsyncIterator[tuple[Store, Remembered]]:
    store = Store(path, **{"boot_id": "boot-1", "pace": NEVER, **how})
    remembered = await store.open()
    try:
        yield store, remembered
    finally:
        await store.aclose()


async def wait_for(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 - the store offers no event for this, and a deadline bounds it
            await asyncio.sleep(0.005)


def read_rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What another process would see now."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_a_full_group_is_committed_without_a_step(tmp_path: Path) -> None:
    """Thirty rows do not wait for the clock."""

    async def run() -> None:
        async with opened(tmp_path / "a.db", pace=Pace(group_s=3600, group_rows=30)) as (store, _):
            for n in range(29):
                store.record(make_fix(n + 1.0))
            await store.has_press(0)  # a call commits what waits
            assert store.summary().fixes == 29
            for n in range(30):
                store.record(make_fix(n + 100.0))
            await wait_for(lambda: store.summary().fixes == 59)

    asyncio.run(run())


def test_what_is_written_before_the_store_has_opened_takes_back_nothing_that_it_knows(tmp_path: Path) -> None:
    """Law 5: a device that was cancelled stays calm, though its disk hung at the start and a button was read meanwhile."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(make_press(1, 1.0), PressesSettled(1, 7, WALL), NoteKept("calm", "true"))
        store = Store(tmp_path / "a.db", boot_id="boot-1", pace=NEVER)
        early = store.step(NoteKept("level:panic", "inactive"))
        await store.open()
        await early
        await store.aclose()
        told = identity.load(tmp_path / "a.db.identity")
        assert told is not None
        assert (told.calm, told.settled, told.press_number) == (True, 1, 1)
        async with opened(tmp_path / "a.db") as (_, remembered):
            assert dict(remembered.notes) == {"calm": "true", "level:panic": "inactive"}

    asyncio.run(run())


def test_a_lone_fix_is_committed_when_its_time_is_up(tmp_path: Path) -> None:
    """A group that never fills is committed by the clock."""

    async def run() -> None:
        async with opened(tmp_path / "a.db", pace=Pace(group_s=0.05)) as (store, _):
            store.record(make_fix(1.0))
            await wait_for(lambda: read_rows(tmp_path / "a.db", "SELECT count(*) FROM fixes") == [(1,)])

    asyncio.run(run())


def test_a_step_takes_every_waiting_fix_along_in_one_transaction(tmp_path: Path) -> None:
    """Another process sees the press with the fixes before it, or neither."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            for n in range(5):
                store.record(make_fix(n + 1.0))
            await store.step(make_press(1, 6.0))
            rows = read_rows(tmp_path / "a.db", "SELECT (SELECT count(*) FROM fixes), (SELECT count(*) FROM presses)")
            assert rows == [(5, 1)]

    asyncio.run(run())


def test_a_step_that_nobody_awaits_is_done_all_the_same(tmp_path: Path) -> None:
    """Giving up waiting, as the daemon does after half a second, undoes nothing."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            store.step(make_press(1, 1.0)).cancel()  # type: ignore[attr-defined] # a future it is
            await wait_for(lambda: store.summary().bytes > 0 and peek(tmp_path / "a.db")[1].press_number == 1)

    asyncio.run(run())


def test_what_is_stepped_before_the_store_is_open_is_kept(tmp_path: Path) -> None:
    """A button held at boot does not wait for the disk to be opened."""

    async def run() -> None:
        store = Store(tmp_path / "a.db", boot_id="boot-1", pace=NEVER)
        store.record(make_fix(1.0))
        stepped = store.step(make_press(1, 2.0))
        remembered = await store.open()
        await stepped
        assert remembered.press_number == 0
        assert len(await store.fixes(0, WALL * 2)) == 1
        await store.aclose()
        assert [p.number for p in peek(tmp_path / "a.db")[1].owed] == [1]

    asyncio.run(run())


def test_what_was_told_is_never_untold(tmp_path: Path) -> None:
    """A late retry of the first write does not bring a message back that dispatch has."""

    async def run() -> None:
        event = EventKept("7", "k", "hello", WALL, "device", told=False)
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(event, replace(event, callout_id=7))
            await store.step(replace(event, told=True))
            await store.step(event)
        async with opened(tmp_path / "a.db") as (_, remembered):
            assert remembered.untold == (replace(event, callout_id=7),)

    asyncio.run(run())


def test_a_number_given_twice_loses_neither_press(tmp_path: Path) -> None:
    """A press numbered while the store was out of reach does not vanish behind an older one of the same number."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(make_press(1, 1.0), PressesSettled(1, 7, WALL))
        async with opened(tmp_path / "a.db", boot_id="boot-2") as (store, _):
            await store.step(make_press(1, 50.0))
        rows = read_rows(tmp_path / "a.db", "SELECT number, at_s, state FROM presses ORDER BY number")
        assert rows == [(-1, 1.0, "settled"), (1, 50.0, "owed")]

    asyncio.run(run())


def test_a_press_of_an_earlier_boot_lies_before_anything_of_this_one(tmp_path: Path) -> None:
    """Monotonic time starts again at every boot: an owed press must not look as if it were still to come."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            store.record(make_fix(1e6))
            await store.step(make_press(1, 1e6))
        async with opened(tmp_path / "a.db", boot_id="boot-2") as (store, remembered):
            assert remembered.owed[0].at <= 0
            assert remembered.last_fix is not None
            assert remembered.last_fix.at <= 0
            assert remembered.owed[0].wall == WALL + 1e6
            await store.step()
        async with opened(tmp_path / "a.db", boot_id="boot-3") as (_, remembered):
            assert [p.number for p in remembered.owed] == [1]

    asyncio.run(run())


def test_rows_of_an_untrusted_clock_are_restamped(tmp_path: Path) -> None:
    """Law 9: what was recorded before the clock was right gets its true time, on disk and still waiting."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            store.record(make_fix(10.0, wall=10.0, wall_trusted=False))
            await store.step(PressMade(Press(1, 11.0, 11.0, "cli", wall_trusted=False)))
            store.record(make_fix(12.0, wall=12.0, wall_trusted=False))
            store.record(make_fix(13.0, wall=WALL))
            store.restamp(14.0, WALL + 14.0)
            fixes = await store.fixes(0, WALL * 2)
            assert [(f.wall, f.wall_trusted) for f in fixes] == [(WALL + 10, True), (WALL + 12, True), (WALL, True)]
        assert peek(tmp_path / "a.db")[1].owed[0].wall == WALL + 11
        assert identity.load(tmp_path / "a.db.identity").owed.wall == WALL + 11

    asyncio.run(run())


def test_people_can_read_the_columns(tmp_path: Path) -> None:
    """Times are ISO text that sorts and that SQLite understands; ids keep their type; a press says its state in a word."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            fix = make_fix(1.25)
            store.record(fix)
            store.sent(fix)
            await store.step(make_press(1, 2.0), CalloutKept(replace(ACTIVE, id="0012")), PressesSettled(1, "0012", WALL + 3))
            rows = read_rows(tmp_path / "a.db", "SELECT wall_utc, strftime('%s', wall_utc), sent_utc IS NULL FROM fixes")
            assert rows == [("2026-05-28T20:26:41.250Z", "1780000001", 0)]
            assert read_rows(tmp_path / "a.db", "SELECT state, callout_id, typeof(callout_id) FROM presses") == [
                ("settled", "0012", "text")
            ]

    asyncio.run(run())


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    """Law 11: positions stay out of files that others can read, the -wal included, whatever the umask."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(make_press(1, 1.0))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
            assert modes.keys() >= {"a.db", "a.db-wal", "a.db.identity"}
            assert set(modes.values()) == {0o600}

    before = os.umask(0)
    try:
        asyncio.run(run())
    finally:
        os.umask(before)


def test_a_press_is_known_by_its_time_of_this_boot(tmp_path: Path) -> None:
    """A spooled press that had reached the disk before a crash is not pressed again."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(make_press(1, 1.5), PressesSettled(1, 7, WALL))
            assert await store.has_press(1.5)
            assert not await store.has_press(2.5)
        async with opened(tmp_path / "a.db", boot_id="boot-2") as (store, _):
            assert not await store.has_press(1.5)

    asyncio.run(run())


def test_long_spans_are_read_in_pages_without_loss(tmp_path: Path) -> None:
    """More rows than a page, some still waiting: each once, in order."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            fixes = [make_fix(1.0 + n / 8) for n in range(4500)]
            for fix in fixes:
                store.record(fix)
            assert await store.fixes(0, WALL * 2) == fixes
            assert await store.fixes(WALL + 2, WALL + 3) == [f for f in fixes if WALL + 2 <= f.wall <= WALL + 3]

    asyncio.run(run())


# The tiny file


def test_the_tiny_file_follows_every_step(tmp_path: Path) -> None:
    """State, id, calm and press number lie beside the database as soon as a step has ended."""

    async def run() -> None:
        path = tmp_path / "a.db.identity"
        async with opened(tmp_path / "a.db", machine_id="a" * 32) as (store, _):
            await store.step(make_press(3, 1.0))
            assert (identity.load(path).phase, identity.load(path).press_number) == ("raising", 3)
            await store.step(PressesSettled(3, 7, WALL + 2), CalloutKept(replace(ACTIVE, phase="cancelling", calm=True)))
            kept = identity.load(path)
            assert (kept.phase, kept.calm, kept.callout.id, kept.machine_id) == ("cancelling", True, 7, "a" * 32)
            await store.step(CalloutKept(replace(ACTIVE, phase="standby", calm=True, closed_wall=WALL + 9)))
            assert (identity.load(path).phase, identity.load(path).calm) == ("standby", True)

    asyncio.run(run())


def test_a_lost_database_does_not_end_an_emergency(tmp_path: Path) -> None:
    """With only the tiny file left the callout goes on, the owed press stays owed, and both are in the new database."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(make_press(4, 1.0), PressesSettled(4, 7, WALL + 2), CalloutKept(ACTIVE), make_press(5, 3.0))
        for path in tmp_path.glob("a.db*"):
            if not path.name.endswith(".identity"):
                path.unlink()
        async with opened(tmp_path / "a.db", boot_id="boot-2") as (store, remembered):
            assert remembered.callout == ACTIVE
            assert [(p.number, p.at <= 0) for p in remembered.owed] == [(5, True)]
            await store.step()
        (tmp_path / "a.db.identity").unlink()
        remembered = peek(tmp_path / "a.db")[1]
        assert (remembered.callout, remembered.press_number, len(remembered.owed)) == (ACTIVE, 5, 1)

    asyncio.run(run())


def test_a_damaged_tiny_file_is_kept_aside(tmp_path: Path) -> None:
    """It neither breaks the start nor is it overwritten."""

    async def run() -> None:
        (tmp_path / "a.db.identity").write_text("{half")
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(make_press(1, 1.0))
            assert store.summary().trouble.code == "store.identity_corrupt"
            assert [p.read_text() for p in tmp_path.glob("a.db.identity.aside-*")] == ["{half"]
            assert identity.load(tmp_path / "a.db.identity").press_number == 1

    asyncio.run(run())


@pytest.mark.parametrize("lost", ["", "a.db", "a.db.identity"])
def test_a_cloned_card_speaks_of_nothing(tmp_path: Path, lost: str) -> None:
    """A store of another machine is moved aside and kept: its press and its callout are not ours. One file suffices to tell."""

    async def run() -> None:
        async with opened(tmp_path / "a.db", machine_id="a" * 32) as (store, _):
            await store.step(make_press(1, 1.0), CalloutKept(ACTIVE))
        if lost:
            (tmp_path / lost).unlink()
        async with opened(tmp_path / "a.db", machine_id="b" * 32) as (store, remembered):
            assert (remembered.owed, remembered.callout, remembered.press_number) == ((), None, 0)
            assert store.summary().trouble is not None
            await store.step(make_press(1, 1.0))
            assert store.summary().mode == "disk"
        asides = [p for p in tmp_path.glob("*aside*other_machine*") if ".identity" not in p.name]
        assert len(asides) == (lost != "a.db")
        if asides:
            assert [p.number for p in peek(asides[0])[1].owed] == [1]
        async with opened(tmp_path / "a.db", machine_id="b" * 32) as (_, remembered):
            assert remembered.press_number == 1

    asyncio.run(run())


def test_a_machine_without_a_lasting_id_keeps_its_store(tmp_path: Path) -> None:
    """None is nobody's id: it matches any store, and the next known id names the store."""

    async def run() -> None:
        for machine_id in (None, "a" * 32, None, "a" * 32):
            async with opened(tmp_path / "a.db", machine_id=machine_id) as (store, remembered):
                await store.step(make_press(remembered.press_number + 1, 1.0 + remembered.press_number))
        assert peek(tmp_path / "a.db")[1].press_number == 4
        async with opened(tmp_path / "a.db", machine_id="b" * 32) as (_, remembered):
            assert remembered.press_number == 0

    asyncio.run(run())


# Retention


def fill(path: Path, fixes: list[tuple[float, float, int]], episode: str | None = None) -> None:
    """Rows straight into the table: (at, wall, trusted), because a hundred thousand through the front door take their time."""
    connection = sqlite3.connect(path)
    connection.execute("INSERT OR IGNORE INTO boots (number, boot_id) VALUES (1, 'boot-1')")
    rows = [(first_id(1, at), at, write_utc(wall), trusted, episode) for at, wall, trusted in fixes]
    connection.executemany(
        "INSERT INTO fixes (id, boot, at_s, wall_utc, wall_trusted, receiver, latitude_deg, longitude_deg, segment, quality, episode)"
        " VALUES (?, 1, ?, ?, ?, 'gpsd', 1, 2, 0, 'live', ?)",
        rows,
    )
    connection.commit()
    connection.close()


async def make_empty(path: Path) -> None:
    async with opened(path):
        pass


def test_old_fixes_go_and_the_minutes_before_a_press_stay(tmp_path: Path) -> None:
    """Retention by days takes neither presses nor what led to them; a row without trusted time goes with its neighbours."""
    path = tmp_path / "a.db"
    day = 86400.0

    async def run() -> None:
        await make_empty(path)
        old, new = WALL - 40 * day, WALL - day
        fill(path, [(n, old + n, 1) for n in range(1000)])
        fill(path, [(1500.0, 5.0, 0)])  # 1970, between old rows
        fill(path, [(1600.0, old + 1600, 1)])
        fill(path, [(40 * day + n, new + n, 1) for n in range(10)])
        fill(path, [(41 * day, 7.0, 0)])  # 1970, of today
        async with opened(path, limits=Limits(before_press_s=100)) as (store, _):
            await store.step(PressMade(Press(1, 500.0, old + 500, "cli")), PressesSettled(1, 7, WALL))
            assert await store.prune(wall=WALL, keep_days=30) == 1000 - 101 + 2
            left = await store.fixes(0, WALL * 2)
            assert [f.at for f in left] == [*range(400, 501), *(40 * day + n for n in range(10)), 41 * day]
            assert store.summary().fixes == len(left)

    asyncio.run(run())


def test_thinning_takes_told_and_routine_fixes_first_then_every_second(tmp_path: Path) -> None:
    """Under pressure the untold fixes of the emergency that is on go last, and then only every second of the oldest."""
    path = tmp_path / "a.db"
    limits = Limits(max_mb=0.6, before_press_s=0.0, newest_kept=10)

    async def run() -> None:
        await make_empty(path)
        fill(path, [(n / 100, WALL + n / 100, 1) for n in range(3000)])
        async with opened(path) as (store, _):
            await store.step(make_press(1, 31.0))
            untold = [make_fix(40.0 + n / 100) for n in range(4000)]
            for fix in untold:
                store.record(fix)
            await store.step()
            await store.prune(wall=WALL + 100, keep_days=30, limits=limits)
            left = await store.fixes(0, WALL * 2)
            assert [f for f in left if f.at < 31.0] == []  # routine: gone
            kept = [f for f in left if f.at >= 40.0]
            assert kept[-1000:] == untold[-1000:]  # the newest are whole
            gaps = {round((b.at - a.at) * 100) for a, b in itertools.pairwise(kept)}
            assert gaps - {1}, "the oldest were thinned"
            assert kept[0].at < 40.1, "but not cut off"

    asyncio.run(run())


def test_the_size_is_held_while_it_runs(tmp_path: Path) -> None:
    """Months of fixes never make the file larger than allowed, and the press among them and its minutes stay."""
    path = tmp_path / "a.db"
    limits = Limits(max_mb=1.0, before_press_s=5.0, newest_kept=100)

    async def run() -> None:
        async with opened(path, limits=limits, pace=Pace(group_s=3600, group_rows=30)) as (store, _):
            await store.step()
            for n in range(20_000):
                store.record(make_fix(1.0 + n / 8))
                if n == 100:
                    await store.step(make_press(1, 1.0 + n / 8), PressesSettled(1, 7, WALL))
                if n % 30 == 29:
                    await store.has_press(0)
            assert store.summary().trouble is None
            assert path.stat().st_size <= 1.05 * 2**20
            assert store.summary().fixes > 2000
            left = await store.fixes(0, WALL * 2)
            assert [f.at for f in left][:41] == [1.0 + n / 8 for n in range(60, 101)]
            assert left[-1].at == 1.0 + 19_999 / 8
        assert peek(path)[1].press_number == 1

    asyncio.run(run())


# Reading without the daemon


def snapshot(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.iterdir()}


@pytest.mark.parametrize("sides", [("-wal", "-shm"), ("-wal",), ()])
def test_peeking_leaves_no_trace_and_sees_everything(tmp_path: Path, sides: tuple[str, ...]) -> None:
    """After a crash (with -wal and -shm), pulled power (-wal alone) or an orderly end: same answer, no file touched or made."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            store.record(make_fix(1.0))
            await store.step(make_press(1, 2.0), EventKept(7, "k", "hello", WALL, "device", told=False))
            store.record(make_fix(3.0))
            await store.step()
            if sides:
                (tmp_path / "there").mkdir()
                for name in ("a.db", *(f"a.db{side}" for side in sides)):
                    (tmp_path / "there" / name).write_bytes((tmp_path / name).read_bytes())
        there = tmp_path / "there" if sides else tmp_path
        before = snapshot(there)
        summary, remembered = peek(there / "a.db")
        assert snapshot(there) == before
        assert (summary.fixes, summary.untold, summary.mode, summary.trouble) == (2, 1, "disk", None)
        assert [p.number for p in remembered.owed] == [1]
        assert [e.text for e in remembered.untold] == ["hello"]
        assert remembered.last_fix.wall == WALL + 3

    asyncio.run(run())


@pytest.mark.parametrize("content", [None, b"", b"garbage" * 1000, b"SQLite format 3\0" + b"x" * 8000])
def test_peeking_at_nothing_or_at_garbage_says_so(tmp_path: Path, content: bytes | None) -> None:
    """No exception, no new file, and what the tiny file knows is told all the same."""
    if content is not None:
        (tmp_path / "a.db").write_bytes(content)
    identity.save(tmp_path / "a.db.identity", Identity(callout=ACTIVE, press_number=9))
    before = snapshot(tmp_path)
    summary, remembered = peek(tmp_path / "a.db")
    assert snapshot(tmp_path) == before
    assert (summary.mode, summary.fixes) == ("closed", 0)
    assert summary.trouble.code == ("store.absent" if content is None else "store.unreadable")
    assert (remembered.callout, remembered.press_number) == (ACTIVE, 9)


def test_the_daemons_path_never_imports_sqlite_utils(tmp_path: Path) -> None:
    """It costs 40 ms and 8 MB: only a migration may ask for it."""
    script = (
        "import asyncio, json, sys; from pathlib import Path; from agent.store import Store; from agent.kept import NoteKept\n"
        "async def run():\n"
        "    store = Store(Path(sys.argv[1])); await store.open(); await store.step(NoteKept('a', 'b')); await store.aclose()\n"
        "asyncio.run(run()); print(json.dumps('sqlite_utils' in sys.modules))"
    )
    told = [
        json.loads(subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.db")], check=True, capture_output=True).stdout)
        for _ in range(2)
    ]
    assert told == [True, False]


def test_a_closed_store_says_so_and_takes_no_harm(tmp_path: Path) -> None:
    """What comes late neither raises nor hangs."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(make_press(1, 1.0))
        assert store.summary().mode == "closed"
        store.record(make_fix(2.0))
        async with asyncio.timeout(1):
            await store.step(make_press(2, 3.0))
        await store.aclose()

    began = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - began < 2


# Calm


def test_the_moment_of_a_cancel_outlives_restarts(tmp_path: Path) -> None:
    """`calm_since` is in the transaction in which calm begins; whoever finds the device calm does not move it; a press ends it."""
    cancelled = (NoteKept("calm_since", "2026-05-28T20:30:00.000Z"), NoteKept("calm", "true"))
    again = (NoteKept("calm_since", "2026-05-28T21:00:00.000Z"), NoteKept("calm", "true"))

    def since() -> str:
        return dict(peek(tmp_path / "a.db")[1].notes).get("calm_since", "")

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            await store.step(make_press(1, 1.0), CalloutKept(ACTIVE))
            await store.step(*cancelled)
            await store.step(*again)
            assert since() == "2026-05-28T20:30:00.000Z"
        async with opened(tmp_path / "a.db", boot_id="boot-2") as (store, _):
            await store.step(*again)
        assert since() == "2026-05-28T20:30:00.000Z"
        store = Store(tmp_path / "a.db", boot_id="boot-2", pace=NEVER)
        early = store.step(*again)  # before the store has answered
        await store.open()
        await early
        assert since() == "2026-05-28T20:30:00.000Z"
        await store.step(make_press(2, 3.0), NoteKept("calm_since", ""), NoteKept("calm", "false"))
        assert since() == ""
        await store.step(*again)
        assert since() == "2026-05-28T21:00:00.000Z"
        await store.aclose()

    asyncio.run(run())
