"""A press that lies in the runtime directory is taken up, once, and its file goes only when it may (laws 1 and 6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path

import pytest

from agent import presses as room
from agent import resume, spool
from agent.clock import SystemClock
from agent.identity import read_boot_id
from agent.kept import NoteKept
from agent.presses import Presses
from agent.signals import Happening, Pressed, State


class Disk:
    """A store that has presses on disk, or has not. ill: so often it is asked before it is well."""

    def __init__(self, *, takes: bool, ill: int = 0) -> None:
        self.takes, self.ill = takes, ill
        self.kept: list[object] = []

    def step(self, *writes: object) -> Awaitable[None]:
        """Done at once."""
        self.kept += writes
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    async def has_press(self, _at: float) -> bool:
        """Whether it was taken."""
        self.ill -= 1
        return self.takes and self.ill < 0


def made(directory: Path, *, takes: bool, ill: int = 0) -> tuple[Presses, list[Happening]]:
    decided: list[Happening] = []

    async def decide(event: Happening) -> None:
        decided.append(event)

    return Presses(directory, Disk(takes=takes, ill=ill), SystemClock(), state=State, decide=decide), decided  # type: ignore[arg-type]


def leave(directory: Path, *, drill: bool = False) -> Path:
    return spool.put(directory, spool.SpooledPress(read_boot_id(), time.monotonic(), time.time(), "spool", drill=drill))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_press_left_while_the_daemon_runs_is_taken_up_once(tmp_path: Path):
    async def story() -> None:
        presses, decided = made(tmp_path, takes=True)
        path = leave(tmp_path)
        presses.sweep()
        presses.sweep()
        await settle()
        assert [type(event) for event in decided] == [Pressed]
        assert not path.exists()

    asyncio.run(story())


def test_thousand_presses_of_a_member_are_taken_up_a_few_at_a_time(tmp_path: Path):
    """All of them, each once; taken up at once they would hold the loop, and with it the button, until the watchdog ends it."""

    async def story() -> None:
        presses, decided = made(tmp_path, takes=False)
        for _ in range(3 * room.AT_ONCE):
            leave(tmp_path)
        for sweeps in range(1, 5):
            presses.sweep()
            await settle()
            assert len(decided) == min(sweeps, 3) * room.AT_ONCE
        assert len({event.press.at for event in decided if isinstance(event, Pressed)}) == 3 * room.AT_ONCE

    asyncio.run(story())


@pytest.mark.parametrize("origin", ["button:x\n<0>callout-agent: all is well", "\ud800", "x" * 15_000, "\x1b[2J"])
def test_origin_of_a_press_that_a_member_left_drives_no_journal(origin: str):
    """A line of its own, with a priority of its own, could be read as the daemon's word. The press is a press all the same."""
    spooled = spool.SpooledPress(read_boot_id(), time.monotonic(), time.time(), origin)
    assert resume.press_of(spooled, 1, SystemClock()).origin == "spool"
    spooled = spool.SpooledPress(read_boot_id(), time.monotonic(), time.time(), "button:Knopf f\u00fcr M\u00fctter")
    assert resume.press_of(spooled, 1, SystemClock()).origin == spooled.origin


def test_press_by_command_lies_on_tmpfs_before_anything_waits(tmp_path: Path):
    """Law 6, as one at a button."""

    async def story() -> None:
        presses, decided = made(tmp_path, takes=False)
        presses.count_from(1)
        presses.make("cli")
        assert len(list(tmp_path.rglob("*.json"))) == 1
        assert decided == []

    asyncio.run(story())


def test_file_stays_while_no_disk_has_the_press_and_goes_with_the_callouts_close(tmp_path: Path):
    async def story() -> None:
        presses, decided = made(tmp_path, takes=False)
        path = leave(tmp_path)
        presses.sweep()
        await settle()
        presses.sweep()
        assert [each.name for each in tmp_path.rglob("*.json")] == [path.name]
        assert len(decided) == 1
        presses.forget_all()
        assert not list(tmp_path.rglob("*.json"))

    asyncio.run(story())


def test_press_that_waits_in_the_inbox_while_dispatch_closes_another_callout_keeps_its_file(tmp_path: Path):
    async def story() -> None:
        gate = asyncio.Event()

        async def decide(_event: Happening) -> None:
            await gate.wait()

        presses = Presses(tmp_path, Disk(takes=False), SystemClock(), state=State, decide=decide)  # type: ignore[arg-type]
        presses.count_from(1)
        presses.feel("button:panic", time.monotonic())
        presses.forget_all()
        assert len(list(tmp_path.rglob("*.json"))) == 1
        gate.set()
        await settle()
        presses.forget_all()
        assert list(tmp_path.rglob("*.json")) == []

    asyncio.run(story())


def test_nobody_else_can_see_how_long_the_daemons_own_press_lies_there(tmp_path: Path):
    """Where no disk takes it, that is as long as its callout lives (law 5)."""

    async def story() -> None:
        presses, _ = made(tmp_path, takes=False)
        presses.count_from(1)
        presses.feel("button:first", time.monotonic())
        await settle()
        presses.forget_all()
        before = [(path, path.stat()) for path in (tmp_path, *tmp_path.iterdir())]
        presses.feel("button:panic", time.monotonic())
        assert list(tmp_path.rglob("*.json"))
        await settle()
        presses.forget_all()
        assert not list(tmp_path.rglob("*.json"))
        assert [(path, path.stat()) for path in (tmp_path, *tmp_path.iterdir())] == before
        assert [path.stat().st_mode & 0o077 for path in tmp_path.iterdir()] == [0]

    asyncio.run(story())


def test_whoever_left_a_press_cannot_see_how_long_the_daemon_keeps_it(tmp_path: Path):
    """Nor would `status` of a stopped daemon, which counts what nobody took up. Another process of the same boot finds it."""

    async def story() -> None:
        presses, _ = made(tmp_path, takes=False)
        path = leave(tmp_path)
        presses.sweep()
        await settle()
        seen = [(each, each.stat()) for each in (tmp_path, *tmp_path.iterdir())]
        assert not path.exists()
        (kept,) = spool.take(tmp_path / resume.OWN_NAME)
        assert kept[1].origin == "spool"
        presses.forget_all()
        assert [(each, each.stat()) for each in (tmp_path, *tmp_path.iterdir())] == seen

    asyncio.run(story())


@pytest.mark.parametrize("drill", [False, True])
def test_file_that_cannot_be_removed_is_no_further_press(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drill: bool):  # noqa: FBT001
    def refuse(_path: Path, **_how: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "unlink", refuse)  # a runtime directory that is not ours, or read-only

    async def story() -> None:
        presses, decided = made(tmp_path, takes=True)
        leave(tmp_path, drill=drill)
        presses.count_from(1)
        presses.open_window("button:panic", time.monotonic())
        presses.take_back("button:panic")
        for _ in range(3):
            presses.sweep()
            await settle()
        assert len(decided) == (not drill)

    asyncio.run(story())


def test_file_goes_once_the_disk_has_taken_the_press_after_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "AGAIN_S", 0.0)

    async def story() -> None:
        presses, decided = made(tmp_path, takes=True, ill=2)
        path = leave(tmp_path)
        presses.sweep()
        await settle()
        assert not path.exists()
        assert len(decided) == 1

    asyncio.run(story())


def test_drill_never_starts_from_a_file(tmp_path: Path):
    async def story() -> None:
        presses, decided = made(tmp_path, takes=True)
        path = leave(tmp_path, drill=True)
        presses.sweep()
        await settle()
        assert decided == []
        assert not path.exists()

    asyncio.run(story())


def test_file_that_only_looks_like_a_press_stops_nobody(tmp_path: Path):
    async def story() -> None:
        presses, decided = made(tmp_path, takes=True)
        (tmp_path / "1.json").write_text(f'{{"boot_id": "b", "at": 1{"0" * 400}, "wall": 1.0, "origin": "cli"}}')
        presses.sweep()
        await settle()
        assert decided == []

    asyncio.run(story())


@pytest.mark.parametrize("window", [False, True])
def test_press_from_before_the_recovery_is_not_found_again_by_it(tmp_path: Path, window: bool):  # noqa: FBT001
    """It lies among what the last process left, and its window, if it has one, is open."""

    async def story() -> None:
        presses, decided = made(tmp_path, takes=True)
        (presses.open_window if window else presses.feel)("button:panic", time.monotonic())
        assert presses.waiting is not window
        own = tmp_path / resume.OWN_NAME
        ((path, spooled),) = spool.take(own)
        presses.count_from(7)
        presses.take_up(path, spooled)
        await settle()
        assert [event.press.number for event in decided if isinstance(event, Pressed)] == ([] if window else [8])
        assert not presses.waiting

    asyncio.run(story())


def test_presses_and_notes_of_before_the_store_are_kept_once_it_is_there(tmp_path: Path):
    """A finger is felt before the store is: what is to be kept of it waits."""

    async def story() -> None:
        decided: list[Happening] = []

        async def decide(event: Happening) -> None:
            decided.append(event)

        presses, disk = Presses(tmp_path, None, SystemClock(), state=State, decide=decide), Disk(takes=True)
        presses.write_behind(NoteKept("level:panic", "inactive"))
        presses.feel("button:panic", time.monotonic())
        presses.write_behind(NoteKept("level:panic", "active"))
        presses.remember(disk)  # type: ignore[arg-type]
        assert disk.kept == [], "a note that says that a press was made goes behind it"
        presses.count_from(0)
        await settle()
        assert [type(event) for event in decided] == [Pressed]
        assert disk.kept == [NoteKept("level:panic", "inactive"), NoteKept("level:panic", "active")]

    asyncio.run(story())
