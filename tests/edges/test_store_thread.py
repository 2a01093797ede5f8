"""The store's thread outlives what is asked of it; and where it cannot, the process is told that it has no memory any more."""

from __future__ import annotations

import asyncio
import errno
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent import dbfile, identity
from agent.kept import CalloutKept, CalloutRecord, PressesSettled, PressMade, Write
from agent.model import Fix, Press
from agent.retention import Limits
from agent.store import KeptAfterAllError, Pace, Store, peek

WALL = 1_780_000_000.0
SOON = Pace(group_s=3600.0, group_rows=10**6, retry_s=0.01)
FIX = Fix(1.0, WALL, "gpsd", -33.9, 18.4)


def make_press(number: int) -> PressMade:
    return PressMade(Press(number, float(number), WALL + number, "button:panic"))


async def test_a_job_that_fails_goes_to_whoever_waits_and_the_next_press_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No size at all is allowed, a defect of ours: an exception for whoever asked, and a thread that goes on."""
    store = Store(tmp_path / "a.db", boot_id="b", pace=SOON)
    await store.open()
    store.record(FIX)
    await store.step(make_press(1))
    with pytest.raises(ZeroDivisionError):
        await store.prune(wall=WALL, keep_days=1, limits=Limits(max_mb=0.0))
    nobody = asyncio.ensure_future(store.prune(wall=WALL, keep_days=1, limits=Limits(max_mb=0.0)))
    await asyncio.sleep(0)
    nobody.cancel()
    await store.step(make_press(2))
    assert store.summary().trouble is None
    assert [press.number for press in peek(tmp_path / "a.db")[1].owed] == [1, 2]
    assert await store.fixes(0, WALL * 2) == [FIX]
    await store.aclose()
    assert caplog.text == ""


async def test_a_span_without_an_end_is_answered_all_the_same(tmp_path: Path) -> None:
    """Nobody asks for it; whoever does learns nothing, and breaks nothing."""
    store = Store(tmp_path / "a.db", boot_id="b", pace=SOON)
    await store.open()
    await store.step(make_press(1))
    await store.before_press(1, math.inf)
    assert await store.has_press(1.0)
    assert not await store.has_press(math.inf)
    await store.aclose()


class KilledError(BaseException):
    """What nothing that expects an error catches."""


@pytest.mark.parametrize("when", ["while it opens", "later"])
async def test_a_thread_that_ends_ends_the_process(tmp_path: Path, when: str) -> None:
    """Whoever watches gets what ended it: without it no press would ever be kept, and nobody would know."""
    is_broken = when == "while it opens"

    def wall() -> float:
        if is_broken and threading.current_thread().name == "store":
            raise KilledError
        return WALL

    store = Store(tmp_path / "a.db", boot_id="b", pace=SOON, wall=wall)
    opening = asyncio.ensure_future(store.open())
    await asyncio.sleep(0)
    watching = asyncio.ensure_future(store.watch())
    if not is_broken:
        await opening
        assert not watching.done()
        is_broken = True
        (tmp_path / "a.db").unlink()  # another one is opened, and asks what time it is
        unheard = store.step(make_press(1))
    with pytest.raises(KilledError):
        await watching
    if when == "later":
        assert not unheard.done()
    opening.cancel()


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the store offers no event for this, and a deadline bounds it
            await asyncio.sleep(0.005)


async def test_a_file_that_could_not_be_read_is_opened_again_though_nobody_asks_it_for_anything(tmp_path: Path) -> None:
    """A read that failed closes the file; the trouble does not stay until the next fix."""
    store = Store(tmp_path / "a.db", boot_id="b", pace=replace(SOON, retry_s=0.3))
    await store.open()
    await store.step(make_press(1))
    file = store._keeper._file
    assert file is not None
    await store._call(file.connection.close)
    assert not await store.has_press(1.0)
    await wait_for(lambda: store.summary().trouble is not None)
    await wait_for(lambda: store.summary().trouble is None)
    assert store.summary().mode == "disk"
    assert await store.has_press(1.0)
    await store.aclose()


def refuse_reads(patch: pytest.MonkeyPatch) -> None:
    """Neither the database nor the tiny file can be read."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "cannot be read")

    patch.setattr(dbfile, "open_file", refuse)
    patch.setattr(dbfile, "read_only", refuse)
    patch.setattr(identity, "load", refuse)


async def lived(path: Path, *writes: Write) -> None:
    """An earlier process."""
    store = Store(path, boot_id="b", pace=SOON)
    await store.open()
    await store.step(*writes)
    await store.aclose()


CANCELLED = CalloutRecord(7, "https://x", 1, "cancelling", True, "cli", False, WALL)  # noqa: FBT003


@pytest.mark.parametrize("kept", [make_press(5), CalloutKept(CANCELLED)], ids=["owed press", "cancelled callout"])
async def test_an_emergency_that_no_start_could_read_ends_the_process_once_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Write
) -> None:
    """A start is recovery: the next one knows all of it, and what was kept meanwhile."""
    path = tmp_path / "a.db"
    await lived(path, kept)
    store = Store(path, boot_id="b", pace=SOON)
    with monkeypatch.context() as patch:
        refuse_reads(patch)
        remembered = await store.open()
        assert not remembered.owed
        assert remembered.callout is None
        store.record(FIX)
        await store.step()
    with pytest.raises(KeptAfterAllError):
        await store.watch()
    _, told = peek(path)
    assert [press.number for press in told.owed] == ([5] if isinstance(kept, PressMade) else [])
    assert (told.callout is not None and told.callout.calm) is isinstance(kept, CalloutKept)
    assert dict(told.notes)["calm"] == ("true" if isinstance(kept, CalloutKept) else "false"), "a process that knew nothing ends no calm"
    assert told.last_fix is not None


async def test_quiet_times_that_no_start_could_read_end_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.db"
    await lived(path, make_press(5), PressesSettled(5, 7, WALL))
    store = Store(path, boot_id="b", pace=SOON)
    with monkeypatch.context() as patch:
        refuse_reads(patch)
        await store.open()
    watching = asyncio.ensure_future(store.watch())
    await store.step(make_press(6))
    assert store.summary().mode == "disk"
    assert not watching.done()
    watching.cancel()
    await store.aclose()
    assert [press.number for press in peek(path)[1].owed] == [6]
