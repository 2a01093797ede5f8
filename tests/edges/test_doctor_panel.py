"""Buttons by the doctor: read on a played chip while no daemon runs, by the daemon's word while one does; a touch there is no press."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.cli import doctor_panel
from agent.cli.doctor_step import Daemon, Scene, State, Step
from agent.config import Button, Indicator
from hardware.played_chip import PlayedChip

LINE, LAMP = 5, 8


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finger of a test lets go sooner."""
    monkeypatch.setattr(doctor_panel, "LET_GO_S", 0.4)


def scene_of(chip: Path, *, daemon: Daemon = Daemon.DOWN, conditions: tuple[tuple[str, str], ...] = ()) -> Scene:
    lamp = Indicator(chip=str(chip), lamp_line=LAMP)
    config: Any = argparse.Namespace(buttons=(Button(name="panic", chip=str(chip), line=LINE),), indicator=lamp, keypad=None)
    told = {"conditions": [{"code": code, "severity": "critical", "text": text, "hint": "do this"} for code, text in conditions]}
    return Scene(argparse.Namespace(), config=config, daemon=daemon, told=told if daemon is Daemon.ANSWERS else {})


def felt(scene: Scene) -> Step:
    (step,) = asyncio.run(doctor_panel.buttons(scene))
    return step


def on_a_chip(tmp_path: Path, story: Any) -> Any:
    async def played() -> Any:
        async with PlayedChip(tmp_path / "chip") as chip:
            return await story(chip)

    return asyncio.run(played())


async def until(so: Callable[[], bool]) -> None:
    """Until it is so, at most 5 s."""
    async with asyncio.timeout(5):
        while not so():  # noqa: ASYNC110 - the chip tells nobody who holds a line
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("pressed", "state", "word"), [(False, State.OK, "released"), (True, State.FAIL, "stuck")])
def test_level_of_now_is_read_where_no_daemon_runs(tmp_path: Path, state: State, word: str, *, pressed: bool):
    """And the line is given back."""

    async def story(chip: PlayedChip) -> Step:
        if pressed:
            chip.press(LINE)
        (step,) = await doctor_panel.buttons(scene_of(tmp_path / "chip"))
        await until(lambda: chip.holder(LINE) is None)
        return step

    step = on_a_chip(tmp_path, story)
    assert (step.state, word in step.seen) == (state, True)
    assert ('active = "high"' in step.do) is pressed


def test_chance_touch_that_lets_go_is_no_stuck_button(tmp_path: Path):
    """It is looked at for a moment."""

    async def story(chip: PlayedChip) -> Step:
        chip.press(LINE)
        asyncio.get_running_loop().call_later(0.2, chip.release, LINE)
        (step,) = await doctor_panel.buttons(scene_of(tmp_path / "chip"))
        return step

    assert on_a_chip(tmp_path, story).state is State.OK


def test_chip_that_is_not_there_and_line_that_another_holds_are_told(tmp_path: Path):
    """In the words of the adapters, with what is lost."""
    missing = felt(scene_of(tmp_path / "none"))
    assert (missing.state, "does not exist" in missing.seen, missing.means) == (State.FAIL, True, doctor_panel.NOT_FELT)

    async def story(chip: PlayedChip) -> Step:
        holding = asyncio.create_task(doctor_panel._feel(Button(name="other", chip=str(tmp_path / "chip"), line=LINE)))
        chip.press(LINE)  # it looks at a pressed line for longer
        await until(lambda: chip.holder(LINE) is not None)
        (step,) = await doctor_panel.buttons(scene_of(tmp_path / "chip"))
        await holding
        return step

    busy = on_a_chip(tmp_path, story)
    assert (busy.state, "held by another" in busy.seen) == (State.FAIL, True)


@pytest.mark.parametrize("daemon", [Daemon.SILENT, Daemon.FORBIDDEN])
def test_line_of_a_daemon_that_cannot_be_asked_is_left_alone(tmp_path: Path, daemon: Daemon):
    """It may hold it: a line has one owner."""

    async def story(chip: PlayedChip) -> Step:
        (step,) = await doctor_panel.buttons(scene_of(tmp_path / "chip", daemon=daemon))
        assert chip.holder(LINE) is None
        return step

    assert on_a_chip(tmp_path, story).state is State.SKIPPED


@pytest.mark.parametrize(
    ("conditions", "state", "means"),
    [
        ((), State.OK, ""),
        ((("button.stuck", "button 'panic' does not let go"),), State.FAIL, doctor_panel.STUCK),
        ((("button.busy", "panic: line 5 of x for the button: held"),), State.FAIL, doctor_panel.NOT_FELT),
        ((("button.busy", "medic: line 6 of x for the button: held"),), State.OK, ""),
        ((("button.unproven", "not read yet"),), State.FAIL, doctor_panel.NOT_FELT),
    ],
)
def test_daemon_is_asked_about_its_own_button(tmp_path: Path, conditions: tuple[tuple[str, str], ...], state: State, means: str):
    """Nothing is opened: what is said of this very button counts."""
    step = felt(scene_of(tmp_path / "none", daemon=Daemon.ANSWERS, conditions=conditions))
    assert (step.state, step.means) == (state, means)


def test_lamp_is_never_driven(tmp_path: Path):
    """What it shows must stay true, whoever looks."""

    async def story(chip: PlayedChip) -> Step:
        step = await doctor_panel.lamp(scene_of(tmp_path / "chip"))
        assert chip.history(LAMP) == []
        return step

    assert on_a_chip(tmp_path, story).state is State.SKIPPED
    told = asyncio.run(doctor_panel.lamp(scene_of(tmp_path / "chip", daemon=Daemon.ANSWERS, conditions=(("indicator.busy", "held"),))))
    assert told.state is State.FAIL
