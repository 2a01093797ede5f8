"""The main job with the real daemon as a process: raise, stream, cancel, close, and every way to be interrupted."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import time
from pathlib import Path

import pytest
from stage import CODE_RIGHT, CODE_WRONG, INNER, codes, driving, staged

from agent.model import Reason
from simulator.settings import Generation, Settings


@pytest.mark.parametrize("generation", [Generation.NEW, Generation.OLD])
def test_press_is_raised_and_streamed_until_dispatch_closes(tmp_path: Path, generation: Generation):
    async def story() -> None:
        async with driving(tmp_path, Settings(generation=generation)) as (stage, _):
            await stage.start()
            status = await stage.until_armed()
            assert list(status["receiver"]["rejected"]) == [reason.value for reason in Reason]
            code, out, _ = await stage.command("raise", "--wait", "10", "--note", "test")
            assert code == 0, out
            callout = await stage.until_callout(lambda seen: len(seen["positions"]) >= 4)
            status = await stage.status()
            assert status["callout"]["state"] == "active"
            assert status["callout"]["id"] == callout["id"]
            assert status["callout"]["origin"] == "cli"
            assert status["stream"]["sent"] >= 3
            assert status["stream"]["failed"] == 0
            assert status["armed_proof"] is not None
            await stage.desk("POST", f"callouts/{callout['id']}/dispatch")
            await stage.until_status(lambda told: told["callout"]["dispatch_status"] == "Responder Dispatched")
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await stage.until_status(lambda told: told["callout"]["state"] == "standby")
            assert len(await stage.callouts()) == 1

    asyncio.run(story())


@pytest.mark.parametrize("code", [CODE_RIGHT, CODE_WRONG])
def test_after_a_cancel_everything_outward_is_calm_and_streaming_goes_on(tmp_path: Path, code: str):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            assert resource.prlimit(stage.agent.pid, resource.RLIMIT_CORE) == (0, 0), "no core dump may hold a code"
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            exit_code, out, err = await stage.command("cancel", "--safe-code-stdin", typed=code + "\n")
            assert (exit_code, out, err) == (0, "The cancel was handed over.\n", "")
            callout = await stage.until_callout(lambda seen: seen["cancels"])
            assert callout["duress"] is (code == CODE_WRONG)
            count = len(callout["positions"])
            await stage.until_callout(lambda seen: len(seen["positions"]) >= count + 3)
            status = await stage.status()
            assert status["callout"] == {
                "state": "standby",
                "id": None,
                "origin": None,
                "drill": False,
                "since": None,
                "dispatch_status": None,
                "responder": {"stage": "none", "eta": None, "eta_text": None, "name": None},
                "messages": {"heard": 0, "last": None},
            }
            assert status["stream"] == {"sent": 0, "failed": 0, "last_sent_fix_time": None, "last_accepted_age_s": None}
            if INNER:
                assert (await stage.status(inner=True))["callout"]["state"] == "cancelling"
            say = await stage.command("say", "help")
            assert say[0] == 4
            assert "no callout is on" in say[2]

            await stage.kill()  # calm survives a power cycle
            await stage.start()
            status = await stage.until_armed()
            assert status["callout"]["state"] == "standby"
            count = len((await stage.callouts())[-1]["positions"])
            await stage.until_callout(lambda seen: len(seen["positions"]) >= count + 2)
            assert code not in (stage.folder / "agent.log").read_text()

    asyncio.run(story())


def test_sigkill_in_the_middle_of_a_callout_resumes_it_and_raises_no_second_one(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.command("raise", "--wait", "10")
            for _ in range(3):
                await stage.kill()
                await stage.start()
                count = len((await stage.callouts())[-1]["positions"])
                await stage.until_callout(lambda seen, count=count: len(seen["positions"]) > count)
            assert len(await stage.callouts()) == 1
            status = await stage.until_status(lambda told: told["callout"]["state"] == "active")
            assert status["callout"]["origin"] == "cli"

    asyncio.run(story())


def test_sigterm_ends_cleanly_and_the_callout_goes_on_after_the_next_start(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.command("raise", "--wait", "10")
            await stage.signal(signal.SIGTERM)
            assert await stage.ended(5) == 0
            assert not stage.socket.exists()
            code, out, _ = await stage.command("status", "--json")
            told = json.loads(out)
            assert code == 2
            assert told["callout"]["state"] == "active", "with the daemon down, what the store knows"
            assert told["armed"] is False
            await stage.start()
            await stage.until_status(lambda told: told["callout"]["state"] == "active")

    asyncio.run(story())


def test_press_without_a_daemon_is_spooled_and_raised_at_the_next_start(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.write_config()
            code, _, err = await stage.command("raise")
            assert code == 3
            assert "NOT SENT" in err
            await stage.start()
            await stage.until_callout(lambda seen: seen["positions"])
            await stage.until(
                lambda: asyncio.to_thread(lambda: list((tmp_path / "run" / "presses").rglob("*.json"))), lambda left: not left
            )
            await stage.kill()
            await stage.start()
            await stage.until_armed()
            assert len(await stage.callouts()) == 1

    asyncio.run(story())


def test_outage_sends_the_newest_position_first_and_nothing_older_after_it(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.command("raise", "--wait", "10")
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3)
            await stage.link.cut()
            status = await stage.until_status(lambda told: "dispatch.unreachable" in codes(told), 5)
            assert not status["armed"]
            await stage.until_status(lambda told: told["store"]["untold"] >= 3, 20)
            before = len((await stage.callouts())[-1]["positions"])
            await stage.link.mend()
            await stage.until_callout(lambda seen: len(seen["positions"]) > before + 2, 30)
            status = await stage.until_status(lambda told: "dispatch.unreachable" not in codes(told))
            sent = status["stream"]["last_sent_fix_time"]
            assert time.time() - time.mktime(time.strptime(sent, "%Y-%m-%dT%H:%M:%SZ")) + time.timezone < 5

    asyncio.run(story())


def test_callout_raised_elsewhere_nearby_is_adopted(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            fix = (await stage.until_armed())["fix"]
            await stage.desk("POST", "callouts", {"customerId": 4711, "latitude": fix["latitude"], "longitude": fix["longitude"]})
            await stage.until_status(lambda told: told["callout"]["state"] == "active" and told["callout"]["origin"] == "elsewhere")
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3)

    asyncio.run(story())


def test_callout_raised_far_away_is_not_streamed_to_but_told_where_we_are(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            await stage.desk("POST", "callouts", {"customerId": 4711, "latitude": -26.2, "longitude": 28.05})
            callout = await stage.until_callout(lambda seen: any("not near" in event["text"] for event in seen["events"]))
            assert len(callout["positions"]) == 1
            assert (await stage.status())["callout"]["state"] == "standby"

    asyncio.run(story())


def test_raise_with_no_receiver_at_all_carries_the_site(tmp_path: Path):
    async def story() -> None:
        async with staged(tmp_path) as stage:
            stage.receivers = "[site]\nlatitude = -33.9\nlongitude = 18.4\naccuracy_m = 50\n"
            await stage.start()
            await stage.until_status(lambda told: told["armed"])
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            callout = await stage.until_callout(lambda seen: any("site" in event["text"] for event in seen["events"]))
            assert (callout["positions"][0]["latitude"], callout["positions"][0]["longitude"]) == (-33.9, 18.4)

    asyncio.run(story())


def test_drill_is_marked_told_and_refused_while_a_callout_is_open(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.more = "[drill]\nclassification_id = 2\n"
            await stage.start()
            await stage.until_armed()
            assert (await stage.command("raise", "--drill", "--wait", "10"))[0] == 0
            callout = await stage.until_callout(lambda seen: any("DRILL" in event["text"] for event in seen["events"]))
            assert callout["classificationId"] == 2
            code, _, err = await stage.command("raise", "--drill")
            assert code == 1
            assert "NOT SENT" in err
            assert len(await stage.callouts()) == 1

    asyncio.run(story())


def test_press_during_a_drill_becomes_a_real_emergency(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            stage.more = "[drill]\nclassification_id = 2\n"
            await stage.start()
            await stage.until_armed()
            await stage.command("raise", "--drill", "--wait", "10")
            drill = (await stage.callouts())[0]["id"]
            assert (await stage.command("raise", "--wait", "15"))[0] == 0
            both = await stage.until(stage.callouts, lambda seen: len(seen) == 2)
            assert any("REAL EMERGENCY" in event["text"] for event in both[0]["events"])
            assert both[1]["classificationId"] is None
            status = await stage.until_status(lambda told: told["callout"]["id"] == both[1]["id"])
            assert status["callout"]["id"] != drill
            await stage.until(stage.callouts, lambda seen: seen[0]["closed"] and len(seen[1]["positions"]) >= 2)

    asyncio.run(story())
