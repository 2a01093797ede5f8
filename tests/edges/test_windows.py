"""Presses at a button across crashes: abort windows that a restart makes a press, and presses made before the start is recovered from."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from devices import CUSTOMER, URL, Fused, Hanging, device, run, stored

from agent import recovery, resume, spool
from agent.identity import read_boot_id
from agent.kept import CalloutKept, CalloutRecord, NoteKept, PressMade
from agent.model import Asked, Callout, Meaning, Outcome, Press, SafeCode
from agent.presses import WINDOW_NOTE
from agent.signals import CancelAsked, Phase, RaiseReplied

ORIGIN = "button:panic"


@pytest.mark.parametrize("power_cut", [False, True])
def test_restart_inside_a_window_is_one_press_of_its_gesture(tmp_path: Path, power_cut: bool):  # noqa: FBT001
    async def story() -> None:
        at = time.monotonic()
        async with device(tmp_path) as first:
            await first.recover()
            first.presses.open_window(ORIGIN, at, response_type_id=2)
            await stored(first)
            assert first.owed == (), "not a press yet"
        if power_cut:
            shutil.rmtree(tmp_path / "run")
        for _ in range(2):  # and a further restart makes no second one
            async with device(tmp_path) as again:
                await again.recover()
                await again.until(lambda again=again: again.owed)
                await stored(again)
                (press,) = again.owed
                assert (press.origin, press.response_type_id) == (ORIGIN, 2)
                assert abs(press.at - at) < 0.001

    run(story)


@pytest.mark.parametrize("power_cut", [False, True])
def test_window_that_was_taken_back_never_was_a_press(tmp_path: Path, power_cut: bool):  # noqa: FBT001
    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            first.presses.open_window(ORIGIN, time.monotonic())
            first.presses.sweep()
            first.presses.take_back(ORIGIN)
            await stored(first)
        if power_cut:
            shutil.rmtree(tmp_path / "run")
        async with device(tmp_path) as again:
            await again.recover()
            again.presses.sweep()
            again.presses.feel(ORIGIN, time.monotonic())  # what comes after it in the inbox
            await again.until(lambda: again.owed)
            assert len(again.owed) == 1

    run(story)


@pytest.mark.parametrize("power_cut", [False, True])
def test_confirmed_window_is_one_press_and_stays_one_after_a_restart(tmp_path: Path, power_cut: bool):  # noqa: FBT001
    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            first.presses.open_window(ORIGIN, time.monotonic())
            first.presses.sweep()  # once a second: the file of an open window is not somebody else's press
            first.presses.confirm(ORIGIN)
            first.presses.confirm(ORIGIN)
            await first.until(lambda: first.owed)
            await stored(first)
            assert len(first.owed) == 1
        if power_cut:
            shutil.rmtree(tmp_path / "run")
        async with device(tmp_path) as again:
            await again.recover()
            await again.until(lambda: again.owed)
            await stored(again)
            assert len(again.owed) == 1

    run(story)


@pytest.mark.parametrize("commits", range(4))
def test_power_cut_behind_any_commit_of_a_confirmation_loses_no_press(tmp_path: Path, commits: int):
    async def story() -> None:
        async with device(tmp_path, fused := Fused(tmp_path / "agent.db")) as first:
            await first.recover()
            first.presses.open_window(ORIGIN, time.monotonic())
            await stored(first)
            fused.left = commits
            first.presses.confirm(ORIGIN)
            await first.until(lambda: first.owed)
            await stored(first)
        for _ in range(2):  # the window is taken up by the first start; power goes again before its press is raised
            shutil.rmtree(tmp_path / "run", ignore_errors=True)
            async with device(tmp_path, fused := Fused(tmp_path / "agent.db")) as again:
                fused.left = commits
                await again.recover()
                await again.until(lambda again=again: again.owed)
                await stored(again)
                assert {press.origin for press in again.owed} == {ORIGIN}

    run(story)


def test_confirmed_window_that_the_store_still_notes_is_no_second_press(tmp_path: Path):
    """The process ended between the press and the end of its note; the press's file is gone already."""

    async def story() -> None:
        async with device(tmp_path, fused := Fused(tmp_path / "agent.db")) as first:
            await first.recover()
            first.presses.open_window(ORIGIN, time.monotonic())
            await stored(first)
            fused.left = 1
            first.presses.confirm(ORIGIN)
            await first.until(lambda: first.owed)
            await stored(first)
        shutil.rmtree(tmp_path / "run")
        async with device(tmp_path) as again:
            await again.recover()
            assert again.recovery.note(f"{WINDOW_NOTE}{ORIGIN}"), "the rig: the note was to be left"
            again.presses.feel("button:other", time.monotonic())  # what comes after it in the inbox
            await again.until(lambda: again.owed and again.owed[-1].origin == "button:other")
            assert [press.origin for press in again.owed] == [ORIGIN, "button:other"]

    run(story)


def test_confirmed_window_is_no_further_press_after_a_reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of another boot nobody could tell that its press is known: its note has to be over."""

    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            first.presses.open_window(ORIGIN, time.monotonic())
            first.presses.confirm(ORIGIN)
            await first.until(lambda: first.owed)
            await stored(first)
        monkeypatch.setattr("agent.presses.read_boot_id", lambda: "another boot")
        async with device(tmp_path) as again:
            await again.recover()
            again.presses.feel("button:other", time.monotonic())
            await again.until(lambda: again.owed and again.owed[-1].origin == "button:other")
            assert [press.origin for press in again.owed] == [ORIGIN, "button:other"]

    run(story)


def test_window_that_opens_while_the_last_ones_is_taken_up_is_kept_like_any_other(tmp_path: Path):
    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            first.presses.open_window(ORIGIN, time.monotonic())
            await stored(first)
        async with device(tmp_path) as again:
            recovering = asyncio.create_task(again.recover())
            await asyncio.sleep(0)  # it has read the runtime directory
            again.presses.open_window(ORIGIN, time.monotonic())
            await recovering
            await again.until(lambda: again.owed)
            await stored(again)
            assert len(again.owed) == 1
        shutil.rmtree(tmp_path / "run")
        async with device(tmp_path) as last:
            await last.recover()
            await last.until(lambda: len(last.owed) == 2)

    run(story)


def test_press_that_starts_on_a_hung_disk_number_anew_stays_one_and_is_settled_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recovery, "OPEN_STORE_S", 0.01)

    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            first.presses.feel(ORIGIN, time.monotonic())
            await first.until(lambda: first.owed)
            await stored(first)
        for number in range(3):
            async with device(tmp_path, hanging := Hanging(tmp_path / "agent.db")) as again:
                await again.recover()
                again.presses.feel(f"button:{number}", time.monotonic())
                await again.until(lambda again=again: again.owed)
                hanging.go.set()
                assert again.late is not None
                await again.late
                await stored(again)
                assert len(again.owed) == 2 + number
        accepted = Outcome(Asked.RAISE, Meaning.ACCEPTED, "ok", callout=Callout(7, "created"))
        async with device(tmp_path) as last:
            await last.recover()
            await last.until(lambda: len(last.owed) == 4)
            number = last.decider.state.press_number
            await last.decider.decide(RaiseReplied(accepted, number, drill=False, at=1.0, wall=1.0))
            assert last.owed == ()
            await stored(last)
        async with device(tmp_path) as over:
            await over.recover()
            assert over.owed == ()

    run(story)


def test_drill_window_is_not_kept_across_a_restart(tmp_path: Path):
    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            first.presses.open_window(ORIGIN, time.monotonic(), drill=True)
            await stored(first)
        async with device(tmp_path) as again:
            await again.recover()
            again.presses.feel("button:other", time.monotonic())
            await again.until(lambda: again.owed)
            assert [press.origin for press in again.owed] == ["button:other"]

    run(story)


def test_press_inside_the_window_of_a_drill_leaves_no_drill_behind(tmp_path: Path):
    async def story() -> None:
        async with device(tmp_path) as of:
            await of.recover()
            of.presses.open_window(ORIGIN, time.monotonic(), drill=True)
            of.presses.feel(ORIGIN, time.monotonic())
            of.presses.confirm(ORIGIN)
            await of.until(lambda: of.owed)
            of.presses.feel("button:other", time.monotonic())
            await of.until(lambda: len(of.owed) == 2)
            assert [press.drill for press in of.owed] == [False, False]

    run(story)


def test_window_whose_record_cannot_be_read_is_a_press_of_now(tmp_path: Path):
    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            await first.store.step(NoteKept(f"window:{ORIGIN}", '{"at": 3'))
        async with device(tmp_path) as again:
            await again.recover()
            await again.until(lambda: again.owed)
            (press,) = again.owed
            assert press.origin == ORIGIN
            assert time.monotonic() - press.at < 5

    run(story)


def test_press_before_the_recovery_waits_for_no_hung_database_and_lies_on_tmpfs_meanwhile(tmp_path: Path):
    async def story() -> None:
        async with device(tmp_path, hanging := Hanging(tmp_path / "agent.db")) as early:
            recovering = asyncio.create_task(early.recover())
            began = time.monotonic()
            early.presses.feel(ORIGIN, began)
            assert len(list(early.runtime.rglob("*.json"))) == 1
            await early.until(lambda: early.owed)
            assert time.monotonic() - began < 1.0
            await recovering
            hanging.go.set()

    run(story)


def test_press_before_the_recovery_is_made_though_tmpfs_takes_nothing(tmp_path: Path):
    (tmp_path / "run").write_text("not a directory")

    async def story() -> None:
        async with device(tmp_path) as of:
            of.presses.feel(ORIGIN, time.monotonic())
            await of.recover()
            await of.until(lambda: of.owed)
            assert [press.origin for press in of.owed] == [ORIGIN]

    run(story)


@pytest.mark.parametrize("windowed", [False, True])
def test_press_before_the_recovery_joins_the_callout_that_was_open_and_gets_a_number_of_its_own(tmp_path: Path, windowed: bool):  # noqa: FBT001
    record = CalloutRecord(7, URL, CUSTOMER, "cancelling", calm=True, origin="cli", drill=False, raised_wall=time.time(), press_number=41)

    async def story() -> None:
        async with device(tmp_path) as first:
            await first.recover()
            old = Press(41, time.monotonic(), time.time(), "cli")
            await first.store.step(PressMade(old), CalloutKept(replace(record, phase="active", calm=False)), CalloutKept(record))
        async with device(tmp_path) as again:
            if windowed:
                again.presses.open_window(ORIGIN, time.monotonic())
                again.presses.confirm(ORIGIN)
            else:
                again.presses.feel(ORIGIN, time.monotonic())
            await again.recover()
            await again.until(lambda: any(press.origin == ORIGIN for press in again.owed))
            state = again.decider.state
            assert state.callout_id == 7
            assert state.phase is Phase.ACTIVE
            assert not state.calm, "a press ends the calm"
            assert state.press_number > 41

    run(story)


@pytest.mark.parametrize("late", [False, True])
def test_press_that_no_disk_took_stays_cancelled_after_a_restart_and_one_that_came_later_does_not(tmp_path: Path, late: bool):  # noqa: FBT001
    """Law 5 on a card that became read-only: the press and the cancel lie on tmpfs alone."""

    def store() -> Fused | Hanging:
        made = Hanging(tmp_path / "agent.db") if late else Fused(tmp_path / "agent.db")
        if isinstance(made, Fused):
            made.left = 0
        return made

    async def story() -> None:
        async with device(tmp_path, store()) as first:
            recovering = asyncio.create_task(first.recover())
            first.presses.feel(ORIGIN, time.monotonic())
            await recovering
            await first.until(lambda: first.owed)
            await first.decider.decide(CancelAsked(SafeCode("0042")))
            resume.keep_calm(first.runtime, calm=True, at=time.monotonic())
        assert list(first.runtime.glob("*.json")) == [], "nobody else may see for how long it lies there"
        for _ in range(2):
            async with device(tmp_path, store()) as again:
                await again.recover()
                await again.until(lambda again=again: again.owed)
                assert len(again.owed) == 1
                assert again.decider.state.calm
                resume.keep_calm(again.runtime, calm=True, at=time.monotonic())
        spool.put(again.runtime, spool.SpooledPress(read_boot_id(), time.monotonic(), time.time(), "spool"))
        async with device(tmp_path, store()) as again:
            await again.recover()
            await again.until(lambda again=again: len(again.owed) == 2)
            assert not again.decider.state.calm

    run(story)
