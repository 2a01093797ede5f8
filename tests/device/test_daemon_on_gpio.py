"""The real daemon on a kernel's own GPIO lines and key device: what the wearer does, what dispatch gets, what the lamp line shows."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from stage import CODE_RIGHT, CODE_WRONG, Stage, codes, driving

from hardware.input_device import open_device
from hardware.played_keypad import NAMES
from tests.hardware.gpio_rigs import BUTTON, LAMP, SimChip, eventually
from tests.hardware.keypad_rigs import UinputRig

HOLD_S = 0.5
STEADY_S = 2.5  # longer than any light is on that blinks


@contextlib.asynccontextmanager
async def worn(folder: Path) -> AsyncIterator[tuple[Stage, SimChip]]:
    """A device with a button that connects to ground, and a lamp; the agent is not started."""
    chip = f'chip = "{folder / "chip"}"'
    async with driving(folder) as (stage, _):
        with SimChip(folder / "chip") as sim:
            # A simulated line has one pull for bias and finger: asking for a bias would let the button go.
            stage.more = f"""
[[button]]
name = "panic"
{chip}
line = {BUTTON}
bias = "as-is"
hold_s = {HOLD_S}

[indicator]
{chip}
lamp_line = {LAMP}
"""
            yield stage, sim


async def until_steady(chip: SimChip) -> None:
    """The lamp is on and stays on: dispatch has the callout."""
    await eventually(lambda: chip.history(LAMP)[-1][1] and time.monotonic() - chip.history(LAMP)[-1][0] > STEADY_S, 20)


async def press(chip: SimChip, stage: Stage, earlier: int = 0) -> None:
    """Hold the button until dispatch has one callout more, and only one."""
    chip.press(BUTTON)
    all_ = await stage.until(stage.callouts, lambda seen: len(seen) > earlier and seen[-1]["positions"], 20, "a callout")
    chip.release(BUTTON)
    assert len(all_) == earlier + 1


def test_hold_raises_and_the_lamp_line_says_that_dispatch_has_it_until_dispatch_closes_it(tmp_path: Path):
    async def story() -> None:
        async with worn(tmp_path) as (stage, chip):
            await stage.start()
            status = await stage.until_armed()
            assert not [told for told in codes(status) if told.startswith(("button.", "indicator."))]
            assert [lit for _, lit in chip.history(LAMP)] == [False]
            await press(chip, stage)
            await until_steady(chip)
            (callout,) = await stage.callouts()
            assert (await stage.status())["callout"]["origin"] == "button"
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await eventually(lambda: not chip.history(LAMP)[-1][1])
            await stage.until_status(lambda told: told["callout"]["state"] == "standby")
            assert chip.holder(BUTTON) == chip.holder(LAMP) == "callout-agent"

    asyncio.run(story())


def test_button_that_is_held_at_boot_raises(tmp_path: Path):
    async def story() -> None:
        async with worn(tmp_path) as (stage, chip):
            chip.press(BUTTON)
            await stage.start()
            await press(chip, stage)
            await until_steady(chip)

    asyncio.run(story())


def test_chip_that_is_pulled_is_told_and_works_again_when_it_is_back(tmp_path: Path):
    async def story() -> None:
        async with worn(tmp_path) as (stage, chip):
            await stage.start()
            await stage.until_armed()
            chip.unplug()
            status = await stage.until_status(lambda told: {"button.missing", "indicator.missing"} <= set(codes(told)), 10)
            assert not status["armed"]
            chip.replug()
            await stage.until_status(lambda told: told["armed"] and not {"button.missing", "indicator.missing"} & set(codes(told)), 10)
            await press(chip, stage)
            await until_steady(chip)

    asyncio.run(story())


HOLD_THE_LINE = """
import sys, gpiod
with gpiod.request_lines(sys.argv[1], config={int(sys.argv[2]): None}, consumer="someone"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_line_that_another_program_holds_is_told_and_taken_when_it_is_free(tmp_path: Path):
    async def story() -> None:
        async with worn(tmp_path) as (stage, chip):
            pipe = asyncio.subprocess.PIPE
            words = (sys.executable, "-c", HOLD_THE_LINE, str(tmp_path / "chip"), str(BUTTON))
            other = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
            assert other.stdin is not None
            assert other.stdout is not None
            assert await other.stdout.readline() == b"held\n"
            await stage.start()
            status = await stage.until_status(lambda told: "button.busy" in codes(told) and told["fix"], 20)
            assert not status["armed"]
            other.stdin.close()
            await other.wait()
            status = await stage.until_armed()
            assert "button.busy" not in codes(status)
            await press(chip, stage)

    asyncio.run(story())


@pytest.mark.parametrize("code", [CODE_RIGHT, CODE_WRONG])
def test_code_that_is_typed_on_the_kernels_keypad_reaches_dispatch_and_no_other_reader(tmp_path: Path, code: str):
    """The right one has a leading zero; the wrong one is duress at dispatch; both are calm outside."""

    async def story() -> None:
        async with worn(tmp_path) as (stage, chip):
            keypad = UinputRig(tmp_path, NAMES.values())
            console = await open_device(str(keypad.path))
            stage.more += f'\n[keypad]\npath = "{keypad.path}"\n'
            await stage.start()
            status = await stage.until_armed()
            assert not [told for told in codes(status) if told.startswith("keypad.")]
            await press(chip, stage)
            await until_steady(chip)
            for name in (*code, "enter"):
                keypad.press(name)
                keypad.release(name)
            callout = await stage.until_callout(lambda seen: seen["cancels"], what="a cancel")
            assert callout["duress"] is (code == CODE_WRONG)
            await eventually(lambda: not chip.history(LAMP)[-1][1])
            assert (await stage.status())["callout"]["state"] == "standby"
            with pytest.raises(BlockingIOError):
                console.read()
            console.close()
            keypad.unplug()

    asyncio.run(story())
