"""The store on an ill disk: full, read-only, damaged, lost, hung, and without power."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from disks import fill_up, make_disk, mounted, needs_root

from agent import dbfile, identity, keeper
from agent import store as store_room
from agent.kept import CalloutKept, CalloutRecord, EventKept, NoteKept, PressesSettled, PressMade, Remembered
from agent.model import Fix, Press
from agent.retention import Limits
from agent.store import Pace, Store, peek

WALL = 1_780_000_000.0
NEVER = Pace(group_s=3600, group_rows=10**6, retry_s=0.02)
ACTIVE = CalloutRecord(7, "https://host", 5, "active", calm=False, origin="cli", drill=False, raised_wall=WALL)


def make_fix(at: float) -> Fix:
    return Fix(at, WALL + at, "gpsd", -33.9, 18.4)


def make_press(number: int, at: float) -> PressMade:
    return PressMade(Press(number, at, WALL + at, "button:panic"))


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


def code(store: Store) -> str | None:
    trouble = store.summary().trouble
    return None if trouble is None else trouble.code


def read_newest(path: Path) -> float:
    """Monotonic time of the newest fix on the disk."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT max(at_s) FROM fixes").fetchone()[0]


# Full


@needs_root
@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_on_a_full_disk_rows_wait_and_are_written_when_there_is_room(tmp_path: Path, kind: str) -> None:
    """ENOSPC is a condition with a hint: presses, callouts, events and fixes are all there once somebody has made room."""

    async def run(directory: Path) -> None:
        async with opened(directory / "a.db") as (store, _):
            await store.step(make_press(1, 1.0))
            hog = fill_up(directory)
            expected = [make_fix(2.0 + n / 8) for n in range(2000)]
            for n, fix in enumerate(expected):
                store.record(fix)
                if n % 100 == 0:
                    await store.step(make_press(2 + n // 100, fix.at), EventKept(7, str(n), "x" * 3000, WALL, "device", told=False))
            assert code(store) == "store.full"
            assert "free space" in store.summary().trouble.hint
            assert await store.fixes(0, WALL * 2) == expected
            hog.unlink()
            await store.step(CalloutKept(ACTIVE))
            assert store.summary().trouble is None
            assert store.summary().fixes == 2000
        summary, remembered = peek(directory / "a.db")
        assert summary.fixes == 2000
        assert [p.number for p in remembered.owed] == list(range(1, 22))
        assert len(remembered.untold) == 20

    with (
        mounted(tmp_path / "d", "-t", "tmpfs", "-o", "size=4m", "tmpfs") if kind == "tmpfs" else make_disk(tmp_path).mounted() as directory
    ):
        asyncio.run(run(directory))


@needs_root
def test_what_must_not_wait_finds_the_reserve_on_a_full_disk(tmp_path: Path) -> None:
    """Room set aside while there was some carries presses and events to the disk when the last of it is taken."""
    reserve = tmp_path / "disk" / "a.db.reserve"

    async def run(directory: Path) -> None:
        async with opened(directory / "a.db") as (store, _):
            for n in range(1):  # made with the first commit
                await store.step(NoteKept("n", str(n)))
            await wait_for(reserve.exists)
            fill_up(directory)
            told = 0
            while reserve.exists() and code(store) is None:
                await store.step(EventKept(7, str(told), "x" * 3000, WALL, "device", told=False))
                told += 1
            assert not reserve.exists()
            await store.step(make_press(1, 1.0))
            assert code(store) == "store.full", "what went through did so on the last of the room"
            remembered = peek(directory / "a.db")[1]
            assert (len(remembered.untold), len(remembered.owed)) == (told, 1)

    with make_disk(tmp_path).mounted() as directory:
        asyncio.run(run(directory))


@needs_root
def test_a_full_disk_at_start_still_tells_what_it_holds(tmp_path: Path) -> None:
    """The emergency of before goes on although nothing can be written, and no file is moved."""

    async def run(directory: Path) -> None:
        async with opened(directory / "a.db") as (store, _):
            store.record(make_fix(1.0))
            await store.step(make_press(1, 2.0), CalloutKept(ACTIVE))
        hog = fill_up(directory)
        async with opened(directory / "a.db") as (store, remembered):
            assert (remembered.callout, remembered.press_number) == (ACTIVE, 1)
            assert remembered.last_fix == make_fix(1.0)
            await store.step(make_press(2, 3.0))
            assert code(store) == "store.full"
            hog.unlink()
            await wait_for(lambda: store.summary().trouble is None and store.summary().mode == "disk")
        assert [p.number for p in peek(directory / "a.db")[1].owed] == [1, 2]
        assert list(directory.glob("*aside*")) == []

    with mounted(tmp_path / "d", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as directory:
        asyncio.run(run(directory))


def test_at_its_own_limit_fixes_make_room_for_a_press(tmp_path: Path) -> None:
    """max_page_count behaves like a full disk and needs no root: the oldest fixes go, the press is kept."""

    async def run() -> None:
        limits = Limits(max_mb=0.5, newest_kept=10)
        async with opened(tmp_path / "a.db", limits=limits) as (store, _):
            for n in range(4000):
                store.record(make_fix(1.0 + n / 8))
                if n % 100 == 99:
                    await store.has_press(0)
            await store.step(make_press(1, 9000.0))
            assert store.summary().trouble is None
            assert [p.number for p in peek(tmp_path / "a.db")[1].owed] == [1]
            assert read_newest(tmp_path / "a.db") == 1.0 + 3999 / 8
            assert (tmp_path / "a.db").stat().st_size <= 0.5 * 2**20

    asyncio.run(run())


def test_only_the_oldest_routine_fixes_are_given_up(tmp_path: Path) -> None:
    """Memory has an end too: presses, callouts, events and the fixes of the emergency outlive the routine ones."""

    async def run() -> None:
        (tmp_path / "a.db").mkdir()
        (tmp_path / "a.db" / "in-the-way").touch()
        tmp_path.chmod(0o700)
        async with opened(tmp_path / "gone" / "a.db", pace=replace(NEVER, most_waiting=200, retry_s=3600)) as (store, _):
            (tmp_path / "gone").rename(tmp_path / "elsewhere")
            (tmp_path / "gone").touch()  # a file in the directory's place: nothing can be opened
            routine = [make_fix(1.0 + n) for n in range(150)]
            for fix in routine:
                store.record(fix)
            await store.step(*(make_press(n, 200.0 + n) for n in range(1, 31)))
            urgent = [make_fix(300.0 + n) for n in range(100)]
            for fix in urgent:
                store.record(fix)
            left = await store.fixes(0, WALL * 2)
            assert left[-100:] == urgent
            assert left[:-100] == routine[len(routine) - len(left) + 100 :]
            assert 20 < len(left) < 200
            (tmp_path / "gone").unlink()
            await store.step()
            assert store.summary().mode == "disk"
        assert len(peek(tmp_path / "gone" / "a.db")[1].owed) == 30

    asyncio.run(run())


# Read-only


@needs_root
def test_a_read_only_disk_is_read_and_written_once_it_can_be(tmp_path: Path) -> None:
    """EROFS at start: what was kept is told, what is new waits in memory."""

    async def run(directory: Path) -> None:
        def remount(how: str) -> None:
            subprocess.run(["mount", "-o", f"remount,{how}", str(directory)], check=True)

        async with opened(directory / "a.db") as (store, _):
            await store.step(make_press(1, 1.0), CalloutKept(ACTIVE))
        remount("ro")
        async with opened(directory / "a.db") as (store, remembered):
            assert (remembered.callout, remembered.press_number) == (ACTIVE, 1)
            store.record(make_fix(2.0))
            await store.step(make_press(2, 3.0))
            assert (code(store), store.summary().mode, store.summary().fixes) == ("store.read_only", "memory", 1)
            remount("rw")
            await wait_for(lambda: store.summary().mode == "disk" and store.summary().trouble is None)
        assert [p.number for p in peek(directory / "a.db")[1].owed] == [1, 2]

    with make_disk(tmp_path).mounted() as directory:
        asyncio.run(run(directory))


@needs_root
def test_a_disk_that_turns_read_only_keeps_the_rows_waiting(tmp_path: Path) -> None:
    """What Linux does to a dying card: the file system goes read-only under an open database."""
    disk = make_disk(tmp_path)

    async def run(directory: Path) -> None:
        async with opened(directory / "a.db") as (store, _):
            await store.step(make_press(1, 1.0))
            disk.turn_read_only()
            store.record(make_fix(2.0))
            await store.step(make_press(2, 3.0))
            assert code(store) in ("store.read_only", "store.io")
            assert (store.summary().mode, store.summary().fixes) == ("memory", 1)
            assert await store.fixes(0, WALL * 2) == [make_fix(2.0)]
            disk.mount_anew()
            await wait_for(lambda: store.summary().mode == "disk" and store.summary().trouble is None)
        assert [p.number for p in peek(directory / "a.db")[1].owed] == [1, 2]

    with disk.mounted() as directory:
        asyncio.run(run(directory))


# Damaged, foreign, lost


@pytest.mark.parametrize("content", [b"garbage" * 3000, b"SQLite format 3\0" + b"x" * 8000, None])
def test_what_is_no_database_is_kept_aside(tmp_path: Path, content: bytes | None) -> None:
    """A garbage file (or a directory) at start: a new one is made, the old one kept as it was, `status` says where."""
    path = tmp_path / "a.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    async def run() -> None:
        async with opened(path) as (store, remembered):
            assert remembered.press_number == 0
            await store.step(make_press(1, 1.0))
            assert store.summary().mode == "disk"
            assert code(store) == ("store.no_access_moved" if content is None else "store.corrupt_moved")
            (aside,) = tmp_path.glob("a.db.aside-*")
            assert aside.name in store.summary().trouble.hint
            assert aside.is_dir() if content is None else aside.read_bytes() == content
        assert peek(path)[1].press_number == 1

    asyncio.run(run())


def test_a_database_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    """Our path may hold another program's data: aside, whole."""
    path = tmp_path / "a.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE fixes (theirs)")
    other.commit()
    other.close()

    async def run() -> None:
        async with opened(path) as (store, _):
            await store.step(make_press(1, 1.0))
            assert code(store) == "store.not_ours_moved"

    asyncio.run(run())
    (aside,) = tmp_path.glob("a.db.aside-*")
    assert sqlite3.connect(aside).execute("SELECT count(*) FROM fixes").fetchone() == (0,)


def test_a_damaged_database_gives_up_the_emergency_that_it_holds(tmp_path: Path) -> None:
    """quick_check finds a page overwritten in the middle; owed press and callout are read out of the rest, even without the tiny file."""
    path = tmp_path / "a.db"

    async def run() -> None:
        async with opened(path) as (store, _):
            for n in range(3000):
                store.record(make_fix(1.0 + n / 8))
            await store.step(make_press(1, 9000.0), CalloutKept(ACTIVE))
        with path.open("r+b") as file:
            file.seek(60 * 4096)
            file.write(b"\xff" * 4096 * 5)
        (tmp_path / "a.db.identity").unlink()
        async with opened(path) as (store, remembered):
            assert code(store) == "store.corrupt_moved"
            assert (remembered.callout, [p.number for p in remembered.owed]) == (ACTIVE, [1])
            await store.step()
        assert [p.number for p in peek(path)[1].owed] == [1]

    asyncio.run(run())


@pytest.mark.parametrize("harm", ["removed", "all removed", "overwritten", "replaced", "wal removed"])
def test_a_file_lost_while_running_is_begun_anew_with_what_matters(tmp_path: Path, harm: str) -> None:
    """Somebody deletes or overwrites the database under the daemon: the emergency is in the new one before the next step ends."""
    path = tmp_path / "a.db"

    async def run() -> None:
        async with opened(path) as (store, _):
            store.record(make_fix(1.0))
            await store.step(make_press(1, 2.0), PressesSettled(1, 7, WALL), CalloutKept(ACTIVE), NoteKept("armed_proof", "x"))
            await store.step(make_press(2, 3.0), EventKept(7, "k", "hello", WALL, "device", told=False))
            if harm == "overwritten":
                path.write_bytes(b"garbage" * 30_000)
            elif harm == "replaced":
                (tmp_path / "new").write_bytes(b"other")
                (tmp_path / "new").rename(path)
            else:
                names = {"removed": ["a.db"], "wal removed": ["a.db-wal"]}.get(harm, ["a.db", "a.db-wal", "a.db-shm", "a.db.identity"])
                for name in names:
                    (tmp_path / name).unlink()
            store.record(make_fix(4.0))
            await store.step(make_press(3, 5.0))
            assert store.summary().mode == "disk"
            assert code(store) == (None if harm == "wal removed" else "store.lost_moved")
            assert make_fix(4.0) in await store.fixes(0, WALL * 2)
            summary, remembered = peek(path)
            assert summary.fixes == (2 if harm == "wal removed" else 1)
            assert ([p.number for p in remembered.owed], remembered.callout) == ([2, 3], ACTIVE)
            assert dict(remembered.notes)["armed_proof"] == "x"
            assert [e.text for e in remembered.untold] == ["hello"]

    asyncio.run(run())


def test_a_card_that_damages_every_file_is_not_filled_with_them(tmp_path: Path) -> None:
    """Moving aside ends after a few times in one life; the daemon goes on in memory."""
    path = tmp_path / "a.db"

    async def run() -> None:
        async with opened(path) as (store, _):
            for n in range(1, 20):
                path.write_bytes(b"garbage" * 3000)
                await store.step(make_press(n, float(n)))
            assert len(list(tmp_path.glob("a.db.aside-*"))) <= 24
            assert (code(store), store.summary().mode) == ("store.unusable", "memory")

    asyncio.run(run())


def test_an_endless_check_does_not_hold_up_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """quick_check is broken off at its limit and the file is used."""
    path = tmp_path / "a.db"

    async def run() -> None:
        async with opened(path) as (store, _):
            for n in range(20_000):
                store.record(make_fix(1.0 + n / 8))
            await store.step(make_press(1, 9000.0))
        monkeypatch.setattr(dbfile, "CHECK_S", 0.0)
        async with opened(path) as (store, remembered):
            assert code(store) is None
            assert remembered.press_number == 1

    asyncio.run(run())


# Locked, hung


def test_a_lock_of_another_process_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's open write transaction delays rows, and loses none."""
    monkeypatch.setattr(dbfile, "_LOCK_S", 0.05)
    path = tmp_path / "a.db"

    async def run() -> None:
        async with opened(path) as (store, _):
            await store.step(make_press(1, 1.0))
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            await store.step(make_press(2, 2.0))
            assert code(store) == "store.busy"
            other.execute("ROLLBACK")
            other.close()
            await wait_for(lambda: code(store) is None)
        assert peek(path)[1].press_number == 2

    asyncio.run(run())


class Hang:
    """A disk that stops answering at the next commit, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_hung, self.go_on = threading.Event(), threading.Event()
        commit = keeper.Keeper.commit

        def hang(itself: keeper.Keeper, deeds: list[Any]) -> list[Any]:
            self.is_hung.set()
            self.go_on.wait(30)
            return commit(itself, deeds)

        monkeypatch.setattr(keeper.Keeper, "commit", hang)


def test_a_hung_disk_blocks_nobody_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step does not end, the loop runs on, `status` says hung; when the disk answers again everything is written in order."""
    path = tmp_path / "a.db"

    async def run() -> None:
        async with opened(path, pace=replace(NEVER, hung_s=0.05, most_waiting=300)) as (store, _):
            await store.step(make_press(1, 1.0))
            hang = Hang(monkeypatch)
            stuck = store.step(make_press(2, 2.0))
            await wait_for(hang.is_hung.is_set)
            began = time.monotonic()
            for n in range(1000):
                store.record(make_fix(3.0 + n / 8))
            late = [store.step(make_press(3 + n, 200.0 + n)) for n in range(50)]
            assert time.monotonic() - began < 1.0
            await wait_for(lambda: code(store) == "store.hung")
            assert not stuck.done()
            hang.go_on.set()
            await asyncio.wait_for(asyncio.gather(stuck, *late), 5)
            assert code(store) is None
        summary, remembered = peek(path)
        assert [p.number for p in remembered.owed] == list(range(1, 53))
        assert 0 < summary.fixes <= 300

    asyncio.run(run())


def test_a_disk_that_hangs_on_the_first_write_does_not_hold_up_who_asks_for_a_press(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dying card reads well: the store opens, and the start must not wait for its first commit."""
    monkeypatch.setattr(store_room, "_KNOWN_S", 0.05)

    async def run() -> None:
        hang = Hang(monkeypatch)
        async with opened(tmp_path / "a.db") as (store, _):
            stuck = store.step(make_press(1, 1.0))
            assert not await asyncio.wait_for(store.has_press(1.0), 2)
            hang.go_on.set()
            await stuck
            assert await store.has_press(1.0)

    asyncio.run(run())


def test_a_hung_disk_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    """`aclose` gives up after its time and the interpreter ends although the thread never does."""
    script = """
import asyncio, sys, threading
from pathlib import Path
from agent import keeper
from agent.kept import NoteKept
from agent.store import Pace, Store
async def run():
    store = Store(Path(sys.argv[1]), pace=Pace(close_s=0.1))
    await store.open()
    keeper.Keeper.commit = lambda *_: threading.Event().wait()
    store.step(NoteKept("a", "b"))
    await store.aclose()
    print(store.summary().mode)
asyncio.run(run())
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.db")], check=True, capture_output=True, timeout=20)
    assert done.stdout == b"closed\n"


def test_a_defect_in_the_thread_neither_kills_it_nor_loses_a_press(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything unforeseen is a condition; the rows wait and are written by the next attempt."""
    path = tmp_path / "a.db"

    async def run() -> None:
        async with opened(path) as (store, _):
            with monkeypatch.context() as broken:
                broken.setattr(dbfile.OpenFile, "is_lost", lambda _: 1 / 0)
                await store.step(make_press(1, 1.0))
                assert code(store) == "store.defect"
            await wait_for(lambda: code(store) is None)
        assert peek(path)[1].press_number == 1

    asyncio.run(run())


def test_a_row_that_no_table_takes_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """One impossible fix is given up and named; the press behind it is kept."""

    async def run() -> None:
        async with opened(tmp_path / "a.db") as (store, _):
            store.record(replace(make_fix(1.0), receiver=object()))
            store.record(make_fix(2.0))
            await store.step(make_press(1, 3.0))
            assert code(store) == "store.odd_row"
            assert await store.fixes(0, WALL * 2) == [make_fix(2.0)]
        assert peek(tmp_path / "a.db")[1].press_number == 1

    asyncio.run(run())


def test_an_io_error_is_told_and_got_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EIO when the tiny file is written and when the database is opened again: conditions, and afterwards all is there."""
    path = tmp_path / "a.db"

    async def run() -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        async with opened(path) as (store, _):
            with monkeypatch.context() as broken:
                broken.setattr(identity, "save", fail)
                broken.setattr(keeper.Keeper, "_make_ready", fail)
                await store.step(make_press(1, 1.0))
                assert (code(store), store.summary().mode) == ("store.io", "memory")
            await wait_for(lambda: code(store) is None)
        assert identity.load(tmp_path / "a.db.identity").press_number == 1
        assert peek(path)[1].press_number == 1

    asyncio.run(run())


# Pulled power

_WRITER = """
import asyncio, sys
from pathlib import Path
from agent import keeper
from agent.kept import PressMade
from agent.model import Fix, Press
from agent.store import Store
keeper.LASTING_SYNC = sys.argv[2] or keeper.LASTING_SYNC
async def run():
    store = Store(Path(sys.argv[1]), boot_id="boot-1")
    await store.open()
    for n in range(1, 61):
        store.record(Fix(float(n), 1.78e9 + n, "gpsd", 1.0, 2.0))
        await store.step(PressMade(Press(n, n + 0.5, 1.78e9 + n, "cli")))
        print(n, flush=True)
    sys.stdin.read()
asyncio.run(run())
"""


def pull_the_power(tmp_path: Path, sync: str, after: int) -> tuple[int, Remembered, int, int]:
    """How many presses a process had been told are kept when the file system was cut off; what is there afterwards.

    sync: instead of what the agent uses, if any. What is there: what the database holds, its fixes, and the press number of the tiny file.
    """
    disk = make_disk(tmp_path)
    with disk.mounted() as directory:
        script = [sys.executable, "-c", _WRITER, str(directory / "a.db"), sync]
        with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
            told = [int(line) for _, line in zip(range(after), writer.stdout, strict=False)]
            disk.cut_power()
            writer.kill()
    with disk.mounted() as directory:
        kept = identity.load(directory / "a.db.identity")
        (directory / "a.db.identity").unlink()
        summary, remembered = peek(directory / "a.db")
    return told[-1], remembered, summary.fixes, kept.press_number


@needs_root
@pytest.mark.parametrize("after", [1, 23, 60])
def test_pulled_power_loses_no_press_that_was_kept(tmp_path: Path, after: int) -> None:
    """Every press whose step had ended, and every fix recorded before it, is there when the power comes back."""
    told, remembered, fixes, number = pull_the_power(tmp_path, "", after)
    assert [p.number for p in remembered.owed][:told] == list(range(1, told + 1))
    assert fixes >= told
    assert number >= told


@needs_root
def test_the_power_rig_would_show_a_loss(tmp_path: Path) -> None:
    """The same cut loses presses when they are not synced: the test above can fail."""
    told, remembered, _, _ = pull_the_power(tmp_path, "NORMAL", 60)
    assert len(remembered.owed) < told
