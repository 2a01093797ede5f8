"""What the lanes missed, what was before a press, and when it was: by monotonic time, on disk or waiting, however many rows there are."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import dbfile, schema
from agent.boots import Boots
from agent.deeds import Covered, Sent, Taken
from agent.kept import CalloutKept, CalloutRecord, EventKept, FixesTold, Missed, PressesSettled, PressMade
from agent.model import Fix, Press
from agent.rows import Tables
from agent.store import Pace, Store, peek

WALL = 1_780_000_000.0
NEVER = Pace(group_s=3600, group_rows=10**6, retry_s=3600)
ACTIVE = CalloutRecord(7, "https://host", 5, "active", calm=False, origin="cli", drill=False, raised_wall=WALL)
TRAIL = EventKept(7, "trail", "been there", WALL, "device", told=False)


def make_fix(at: float, wall: float | None = None, **more: Any) -> Fix:
    return Fix(at, WALL + at if wall is None else wall, "gpsd", -33.9, 18.4, **more)


@asynccontextmanager
async def opened(path: Path, **how: Any) -> AsyncIterator[Store]:
    store = Store(path, **{"boot_id": "boot-1", "pace": NEVER, **how})
    await store.open()
    try:
        yield store
    finally:
        await store.aclose()


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process holds the database, and nothing can be written."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE'); print(1, flush=True)"
    )
    command = [sys.executable, "-c", f"{script}; sys.stdin.read()", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        yield
        other.communicate()


def zero_at(wall: float) -> Callable[[], float]:
    """A wall clock by which this boot began at `wall`."""
    return lambda: wall + time.monotonic()


def ats(missed: Missed) -> tuple[float | None, list[float], bool]:
    return missed.before and missed.before.at, [fix.at for fix in missed.fixes], missed.more


def in_memory(path: Path) -> None:
    """A directory in the file's place, and none beside it may be made: nothing can be opened or moved."""
    path.parent.rmdir()
    path.parent.touch()


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_what_no_lane_told_is_asked_for_in_order_with_what_dispatch_has_before_it(tmp_path: Path, where: str) -> None:
    """Committed or waiting, it makes no difference; in quiet times nothing is missed."""
    path = tmp_path / "there" / "a.db"
    path.parent.mkdir()

    async def run() -> None:
        if where == "memory":
            in_memory(path)
        async with opened(path) as store:
            store.record(make_fix(1.0))
            assert await store.missed(9.0, 10) == Missed()
            await store.step(CalloutKept(ACTIVE))
            fixes = [make_fix(10.0 + n) for n in range(10)]
            for fix in fixes:
                store.record(fix)
            assert ats(await store.missed(19.0, 3)) == (None, [10.0, 11.0, 12.0], True)
            store.sent(fixes[0])
            store.sent(fixes[1])
            store.covered(12.0, 13.0)
            store.sent(fixes[8])
            assert ats(await store.missed(16.0, 3)) == (13.0, [14.0, 15.0, 16.0], False)
            await store.step(TRAIL, FixesTold(15.0, WALL))
            assert ats(await store.missed(19.0, 10)) == (15.0, [16.0, 17.0, 19.0], False)
            assert store.summary().untold == 3
            assert store.summary().mode == where
            await store.step(CalloutKept(replace(ACTIVE, phase="standby", closed_wall=WALL)))
            assert await store.missed(19.0, 10) == Missed()

    asyncio.run(run())


def test_a_trail_and_its_mark_are_one_transaction(tmp_path: Path) -> None:
    """Another process sees the message with the mark, or neither; a mark that a step brings which ends the emergency counts, too."""
    path = tmp_path / "a.db"
    sql = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM fixes WHERE told_utc IS NOT NULL)"

    def seen() -> tuple[int, int]:
        with closing(sqlite3.connect(path)) as connection:
            found: tuple[int, int] = connection.execute(sql).fetchone()
            return found

    async def run() -> None:
        async with opened(path) as store:
            await store.step(CalloutKept(ACTIVE))
            for n in range(4):
                store.record(make_fix(10.0 + n))
            await store.step()
            assert seen() == (0, 0)
            waiting = store.step(TRAIL, FixesTold(11.0, WALL))
            assert seen() in ((0, 0), (1, 2))
            await waiting
            assert seen() == (1, 2)
            await store.step(FixesTold(12.0, WALL), CalloutKept(replace(ACTIVE, phase="standby", closed_wall=WALL)))
            assert seen() == (1, 3)

    asyncio.run(run())


def test_marks_that_wait_count_for_rows_that_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes nothing any more: what was accepted meanwhile is not told a second time."""
    monkeypatch.setattr(dbfile, "_LOCK_S", 0.01)

    async def run() -> None:
        async with opened(tmp_path / "a.db") as store:
            fixes = [make_fix(10.0 + n) for n in range(6)]
            for fix in fixes:
                store.record(fix)
            await store.step(CalloutKept(ACTIVE))
            for fix in (late := [make_fix(20.0 + n) for n in range(2500)]):  # more than a page
                store.record(fix)
            await store.step()
            with held(tmp_path / "a.db"):
                for fix in late[:2000]:
                    store.sent(fix)
                store.covered(2020.0, 2021.0)
                store.record(make_fix(3000.0))
                assert ats(await store.missed(9999.0, 2)) == (2021.0, [2022.0, 2023.0], True)
                assert ats(await store.missed(9999.0, 499)) == (2021.0, [*(2022.0 + n for n in range(498)), 3000.0], False)
                await store.step(FixesTold(2518.0, WALL))
                assert ats(await store.missed(9999.0, 9)) == (2518.0, [2519.0, 3000.0], False)
            await store.step()
            assert store.summary().trouble is None
            assert ats(await store.missed(9999.0, 9)) == (2518.0, [2519.0, 3000.0], False)

    asyncio.run(run())


def test_a_clock_that_steps_changes_nothing_of_what_is_told(tmp_path: Path) -> None:
    """An hour back, 56 years ahead: a trail that told three fixes told these three."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as store:
            await store.step(CalloutKept(ACTIVE))
            walls = [WALL, WALL + 1, WALL - 3599, WALL - 3598, WALL + 56 * 365 * 86400]
            for n, wall in enumerate(walls):
                store.record(make_fix(10.0 + n, wall))
            await store.step(FixesTold(12.0, WALL - 3597))
            assert ats(await store.missed(14.0, 9)) == (12.0, [13.0, 14.0], False)

    asyncio.run(run())


@pytest.mark.parametrize("zero", [WALL + 5000, WALL + 105, WALL, 0.0])
def test_what_an_earlier_boot_missed_lies_before_this_one_in_its_own_order(tmp_path: Path, zero: float) -> None:
    """Whatever this boot's clock says, even 1970: in capture order, as far apart as they were, and told as far as a trail told them."""

    async def run() -> None:
        for boot in (1, 2):
            async with opened(tmp_path / "a.db", boot_id=f"boot-{boot}", wall=zero_at(WALL + 200 * boot)) as store:
                for n in range(3):
                    store.record(make_fix(100.0 + 2 * n, WALL + 200 * boot + 100 + 2 * n))
                await store.step(CalloutKept(ACTIVE))
                for n in range(4):
                    store.record(make_fix(110.0 + 2 * n, WALL + 200 * boot + 110 + 2 * n))
                await store.step()
        async with opened(tmp_path / "a.db", boot_id="boot-3", wall=zero_at(zero)) as store:
            store.record(make_fix(5.0))
            missed = await store.missed(9.0, 100)
            # The first three of the second boot are of the emergency: it went on.
            steps = [round(b.at - a.at, 3) for a, b in itertools.pairwise(missed.fixes[:-1])]
            assert (steps[:3], steps[4:]) == ([2.0] * 3, [2.0, 2.0, 6.0, 2.0, 2.0, 2.0])
            assert steps[3] >= 0
            assert missed.fixes[-2].at <= 0 < missed.fixes[-1].at
            for told in (2, 3, 6):  # of those that are left
                await store.step(FixesTold((await store.missed(9.0, told)).fixes[-1].at, WALL))
            assert [fix.at for fix in (await store.missed(9.0, 100)).fixes] == [5.0]
            assert (await store.missed(9.0, 100)).before == missed.fixes[-2]

    asyncio.run(run())


def test_who_vouches_after_a_restart_dates_what_the_earlier_process_recorded(tmp_path: Path) -> None:
    """Same boot, another process: its rows get their time; what an earlier boot recorded is as long ago as the new belief says."""
    path = tmp_path / "a.db"

    async def run() -> None:
        async with opened(path, boot_id="boot-0", wall=zero_at(WALL - 1000)) as store:
            await store.step(CalloutKept(ACTIVE))
            store.record(make_fix(10.0, WALL - 990))
        async with opened(path, wall=zero_at(0.0)) as store:  # 1970
            store.record(make_fix(20.0, 20.0, wall_trusted=False))
            await store.step(PressMade(Press(1, 21.0, 21.0, "cli", wall_trusted=False)))
        async with opened(path, wall=zero_at(0.0)) as store:
            assert [fix.at for fix in (await store.missed(99.0, 9)).fixes] == [0.0, 20.0]
            store.restamp(30.0, WALL + 30)
            store.record(make_fix(31.0))
            missed = (await store.missed(99.0, 9)).fixes
            assert [(fix.at, fix.wall, fix.wall_trusted) for fix in missed] == [
                (-990.0, WALL - 990, True),
                (20.0, WALL + 20, True),
                (31.0, WALL + 31, True),
            ]
        assert peek(path)[1].owed[0].wall == WALL + 21

    asyncio.run(run())


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_recorded_while_the_store_opens_is_of_the_emergency_too(tmp_path: Path, kept: bool) -> None:  # noqa: FBT001 - both
    """A disk that is slow to answer: the callout of before goes on, or a press has begun one meanwhile."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as store:
            await store.step(*[CalloutKept(ACTIVE)] * kept)
        store = Store(tmp_path / "a.db", boot_id="boot-1", pace=NEVER, wall=map(float, itertools.count(int(WALL))).__next__)
        if not kept:
            store.step(PressMade(Press(1, 9.0, WALL, "cli")))
        for n in range(3):
            store.record(make_fix(10.0 + n))
        store.sent(make_fix(10.0))
        await store.open()
        store.record(make_fix(20.0))
        assert ats(await store.missed(99.0, 9)) == (10.0, [11.0, 12.0, 20.0], False)
        await store.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_the_minutes_before_a_press_are_found_by_its_number(tmp_path: Path, where: str) -> None:
    """In the file or still waiting; of an unknown press nothing."""
    path = tmp_path / "there" / "a.db"
    path.parent.mkdir()

    async def run() -> None:
        if where == "memory":
            in_memory(path)
        async with opened(path) as store:
            for n in range(2000):
                store.record(make_fix(1.0 + n))
            await store.step(PressMade(Press(4, 1500.0, WALL + 1500, "cli")))
            assert [fix.at for fix in await store.before_press(4, 600.0)] == [900.0 + n for n in range(601)]
            assert await store.before_press(5, 600.0) == ()
            await store.step(PressesSettled(4, 7, WALL + 1501))
            assert len(await store.before_press(4, 10.0)) == 11

    asyncio.run(run())


def test_the_minutes_before_a_press_reach_back_before_a_reboot(tmp_path: Path) -> None:
    """By the wall clock there, by the monotonic one since: a step of the wall clock after the reboot takes nothing away."""

    async def run() -> None:
        async with opened(tmp_path / "a.db", wall=zero_at(WALL)) as store:
            for n in range(100):
                store.record(make_fix(1.0 + n))
        async with opened(tmp_path / "a.db", boot_id="boot-2", wall=zero_at(WALL + 110)) as store:
            for n in range(20):
                store.record(make_fix(1.0 + n, WALL - 86400 + n if n < 10 else WALL + 111 + n))
            await store.step(PressMade(Press(1, 20.5, WALL + 130.5, "cli")))
            walls = [fix.wall - WALL for fix in await store.before_press(1, 60.0)]
            assert walls == [*range(71, 101), *(n - 86400 for n in range(10)), *range(121, 131)]

    asyncio.run(run())


@given(
    moments=st.lists(st.tuples(st.integers(1, 2), st.integers(1, 10**7)), min_size=1, max_size=8, unique=True),
    zero=st.floats(0, 2 * WALL),
    walls=st.tuples(*[st.floats(0, 2 * WALL)] * 2),
)
def test_the_time_of_an_earlier_boots_fix_reaches_it_and_none_after_it(
    moments: list[tuple[int, int]], zero: float, walls: tuple[float, float]
) -> None:
    """Whatever the clocks said and however floats round: the mark that a fix's own time makes ends with that fix."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        schema.migrate(connection)
        taken = sorted((boot, ms * 0.003) for boot, ms in moments)
        with Tables(connection, "boot-3", zero).transaction():
            for boot, at in taken:
                Tables(connection, f"boot-{boot}", 0.0).fixes.take(Taken(make_fix(at, walls[boot - 1] + at), "e"))
        boots = Boots(connection, "boot-3", zero)
        rows = [row[:4] for row in connection.execute("SELECT id, boot, at_s, wall_utc FROM fixes ORDER BY id")]
        local = [boots.move(boot, at, wall) for _, boot, at, wall in rows]
        assert local == sorted(local)
        for (number, *_), at in zip(rows, local, strict=True):
            assert max(other[0] for other in rows if other[0] <= boots.reach(at)) == number or local.count(at) > 1


# As quick with a hundred thousand rows as with none


def prepare(rows: int) -> tuple[sqlite3.Connection, Tables]:
    """Tables of an emergency with so many fixes that nobody told."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(connection)
    tables = Tables(connection, "boot-1", WALL)
    with tables.transaction():
        for n in range(rows):
            tables.fixes.take(Taken(make_fix(1.0 + n / 8), "e"))
        tables.fixes.note_count()
    tables.fixes.count_untold("e")
    return connection, tables


def work_of(connection: sqlite3.Connection, job: Callable[[], object]) -> int:
    """Instructions of SQLite's machine: a scan cannot hide behind a fast disk."""
    count = itertools.count()
    connection.set_progress_handler(lambda: next(count) and 0, 1)
    job()
    connection.set_progress_handler(None, 1)
    return next(count)


AT = 1e6
ROUTINE: dict[str, Callable[[Tables], object]] = {
    "recorded": lambda tables: tables.fixes.take(Taken(make_fix(AT), "e")),
    "sent": lambda tables: tables.fixes.mark_sent(Sent(AT, "gpsd", WALL)),
    "covered": lambda tables: tables.fixes.mark_covered(Covered(AT - 1, AT + 1, "e", WALL)),
    "untold is counted": lambda tables: tables.fixes.count_untold("e"),
    "fixes are counted at a start": lambda tables: tables.fixes.count(),
    "the oldest is asked for": lambda tables: tables.fixes.missed("e", 2 * AT, -1, 1),
    "what dispatch has before it": lambda tables: tables.fixes.told_before("e", 2**60),
    "the newest": lambda tables: tables.fixes.last(),
    "before a press": lambda tables: tables.fixes.ids_before(1, AT, "2026-01-01T00:00:00.000Z", 60.0),
}


def test_the_routine_of_every_commit_does_not_grow_with_the_rows() -> None:
    """10,000 fixes wait to be told: nothing that is done every second looks at them all."""
    for name, job in ROUTINE.items():
        took = [steps_of(name, job, rows) for rows in (100, 10_000)]
        assert took[1] < 3 * took[0] + 300, f"{name}: {took[0]} steps with few rows, {took[1]} with many"


def steps_of(name: str, job: Callable[[Tables], object], rows: int) -> int:
    connection, tables = prepare(rows)
    if name in ("sent", "covered"):
        tables.fixes.take(Taken(make_fix(AT), "e"))
    with closing(connection):
        return work_of(connection, lambda: job(tables))


def test_the_number_of_rows_stays_right_whatever_comes_late_or_goes() -> None:
    """The file knows its number up to a row; a fix recorded late lies before that, and rows that go may lie on both sides."""
    connection, tables = prepare(50)
    late, again = Taken(make_fix(2.0625), None), Taken(make_fix(1.0), "e")
    with tables.transaction():
        tables.fixes.take(late)
        tables.fixes.take(again)
        tables.fixes.take(Taken(make_fix(99.0), None))
    with contextlib.suppress(ZeroDivisionError), tables.transaction():
        tables.fixes.take(Taken(make_fix(3.0625), None))
        tables.fixes.take(Taken(make_fix(100.0), "e"))
        tables.fixes.mark_sent(Sent(1.0, "gpsd", WALL))
        1 / 0  # noqa: B018 - the disk fails
    there = connection.execute("SELECT count(*), sum(episode = 'e' AND sent_utc IS NULL) FROM fixes").fetchone()
    assert (tables.fixes.counts.kept, tables.fixes.count_untold("e")) == there == (52, 50)
    assert Tables(connection, "boot-1", WALL).fixes.count() == 52
    with tables.transaction():
        tables.fixes.went(connection.execute("DELETE FROM fixes WHERE at_s < 2 OR at_s = 99").rowcount)
    there = connection.execute("SELECT count(*), sum(episode = 'e') FROM fixes").fetchone()
    assert (tables.fixes.counts.kept, tables.fixes.count_untold("e")) == there == (43, 42)
    assert Tables(connection, "boot-1", WALL).fixes.count() == 43
    connection.close()
