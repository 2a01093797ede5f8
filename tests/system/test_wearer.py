"""What the wearer does and sees, with the real daemon: a button and a lamp on a played chip, a receiver on a pty, dispatch over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from stage import Stage, codes, driving, staged
from wearing import LAMP, Wearing, wearing

from hardware.played_chip import PlayedChip
from simulator.settings import Settings


def test_hold_raises_lamp_says_contacting_then_accepted_then_on_the_way_then_nothing(tmp_path: Path):
    async def story() -> None:
        async with wearing(tmp_path) as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            assert wearer.lamp() is False
            pressed_at = wearer.hold()
            callout = await stage.until_callout(lambda seen: seen["positions"])
            await wearer.until_steady()
            wearer.let_go()
            assert time.monotonic() - pressed_at < 5
            assert (await stage.status())["callout"]["origin"] == "button"
            await stage.desk("POST", f"callouts/{callout['id']}/dispatch")
            await wearer.until_sees("responding")
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await wearer.until_dark()
            assert len(await stage.callouts()) == 1
            status = await stage.status()
            assert "button.played" in codes(status), "a bench is not a device"

    asyncio.run(story())


def test_second_button_asks_for_its_own_response_and_a_press_while_active_is_told(tmp_path: Path):
    async def story() -> None:
        async with wearing(tmp_path) as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            wearer.hold()
            await wearer.until_steady()
            wearer.let_go()
            wearer.tap(6)
            wearer.tap(6)
            wearer.tap(6)
            callout = await stage.until_callout(lambda seen: any("Pressed again" in event["text"] for event in seen["events"]))
            (text,) = [event["text"] for event in callout["events"] if "Pressed again" in event["text"]]
            assert "button medic" in text
            assert "response type 2" in text
            assert len(await stage.callouts()) == 1
            await wearer.until_steady()

    asyncio.run(story())


def test_button_held_at_boot_raises_and_one_that_was_pressed_before_does_not_raise_again(tmp_path: Path):
    async def story() -> None:
        async with wearing(tmp_path) as (stage, wearer):
            wearer.hold()
            await stage.start()
            callout = await stage.until_callout(lambda seen: seen["positions"])
            await wearer.until_steady()
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await stage.until_status(lambda told: told["callout"]["state"] == "standby")
            await stage.kill()
            await stage.start()
            status = await stage.until_status(lambda told: "button.stuck" in codes(told))
            assert not status["armed"]
            wearer.let_go()
            await stage.until_armed()
            assert len(await stage.callouts()) == 1
            wearer.hold()
            await stage.until(stage.callouts, lambda seen: len(seen) == 2)

    asyncio.run(story())


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_hold_is_not_lost_to_a_process_that_dies_or_is_stopped_in_the_middle_of_it(tmp_path: Path, end: int):
    async def story() -> None:
        async with wearing(tmp_path) as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            wearer.hold()
            await stage.signal(end)
            if end == signal.SIGKILL:
                await stage.ended()
                await stage.start()
                await stage.until_callout(lambda seen: seen["positions"])
                wearer.let_go()
            else:
                await asyncio.sleep(0.6)  # how long the finger holds, while nobody looks
                wearer.let_go()
                await stage.signal(signal.SIGCONT)
                await stage.until_callout(lambda seen: seen["positions"])
            assert len(await stage.callouts()) == 1

    asyncio.run(story())


def test_window_is_shown_taken_back_by_the_abort_button_and_confirmed_by_its_end_or_a_restart(tmp_path: Path):
    async def story() -> None:
        async with wearing(tmp_path, window_s=1.5) as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            wearer.hold()
            await wearer.until_sees("window")
            wearer.let_go()
            wearer.tap(7)
            await wearer.until_dark()
            began = time.monotonic()
            wearer.hold()
            wearer.let_go_after_gesture()
            await stage.until_callout(lambda seen: seen["positions"])
            assert time.monotonic() - began > 1.5
            (callout,) = await stage.callouts()
            await stage.desk("POST", f"callouts/{callout['id']}/close")
            await wearer.until_dark()
            wearer.hold()
            await wearer.until_sees("window")
            await stage.kill()
            wearer.let_go()
            await stage.start()
            await stage.until(stage.callouts, lambda seen: len(seen) == 2)
            await wearer.until_steady()
            assert len(await stage.callouts()) == 2

    asyncio.run(story())


def test_chip_that_is_missing_busy_or_pulled_is_a_condition_and_is_taken_up_again(tmp_path: Path):
    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            wearer = Wearing(tmp_path)
            stage.more = wearer.config()
            await stage.start()
            status = await stage.until_status(lambda told: "button.missing" in codes(told) and "indicator.missing" in codes(told))
            assert not status["armed"]
            async with PlayedChip(wearer.path) as chip:
                wearer.chip = chip
                await stage.until_armed()
                chip.unplug()
                status = await stage.until_status(lambda told: "button.missing" in codes(told), 5)
                assert not status["armed"]
                assert (await stage.command("raise", "--wait", "10"))[0] == 0, "a raise needs no chip"
                chip.replug()
                await stage.until_status(lambda told: "button.missing" not in codes(told), 5)
                await wearer.until_steady()

    asyncio.run(story())


def test_silent_device_shows_nothing_at_all(tmp_path: Path):
    async def story() -> None:
        async with wearing(tmp_path, profile="silent") as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            wearer.hold()
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 3)
            wearer.let_go()
            assert wearer.chip.history(LAMP) == []
            assert wearer.chip.holder(LAMP) is None

    asyncio.run(story())


def test_drill_by_the_button_is_marked_and_a_second_gesture_is_a_real_emergency(tmp_path: Path):
    async def story() -> None:
        async with wearing(tmp_path, more="[drill]\nclassification_id = 2\n") as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            code, out, _ = await stage.command("drill", "--open", "60")
            assert code == 0
            assert "REAL" in out
            wearer.hold()
            callout = await stage.until_callout(lambda seen: any("DRILL" in event["text"] for event in seen["events"]))
            assert callout["classificationId"] == 2
            await wearer.until_steady()
            wearer.let_go()
            assert (await stage.command("drill", "--open", "60"))[0] == 1, "a callout is on"
            assert ", a DRILL, " in (await stage.command("status"))[1]
            wearer.hold()
            both = await stage.until(stage.callouts, lambda seen: len(seen) == 2 and seen[1]["positions"])
            assert not (await stage.status())["callout"]["drill"]
            assert any("REAL EMERGENCY" in event["text"] for event in both[0]["events"])
            assert both[1]["classificationId"] is None

    asyncio.run(story())


def test_shop_button_without_a_receiver_raises_for_its_fixed_location_and_is_armed(tmp_path: Path):
    async def story() -> None:
        async with worn_without_a_receiver(tmp_path, '[site]\npredefined_location = "STORE-001"\n') as (stage, wearer):
            await stage.start()
            status = await stage.until_status(lambda told: told["armed"])
            assert status["receiver"]["kind"] is None
            wearer.hold()
            await wearer.until_steady()
            callout = await stage.until_callout(lambda seen: seen["events"])
            assert callout["origin"] == "site"
            assert [each["via"] for each in callout["positions"]] == ["site"]
            assert "fixed location" in callout["events"][0]["text"]

    asyncio.run(story())


def test_raise_carries_the_last_position_and_the_first_better_one_follows_at_once(tmp_path: Path):
    async def story() -> None:
        async with wearing(tmp_path) as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            await stage.signal(signal.SIGTERM)
            await stage.ended()
            line = stage.tty.readlink()
            stage.tty.unlink()  # no receiver after the restart
            await stage.start()
            await stage.until_status(lambda told: "receiver.missing" in codes(told) or "receiver.unplugged" in codes(told))
            wearer.hold()
            callout = await stage.until_callout(lambda seen: any("last stored one" in event["text"] for event in seen["events"]))
            assert [each["via"] for each in callout["positions"]] == ["raise"]
            assert callout["positions"][0]["accuracy"] > 10, "it grows with age"
            stage.tty.symlink_to(line)
            callout = await stage.until_callout(lambda seen: len(seen["positions"]) >= 2)
            status = await stage.status()
            assert callout["positions"][1]["via"] == "location"
            assert status["stream"]["sent"] <= 2, "the first one that was there, not the one that the cadence brought"

    asyncio.run(story())


def test_owners_program_is_told_while_nobody_can_be_reached_and_no_more_once_accepted(tmp_path: Path):
    async def story() -> None:
        told = tmp_path / "told"
        script = tmp_path / "sms.sh"
        script.write_text(f"cat >> {told}\n")
        hooks = f'[hooks]\non_unreachable = ["/bin/sh", "{script}"]\nunreachable_after_s = 1\n'
        async with wearing(tmp_path, more=hooks) as (stage, wearer):
            await stage.start()
            await stage.until_armed()
            await stage.link.cut()
            wearer.hold()
            await wearer.until_sees("failing")
            await stage.until(lambda: asyncio.to_thread(told.exists), bool)
            document = await stage.until(lambda: asyncio.to_thread(lambda: json.loads(told.read_text() or "null")), bool)
            assert document["event"] == "unreachable"
            assert document["position"]["source"] == "live"
            await stage.link.mend()
            await wearer.until_steady(20)
            assert len(told.read_text().splitlines()) == 1

    asyncio.run(story())


@contextlib.asynccontextmanager
async def worn_without_a_receiver(folder: Path, site: str) -> AsyncIterator[tuple[Stage, Wearing]]:
    async with staged(folder, Settings()) as stage:
        wearer = Wearing(folder)
        async with PlayedChip(wearer.path) as chip:
            wearer.chip = chip
            stage.receivers = site
            stage.more = wearer.config()
            yield stage, wearer
