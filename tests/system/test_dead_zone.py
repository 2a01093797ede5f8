"""Out of reach and back, with the real daemon: the newest position first and only forward, then the track that was missed, once."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from stage import CODE_RIGHT, Stage, driving

from agent.store import peek

POSITION = re.compile(r"(\d\d:\d\d:\d\d) (-?\d+\.\d{5}),\s?(-?\d+\.\d{5})")
OUTAGE_S = 6.0


def told(callout: dict[str, Any]) -> list[str]:
    """What the device said, oldest first."""
    return [each["text"] for each in callout["events"]]


def trail_of(callout: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Times and positions of the trail of an outage, which is a short one here."""
    texts = (text for text in told(callout) if "did not get through" in text)
    return [(clock, float(lat), float(lon)) for text in texts for clock, lat, lon in POSITION.findall(text)]


def _wall_of(clock: str, near_wall: float) -> float:
    """UTC s of a time of day that was told, on the day that is nearest."""
    hours, minutes, seconds = map(int, clock.split(":"))
    day_s = 86_400.0
    return near_wall + ((hours * 3600 + minutes * 60 + seconds - near_wall) + day_s / 2) % day_s - day_s / 2


async def be_away(stage: Stage) -> tuple[float, int]:
    """A link that is gone for a while: when it was mended, and how many positions dispatch had until then."""
    await stage.link.cut()
    untold = (await stage.status())["store"]["untold"]
    await stage.until_status(lambda seen: seen["store"]["untold"] >= untold + OUTAGE_S - 1, what="fixes are missed")
    before = len((await stage.callouts())[-1]["positions"])
    mended_wall = time.time()
    await stage.link.mend()
    return mended_wall, before


def test_after_an_outage_the_newest_position_goes_first_and_then_the_trail_once(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.more = "[backlog]\ntrail_after_s = 4"
            await stage.start()
            await stage.until_armed()
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3)
            mended_wall, before = await be_away(stage)
            callout = await stage.until_callout(trail_of, 20, "the trail")
            first = callout["positions"][before]
            assert datetime.fromisoformat(first["received"]).timestamp() - mended_wall < 16.0, (
                "nothing told that the link is back: at most one pause between attempts"
            )
            trail = trail_of(callout)
            last_known = callout["positions"][before - 1]
            assert trail[0][1:] == pytest.approx((last_known["latitude"], last_known["longitude"]), abs=1.1e-5)
            clocks = [clock for clock, _, _ in trail]
            assert clocks == sorted(clocks)
            told_walls = [_wall_of(clock, mended_wall) for clock in clocks]
            assert told_walls[0] >= mended_wall - 2 * OUTAGE_S - 5.0
            assert told_walls[-1] <= mended_wall + 2.0
            await stage.until_status(lambda seen: seen["store"]["untold"] <= 1, what="nothing waits to be told")
            count = len(trail)
            await stage.until_callout(lambda seen: len(seen["positions"]) >= before + 5)
            assert len(trail_of((await stage.callouts())[-1])) == count, "told once"
            assert all(len(text) <= 1_000 for text in told(callout))

    asyncio.run(story())


def test_trail_before_the_press_is_told_and_a_restart_tells_nothing_twice(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.until_status(lambda seen: seen["store"]["fixes"] >= 3, what="a track before the press")
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            callout = await stage.until_callout(lambda seen: any("before the press" in text for text in told(seen)), 20, "before the press")
            # That dispatch has it is written down when the answer has come: who dies between the two tells it again.
            await stage.until(lambda: asyncio.to_thread(peek, stage.store), lambda kept: not kept[1].untold, what="told, and known to be")
            await stage.kill()
            await stage.start()
            count = len(callout["positions"])
            await stage.until_callout(lambda seen: len(seen["positions"]) >= count + 4)
            assert sum("before the press" in text for text in told((await stage.callouts())[-1])) == 1

    asyncio.run(story())


def test_daemon_killed_in_a_dead_zone_tells_the_whole_of_it_after_its_restart(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.more = "[backlog]\ntrail_after_s = 4"
            await stage.start()
            await stage.until_armed()
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3)
            await stage.link.cut()
            await stage.until_status(lambda seen: seen["store"]["untold"] >= OUTAGE_S)
            await stage.kill()
            await stage.start()
            await stage.until_status(lambda seen: seen["callout"]["state"] == "active")
            await stage.link.mend()
            callout = await stage.until_callout(lambda seen: any(text.startswith("Trail") for text in told(seen)), 20, "the trail")
            (trail,) = (text for text in told(callout) if text.startswith("Trail"))
            missed = int(re.search(r"of (\d+) positions follow", trail)[1])  # type: ignore[index]
            assert missed >= OUTAGE_S
            assert not any("contradict" in text for text in told(callout)), "the first position after a start is only unconfirmed"

    asyncio.run(story())


def test_trail_behind_a_cancel_is_told_and_shows_nowhere(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.more = "[backlog]\ntrail_after_s = 4"
            await stage.start()
            await stage.until_armed()
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3)
            assert (await stage.command("cancel", "--safe-code-stdin", typed=CODE_RIGHT + "\n"))[0] == 0
            callout = await stage.until_callout(lambda seen: seen["cancels"])
            before, texts = len(callout["positions"]), len(told(callout))
            await stage.link.cut()
            fixes = (await stage.status())["store"]["fixes"]
            await stage.until_status(lambda seen: seen["store"]["fixes"] >= fixes + 10, 30, "a track behind the cancel")
            log = (stage.folder / "agent.log").read_text()
            await stage.link.mend()
            await stage.until_callout(lambda seen: len(seen["positions"]) > before)
            await stage.until_callout(lambda seen: any("did not get through" in text for text in told(seen)[texts:]), 20, "the trail")
            assert (await stage.status())["store"]["untold"] == 0
            assert "trail" not in (stage.folder / "agent.log").read_text()[len(log) :]

    asyncio.run(story())
