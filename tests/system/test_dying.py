"""A device that is about to go silent, and one that was: what dispatch hears of it, in time, and what an onlooker cannot tell."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from stage import CODE_WRONG, Stage, codes, driving
from sysfs import Supplies

from agent.farewell import FAREWELL_S


def words(callout: dict[str, Any], part: str) -> list[dict[str, Any]]:
    """The messages of a callout that contain this."""
    return [event for event in callout["events"] if part in event["text"]]


def received_wall(entry: dict[str, Any]) -> float:
    """When dispatch had it: UTC s."""
    return datetime.fromisoformat(entry["received"]).timestamp()


async def ended(stage: Stage) -> float:
    """SIGTERM; how long the process took to end, in seconds."""
    began = time.monotonic()
    await stage.signal(signal.SIGTERM)
    assert await stage.ended() == 0
    return time.monotonic() - began


def test_end_of_the_process_is_told_with_a_position_and_takes_the_same_time_in_every_state(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            took = []
            await stage.start()
            await stage.until_armed()
            took.append(await ended(stage))  # standby

            await stage.start()
            await stage.until_armed()
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 2)
            signalled_wall = time.time()
            took.append(await ended(stage))  # active
            callout = await stage.until_callout(lambda seen: words(seen, "shut down"))
            (event,) = words(callout, "shut down")
            assert received_wall(event) - signalled_wall < 2.0
            assert signalled_wall < received_wall(callout["positions"][-1]) < signalled_wall + 2.0

            await stage.start()
            positions = len(callout["positions"])
            await stage.until_callout(lambda seen: len(seen["positions"]) >= positions + 2)
            assert (await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG + "\n"))[0] == 0
            await stage.until_callout(lambda seen: seen["duress"])
            took.append(await ended(stage))  # outwardly in standby
            callout = await stage.until_callout(lambda seen: len(words(seen, "shut down")) == 2)
            assert not callout["closed"]

            assert all(FAREWELL_S <= each < FAREWELL_S + 2.0 for each in took), took
            assert max(took) - min(took) < 0.35, f"an onlooker with a watch learns nothing: {took}"

    asyncio.run(story())


def test_cut_supply_and_low_battery_are_told_within_seconds_and_are_conditions(tmp_path: Path):
    async def story() -> None:
        supplies = Supplies(tmp_path / "power_supply")
        supplies.battery(capacity=50, status="Full")
        supplies.mains(online=1)
        async with driving(tmp_path) as (stage, _):
            stage.more = f'[power]\nsupplies = "{supplies.place}"\nlow_percent = 15\n'
            await stage.start()
            status = await stage.until_armed()
            assert not [code for code in codes(status) if code.startswith("power.")]
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: seen["positions"])

            supplies.battery(capacity=50)
            supplies.mains(online=0)
            callout = await stage.until_callout(lambda seen: words(seen, "was cut"), 3)
            assert "(50 %)" in words(callout, "was cut")[0]["text"]
            await stage.until_status(lambda told: "power.lost" in codes(told), 2)

            supplies.battery(capacity=10)
            callout = await stage.until_callout(lambda seen: words(seen, "nearly empty"), 3)
            assert "(10 %)" in words(callout, "nearly empty")[0]["text"]
            status = await stage.until_status(lambda told: "power.low" in codes(told), 2)
            assert status["armed"], "a raise would still work"
            assert len(words(await stage.until_callout(lambda _: True), "was cut")) == 1

    asyncio.run(story())


def test_outage_is_told_once_the_link_is_back(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.more = "[backlog]\ntrail_after_s = 1\n"
            await stage.start()
            await stage.until_armed()
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: seen["positions"])
            await stage.link.cut()
            await stage.until_status(lambda told: told["stream"]["failed"] >= 2)
            await stage.link.mend()
            callout = await stage.until_callout(lambda seen: words(seen, "Nothing got through"), 20)
            assert "known throughout" in words(callout, "Nothing got through")[0]["text"]
            assert not words(callout, "jamming")

    asyncio.run(story())


def test_link_and_sky_that_go_together_may_be_jamming(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, feeder):
            stage.more = "[backlog]\ntrail_after_s = 1\n"
            await stage.start()
            await stage.until_armed()
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: seen["positions"])
            await stage.link.cut()
            feeder.pause()
            await stage.until_status(lambda told: "position.stale" in codes(told) and "dispatch.unreachable" in codes(told), 20)
            await stage.link.mend()
            feeder.resume()
            callout = await stage.until_callout(lambda seen: words(seen, "Nothing got through"), 30)
            assert "jamming is possible" in words(callout, "Nothing got through")[0]["text"]

    asyncio.run(story())
