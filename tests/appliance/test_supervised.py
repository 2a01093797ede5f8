"""systemd and the daemon: one that stands still is started again, one that is killed again and again is never given up."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from stage import codes, streamed

from tests.appliance.appliance import UNIT, Appliance, installed

KILLS = 100
LATE = 8  # of these come once it is ready: a start counts when it has begun


async def restarts(stage: Appliance) -> int:
    """How often systemd has started it again by itself."""
    return int((await stage.unit())["NRestarts"])


@pytest.mark.timeout(180)
def test_daemon_that_stands_still_is_started_again_and_the_callout_goes_on(tmp_path: Path):
    """A SIGSTOP in a callout: the watchdog bites, the callout at dispatch goes on, and there is one."""

    async def story() -> None:
        async with installed(tmp_path) as stage:
            await stage.press()
            first = await stage.until_callout(lambda seen: seen["positions"], 30, "a callout")
            before = await restarts(stage)
            await stage.signal(signal.SIGSTOP)
            await stage.until(lambda: restarts(stage), lambda times: times > before, 60, "the watchdog bites")
            told = await stage.container.must("journalctl", "--unit", UNIT, "--output=cat", "--grep=atchdog")
            assert "timeout" in told
            await stage.until_status(lambda told: told["callout"] and told["callout"]["id"] == first["id"], 30, "the callout goes on")
            await streamed(stage)

    asyncio.run(story())


async def kill(stage: Appliance) -> None:
    """What there is of it by now, and wait until systemd has begun anew."""
    before = await restarts(stage)
    await stage.until(stage.unit, lambda told: told["MainPID"] != "0", 30, "it has a process")
    await stage.signal(signal.SIGKILL)
    await stage.until(lambda: restarts(stage), lambda times: times > before, 30, "begun anew")


async def calls_for_help(stage: Appliance) -> None:
    """A press becomes a callout, which dispatch closes."""
    await stage.press()
    callout = await stage.until_callout(lambda seen: not seen["closed"] and seen["positions"], 30, "a callout")
    await stage.desk("POST", f"callouts/{callout['id']}/close")
    await stage.until_status(lambda told: told["callout"]["state"] == "standby", 30, "closed")


@pytest.mark.timeout(900)
def test_hundred_kills_in_a_row_are_no_reason_to_give_up(tmp_path: Path):
    """It is ready at the end, and careful, with the alarm path alone; after a clean end it is as it was, with all that was recorded."""

    async def story() -> None:
        async with installed(tmp_path) as stage:
            fixes = (await stage.until_status(lambda told: told["store"]["fixes"] > 2, 30, "recorded"))["store"]["fixes"]
            for _ in range(KILLS - LATE):
                await kill(stage)  # mostly before it has begun to run
            for _ in range(LATE):
                await stage.until_active(60)
                await kill(stage)
            assert (await stage.until_active(60))["Result"] == "success"
            assert await restarts(stage) >= KILLS
            told = await stage.until_status(lambda told: "safe_mode" in codes(told), 30, "safe mode")
            assert told["store"]["mode"] == "memory"
            await stage.until(stage.unit, lambda told: "safe_mode" in told["StatusText"], 10, "the status line says so")
            await calls_for_help(stage)
            await stage.container.must("systemctl", "restart", UNIT)
            told = await stage.until_armed()
            assert "safe_mode" not in codes(told)
            assert told["store"]["mode"] == "disk"
            assert told["store"]["fixes"] >= fixes
            await calls_for_help(stage)
            assert len(await stage.callouts()) == 2

    asyncio.run(story())
