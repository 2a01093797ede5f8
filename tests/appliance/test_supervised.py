"""systemd and the daemon: one that stands still is started again, one that is killed again and again is never given up."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from stage import codes, streamed

from tests.appliance.appliance import UNIT, Appliance, installed

KILLS = 100


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


@pytest.mark.timeout(600)
def test_hundred_kills_in_a_row_are_no_reason_to_give_up(tmp_path: Path):
    """As fast as systemd starts it: at the end it is ready, in safe mode, and a press becomes a callout."""

    async def story() -> None:
        async with installed(tmp_path) as stage:
            before = await restarts(stage)
            for number in range(KILLS):
                await stage.until(stage.unit, lambda told: told["MainPID"] != "0", 30, f"started for the {number + 1}th time")
                await stage.signal(signal.SIGKILL)
                await stage.until(lambda: restarts(stage), lambda times, so_far=before + number: times > so_far, 30, "started again")
            assert (await stage.until_active(60))["Result"] == "success"
            assert await restarts(stage) >= before + KILLS
            await stage.until_status(lambda told: "safe_mode" in codes(told), 30, "safe mode")
            assert "safe mode" in (await stage.unit())["StatusText"]
            await stage.press()
            callout = await stage.until_callout(lambda seen: seen["positions"], 30, "a callout from safe mode")
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await stage.until_status(lambda told: told["callout"]["state"] == "standby", 30, "closed")
            assert len(await stage.callouts()) == 1

    asyncio.run(story())
