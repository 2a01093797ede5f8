"""The owner's program is told when help cannot be reached: in time, each minute, with position and press, and never while calm."""

from __future__ import annotations

import asyncio
import json
import os
import select
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent import hooks
from agent.health import Conditions, Origin
from agent.model import Place, Press, Quality
from agent.signals import Phase, State
from agent.unreachable import EVERY_S, Unreachable, document

PLACE = Place(-33.9249, 18.4241, 12.0, Quality.STORED, 1_780_000_000.0)
PRESS = Press(3, 1_000.0, 1_780_000_060.0, "button:panic")
RAISING = State(phase=Phase.RAISING, owed=(PRESS,), press_number=3)
ACTIVE = State(phase=Phase.ACTIVE, callout_id=9, press_number=3)


@dataclass
class Hand:
    """A clock that is set by hand."""

    now: float = 1_000.0

    def at(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_780_000_060.0 - 1_000.0 + self.now

    def trusted(self) -> bool:
        return True


def program(folder: Path, body: str) -> tuple[str, str]:
    """A shell script that the hook runs."""
    path = folder / "hook.sh"
    path.write_text(body)
    return "/bin/sh", str(path)


class Rig:
    """An Unreachable whose program appends its input to a file."""

    def __init__(self, folder: Path, *, after_s: float = 60.0, body: str = "cat >> {log}\n") -> None:
        self.log = folder / "told"
        self.log.touch()
        self.clock, self.conditions = Hand(), Conditions()
        command = program(folder, body.format(log=self.log))
        self.of = Unreachable(command, after_s, self.clock, self.conditions, place=lambda: PLACE)

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    async def look(self, state: State, at: float) -> None:
        """Look at a moment, and wait for a program that runs."""
        self.clock.now = at
        self.of.look(state)
        running = self.of._hook.running
        if running is not None:
            await asyncio.wait({running})
            await asyncio.sleep(0)


def run(story: Callable[[], Any]) -> None:
    asyncio.run(story())


def test_program_is_told_after_the_time_set_then_each_minute_until_accepted(tmp_path: Path):
    async def story() -> None:
        rig = Rig(tmp_path)
        await rig.look(RAISING, 1_001.0)
        await rig.look(RAISING, 1_059.9)
        assert rig.told() == []
        await rig.look(RAISING, 1_060.0)
        await rig.look(RAISING, 1_061.0)
        assert len(rig.told()) == 1
        await rig.look(RAISING, 1_060.0 + EVERY_S)
        assert len(rig.told()) == 2
        await rig.look(ACTIVE, 1_061.0 + EVERY_S)
        await rig.look(ACTIVE, 9_000.0)
        assert len(rig.told()) == 2
        again = replace(RAISING, owed=(replace(PRESS, at=9_000.0, number=4),))
        await rig.look(again, 9_030.0)
        assert len(rig.told()) == 2, "a new press counts anew"
        await rig.look(again, 9_060.0)
        assert len(rig.told()) == 3

    run(story)


def test_input_is_press_time_and_best_position_as_numbers_and_as_a_sentence(tmp_path: Path):
    async def story() -> None:
        rig = Rig(tmp_path)
        await rig.look(RAISING, 1_001.0)
        await rig.look(RAISING, 1_120.0)
        (told,) = rig.told()
        assert told["event"] == "unreachable"
        assert told["press_time"] == "2026-05-28T20:27:40Z"
        assert told["press_age_s"] == 120
        assert told["origin"] == "button:panic"
        assert told["position"] == {
            "latitude": -33.9249,
            "longitude": 18.4241,
            "accuracy_m": 12,
            "source": "stored",
            "time": "2026-05-28T20:26:40Z",
            "age_s": 180,
        }
        assert "2026-05-28T20:27:40Z" in told["text"]
        assert "-33.92490, 18.42410" in told["text"]

    run(story)


def test_without_any_position_it_says_so():
    told = document(PRESS, None, now_at=PRESS.at + 60, now_wall=PRESS.wall + 60)
    assert told["position"] is None
    assert "Position unknown" in told["text"]


def test_press_from_before_the_clock_was_set_is_told_by_its_age():
    """Law 9: no SMS speaks of 1970, or of a button that was pressed half a century ago."""
    told = document(replace(PRESS, wall=300.0, wall_trusted=False), None, now_at=PRESS.at + 120, now_wall=PRESS.wall + 120)
    assert (told["press_time"], told["press_age_s"]) == ("2026-05-28T20:27:40Z", 120)
    assert told["text"].startswith("Emergency button pressed; dispatch could not be reached for 2 min.")


def test_calm_device_tells_nobody_and_ends_a_siren_that_sounds(tmp_path: Path):
    """Law 5: whatever goes on inside."""

    async def story() -> None:
        rig = Rig(tmp_path, body=f"echo $$ > {tmp_path}/siren\ncat >> {{log}}\nexec sleep 600\n")
        rig.clock.now = 1_001.0
        rig.of.look(RAISING)
        rig.clock.now = 1_060.0
        rig.of.look(RAISING)
        async with asyncio.timeout(10):
            while not rig.told():  # noqa: ASYNC110 - another process writes the file
                await asyncio.sleep(0.01)
        running = rig.of._hook.running
        assert running is not None
        rig.of.look(replace(RAISING, calm=True))
        async with asyncio.timeout(5):
            await asyncio.wait({running})
        assert await asyncio.to_thread(ended, int((tmp_path / "siren").read_text())), "it is the sound that has to end"
        for at in (1_200.0, 5_000.0):
            await rig.look(replace(RAISING, calm=True), at)
        assert len(rig.told()) == 1

    run(story)


def test_program_that_runs_when_a_raise_is_accepted_may_finish(tmp_path: Path):
    """An SMS that is half sent helps nobody."""

    async def story() -> None:
        rig = Rig(tmp_path, body='cat >> {log}\nsleep 0.2\necho \'{{"event": "done"}}\' >> {log}\n')
        await rig.look(RAISING, 1_001.0)
        rig.clock.now = 1_060.0
        rig.of.look(RAISING)
        await rig.look(ACTIVE, 1_061.0)
        assert [told["event"] for told in rig.told()] == ["unreachable", "done"]

    run(story)


def test_drill_summons_nobody(tmp_path: Path):
    async def story() -> None:
        rig = Rig(tmp_path)
        drill = replace(RAISING, owed=(replace(PRESS, drill=True),), drill=True)
        await rig.look(drill, 1_001.0)
        await rig.look(drill, 5_000.0)
        assert rig.told() == []

    run(story)


def test_press_of_before_a_restart_is_told_soon_not_a_minute_later(tmp_path: Path):
    async def story() -> None:
        rig = Rig(tmp_path)
        old = replace(RAISING, owed=(replace(PRESS, at=0.0),))
        await rig.look(old, 1_001.0)
        assert rig.told() == [], "this process has only begun to raise"
        await rig.look(old, 1_010.0)
        assert len(rig.told()) == 1

    run(story)


def test_program_that_fails_is_a_condition_and_is_told_again(tmp_path: Path):
    async def story() -> None:
        rig = Rig(tmp_path, body="exit 3\n")
        await rig.look(RAISING, 1_001.0)
        await rig.look(RAISING, 1_060.0)
        (condition,) = rig.conditions.shown(calm=False)
        assert condition.code == "hook.failed"
        assert "status 3" in condition.text
        assert rig.conditions.shown(calm=True) == (), "it would tell that a raise goes on"
        program(tmp_path, "exit 0\n")
        await rig.look(RAISING, 1_120.0)
        assert rig.conditions.shown(calm=False) == ()
        assert not any(rig.conditions._kept.get(("hook.failed", origin)) for origin in Origin)

    run(story)


def test_hook_gets_no_secret_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/secret-place")
    monkeypatch.setenv("NOTIFY_SOCKET", "/secret-place")
    command = program(tmp_path, f"env > {tmp_path}/env\n")
    assert asyncio.run(hooks.run(command, {})) is None
    assert "secret-place" not in (tmp_path / "env").read_text()


def test_hook_that_never_ends_is_ended_with_what_it_started(tmp_path: Path):
    command = program(tmp_path, f"sleep 600 &\necho $! > {tmp_path}/child\nwait\n")
    failed = asyncio.run(hooks.run(command, {}, limit_s=1.0))
    assert failed is not None
    assert "did not end" in failed
    child = int((tmp_path / "child").read_text())
    assert ended(child)


def test_hook_runs_one_thing_at_a_time_and_one_that_is_ended_has_not_ended_by_itself(tmp_path: Path):
    """What waits for its end would otherwise be told behind a cancel."""

    async def story() -> None:
        conditions, log, by_itself = Conditions(), tmp_path / "told", asyncio.Event()
        hook = hooks.Hook(program(tmp_path, f"cat >> {log}\nexec sleep 600\n"), Hand(), conditions)
        hook.start({"text": "one"}, by_itself.set)
        hook.start({"text": "two"}, by_itself.set)
        running = hook.running
        assert running is not None
        async with asyncio.timeout(10):
            while not (log.exists() and log.read_text()):  # noqa: ASYNC110 - another process writes the file
                await asyncio.sleep(0.01)
        hook.end()
        await asyncio.wait({running})
        await asyncio.sleep(0)
        assert (hook.running, by_itself.is_set(), conditions.shown(calm=False)) == (None, False, ())
        assert log.read_text() == '{"text": "one"}\n'

    run(story)


def test_hook_that_succeeds_mends_no_other_that_failed(tmp_path: Path):
    async def story() -> None:
        conditions = Conditions()
        for command in (("/bin/false",), ("/bin/true",)):
            ended_by_itself = asyncio.Event()
            hooks.Hook(command, Hand(), conditions).start({}, ended_by_itself.set)
            await asyncio.wait_for(ended_by_itself.wait(), 10)
        assert [each.code for each in conditions.shown(calm=False)] == ["hook.failed"]

    run(story)


def test_hook_that_leaves_and_does_not_read_is_no_trouble(tmp_path: Path):
    command = program(tmp_path, "exec <&-\nexit 0\n")
    assert asyncio.run(hooks.run(command, {"text": "x" * 200_000})) is None


def test_hook_that_cannot_be_run_says_why(tmp_path: Path):
    failed = asyncio.run(hooks.run((str(tmp_path / "nothing"),), {}))
    assert failed is not None
    assert "No such file" in failed


def ended(pid: int) -> bool:
    """Whether a process has ended, or does so within 5 s: it was killed, and the kernel takes its time."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 5)[0])
    finally:
        os.close(process)
