"""A press on a machine's own GPIO line, under its own kernel and systemd: it becomes a callout, and the lamp burns."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.machine.installed import PULLS
from tests.machine.machine import BUTTON, LAMP, Machine, booted


async def level(machine: Machine, line: int) -> int:
    """The voltage of a line: 1 is high."""
    return int(await machine.stage.run("cat", f"{PULLS}/sim_gpio{line}/value"))


@pytest.mark.timeout(180)
def test_press_on_a_line_becomes_a_callout(tmp_path: Path):
    """The button's line is pulled up, by a user who is not root; held to ground it lights the lamp and raises, once."""

    async def story() -> None:
        async with booted(tmp_path) as machine:
            stage = machine.stage
            await stage.until_status(lambda told: told["armed"], 40, "armed")
            owner = await stage.run("stat", "--format=%a %U:%G", "/dev/gpiochip0")
            assert owner.split() == ["660", "root:gpio"]
            assert await level(machine, BUTTON) == 1
            seen: list[int] = []

            async def watch() -> None:
                while True:
                    seen.append(await level(machine, LAMP))

            watching = asyncio.create_task(watch())
            await machine.press()
            callout = await stage.until_callout(lambda seen: len(seen["positions"]) >= 3, 40, "positions arrive")
            watching.cancel()
            await asyncio.wait([watching])
            assert set(seen) == {0, 1}
            assert len(await stage.callouts()) == 1
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await stage.until_status(lambda told: told["callout"]["state"] == "standby", 30, "closed")

    asyncio.run(story())
