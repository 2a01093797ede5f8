"""Not armed reaches a person: the lamp at once, the owner's program once it has lasted, at its beginning and at its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from agent.arming import NOTE, Arming
from agent.health import Conditions, Origin
from agent.hooks import Hook
from agent.kept import NoteKept, Write

REASON = {"code": "position.none", "severity": "critical", "since": None, "text": "a raise would carry no position", "hint": "see the sky"}


class Clock:
    """Shows what it is told to."""

    now_at = 100.0

    def at(self) -> float:
        return self.now_at

    def wall(self) -> float:
        return 1.8e9 + self.now_at

    def trusted(self) -> bool:
        return True


class Paper:
    """A store of notes."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    def step(self, *writes: Write) -> Awaitable[None]:
        self.notes |= {write.name: write.value for write in writes if isinstance(write, NoteKept)}
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Device:
    """One whose armed is set by hand; its owner's program writes down what it is told. A `restart` begins the next process."""

    def __init__(self, folder: Path, *, hook: bool = True) -> None:
        self.told_path = folder / "told"
        script = folder / "tell.sh"
        script.write_text(f"cat >> {self.told_path}; echo >> {self.told_path}\n")
        self.command = ("/bin/sh", str(script)) if hook else ()
        self.clock, self.paper, self.conditions, self.lamp = Clock(), Paper(), Conditions(), [False]
        self.armed = False
        self.restart()

    def restart(self) -> None:
        self.hook = Hook(self.command, self.clock, self.conditions, origin=Origin.DEVICE)
        light, kept = self.lamp.append, dict(self.paper.notes)
        self.of = Arming(self.hook, light, self.paper, self.clock, document=self.document, kept=kept.get)  # type: ignore[arg-type]
        self.of._told = kept.get(NOTE) != "yes"

    def document(self) -> dict[str, Any]:
        return {"armed": self.armed, "conditions": [] if self.armed else [REASON], "fix": {"latitude": -33.9}}

    async def lasts(self, seconds: int, *, armed: bool) -> None:
        """So long it is so, looked at every second."""
        self.armed = armed
        for _ in range(seconds):
            self.of.look()
            self.clock.now_at += 1.0
        if self.hook.running is not None:
            await self.hook.running

    def told(self) -> list[Any]:
        return [json.loads(line) for line in self.told_path.read_text().splitlines() if line] if self.told_path.exists() else []


async def test_lamp_follows_at_once_and_the_program_is_told_what_lasts(tmp_path: Path) -> None:
    device = Device(tmp_path)
    await device.lasts(30, armed=False)
    assert device.told() == [], "a start is no news"
    await device.lasts(5, armed=True)
    assert device.lamp[-1] is True
    await device.lasts(31, armed=False)
    assert device.lamp[-1] is False
    assert device.told() == [{"event": "not_armed", "armed": False, "conditions": [REASON]}]
    await device.lasts(600, armed=False)
    assert len(device.told()) == 1, "once"
    await device.lasts(29, armed=True)
    await device.lasts(1, armed=False)
    await device.lasts(31, armed=True)
    assert device.told()[1:] == [{"event": "not_armed", "armed": True, "conditions": []}]


async def test_end_is_told_though_another_process_sees_it(tmp_path: Path) -> None:
    """Whoever lit a lamp of the owner's at the beginning has to put it out."""
    device = Device(tmp_path)
    await device.lasts(31, armed=False)
    device.restart()
    await device.lasts(60, armed=False)
    assert len(device.told()) == 1, "it was told already"
    device.restart()
    await device.lasts(31, armed=True)
    assert [each["armed"] for each in device.told()] == [False, True]
    device.restart()
    await device.lasts(60, armed=True)
    assert len(device.told()) == 2


async def test_without_a_program_only_the_lamp_says_it(tmp_path: Path) -> None:
    device = Device(tmp_path, hook=False)
    await device.lasts(60, armed=False)
    assert device.paper.notes == {}
    assert device.lamp[-1] is False


async def test_program_that_fails_is_a_condition_of_the_device(tmp_path: Path) -> None:
    """After a cancel, too: it is the same as in standby."""
    device = Device(tmp_path)
    device.command = ("/bin/false",)
    device.restart()
    await device.lasts(31, armed=False)
    assert [each.code for each in device.conditions.shown(calm=True)] == ["hook.failed"]


async def test_program_that_fails_is_run_again_until_it_has_told(tmp_path: Path) -> None:
    """Without a network a message cannot go out either: what nobody heard is no news that was told. Ever more seldom."""
    device = Device(tmp_path)
    sound = device.command
    counted = tmp_path / "count.sh"
    counted.write_text(f"echo >> {tmp_path}/runs; exit 1\n")
    device.command = ("/bin/sh", str(counted))
    device.restart()
    for _ in range(24 * 60):
        await device.lasts(60, armed=False)
    assert 20 <= len((tmp_path / "runs").read_text()) <= 40
    counted.write_text(Path(sound[1]).read_text())
    await device.lasts(29, armed=True)
    assert device.told() == []
    await device.lasts(5, armed=True)
    assert [each["armed"] for each in device.told()] == [True], "nobody knows how far the failed ones came"
    counted.write_text("exit 1")
    await device.lasts(31, armed=False)
    device.command = sound
    device.restart()
    await device.lasts(31, armed=False)
    assert [each["armed"] for each in device.told()] == [True, False], "it was not told yet"
    await device.lasts(3_600, armed=False)
    assert len(device.told()) == 2


async def test_lamp_is_dark_when_nobody_looks_any_more(tmp_path: Path) -> None:
    device = Device(tmp_path)
    device.armed = True
    running = asyncio.ensure_future(device.of.run())
    async with asyncio.timeout(5):
        while not device.lamp[-1]:  # noqa: ASYNC110 - a list does not ring
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert device.lamp[-1] is False
