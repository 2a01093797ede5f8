"""A keypad with the real daemon: what is typed reaches dispatch as typed, and nothing and nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from stage import CODE_RIGHT, CODE_WRONG, INNER, Stage, codes, driving

from hardware.input_device import grab, open_device
from hardware.played_chip import PlayedChip
from hardware.played_keypad import PlayedKeypad

LAMP, BUZZER = 8, 9
STANDBY = {
    "state": "standby",
    "id": None,
    "origin": None,
    "drill": False,
    "since": None,
    "dispatch_status": None,
    "responder": {"stage": "none", "eta": None, "eta_text": None, "name": None},
    "messages": {"heard": 0, "last": None},
}


@contextlib.asynccontextmanager
async def with_keypad(folder: Path) -> AsyncIterator[tuple[Stage, PlayedKeypad, PlayedChip]]:
    """An armed device with a keypad, a lamp and a buzzer."""
    async with (
        driving(folder) as (stage, _),
        PlayedKeypad(folder / "pad") as keypad,
        PlayedChip(folder / "chip") as chip,
    ):
        stage.more = f"""
[keypad]
path = "{keypad.path}"

[indicator]
chip = "{folder / "chip"}"
lamp_line = {LAMP}
buzzer_line = {BUZZER}
"""
        await stage.start()
        await stage.until_armed()
        async with asyncio.timeout(10):
            await keypad.until_grabbed()
        yield stage, keypad, chip


def enter(keypad: PlayedKeypad, code: str) -> None:
    keypad.type(code)
    keypad.key("enter")


async def typed(stage: Stage) -> list[str]:
    """The codes of the newest callout, as the dispatcher sees them."""
    number = (await stage.callouts())[-1]["id"]
    key = {"Authorization": f"Bearer {stage.simulator.settings.dispatcher_key}"}
    return [cancel["typed"] for cancel in (await stage._desk.get(f"/sim/callouts/{number}/codes", headers=key)).json()]


async def beeps(chip: PlayedChip, since_at: float, count: int) -> int:
    """How often the buzzer was on since then; waits until it has been `count` times and is off."""
    async with asyncio.timeout(5):
        while True:
            told = [on for at, on in chip.history(BUZZER) if at >= since_at]
            if told.count(True) >= count and not told[-1]:
                return told.count(True)
            await asyncio.sleep(0.02)


async def heard(keypad: PlayedKeypad, chip: PlayedChip, *names: str) -> int:
    """Press keys as a finger does, each after the beep of the one before; how many beeps there were."""
    began_at = time.monotonic()
    for count, name in enumerate(names, 1):
        keypad.key(name)
        await beeps(chip, began_at, count)
    return await beeps(chip, began_at, len(names))


def holding(folder: Path, text: str) -> list[str]:
    """Every file below the folder that holds this text in any form that a code could be written in."""
    forms = (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"), text.encode("utf-32-le"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


def test_code_reaches_dispatch_as_typed_and_the_outside_is_calm_whether_it_was_right_or_wrong(tmp_path: Path):
    async def seen(code: str) -> dict[str, Any]:
        """What a bystander sees afterwards."""
        folder = tmp_path / code
        folder.mkdir()
        async with with_keypad(folder) as (stage, keypad, chip):
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until(lambda: asyncio.to_thread(chip.history, LAMP), lambda told: told[-1][1], 5, "the lamp on")
            enter(keypad, code)
            callout = await stage.until_callout(lambda seen: seen["cancels"])
            assert callout["duress"] is (code == CODE_WRONG)
            assert await typed(stage) == [code]
            count = len(callout["positions"])
            await stage.until_callout(lambda seen: len(seen["positions"]) >= count + 2, what="the stream goes on")
            if INNER:
                assert (await stage.status(inner=True))["callout"]["state"] == "cancelling"
            status = await stage.status()
            return {
                "lamp": [on for _, on in chip.history(LAMP)][-1],
                "callout": status["callout"],
                "stream": status["stream"],
                "armed": status["armed"],
                "conditions": codes(status),
            }

    async def story() -> None:
        right, wrong = [await seen(code) for code in (CODE_RIGHT, CODE_WRONG)]
        assert right == wrong
        assert right["callout"] == STANDBY
        assert right["armed"]
        assert not right["lamp"]

    asyncio.run(story())


def test_code_typed_in_standby_reaches_nobody_also_later(tmp_path: Path):
    async def story() -> None:
        async with with_keypad(tmp_path) as (stage, keypad, chip):
            await heard(keypad, chip, *CODE_WRONG, "enter")
            assert await stage.callouts() == []
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            callout = await stage.until_callout(lambda seen: len(seen["positions"]) >= 2)
            assert callout["cancels"] == []
            enter(keypad, CODE_RIGHT)
            await stage.until_callout(lambda seen: seen["cancels"])
            assert await typed(stage) == [CODE_RIGHT]

    asyncio.run(story())


def test_every_key_beeps_the_same_whatever_comes_of_it(tmp_path: Path):
    """Standby, a callout and calm: a bystander hears as many short beeps as keys."""

    async def story() -> None:
        async with with_keypad(tmp_path) as (stage, keypad, chip):
            keys = (*CODE_RIGHT, "a", "clear", "enter", *CODE_RIGHT, "enter")
            assert await heard(keypad, chip, *keys) == len(keys)
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: len(seen["positions"]) >= 2)
            await beeps(chip, 0.0, len(keys) + 1)  # the long one: accepted
            assert await heard(keypad, chip, *keys) == len(keys)
            await stage.until_callout(lambda seen: seen["cancels"])
            assert await heard(keypad, chip, *keys) == len(keys)

    asyncio.run(story())


def test_unplugged_keypad_is_a_condition_and_works_again_when_it_is_back(tmp_path: Path):
    async def story() -> None:
        async with with_keypad(tmp_path) as (stage, keypad, _):
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            keypad.type("00")
            keypad.unplug()
            status = await stage.until_status(lambda told: "keypad.unplugged" in codes(told))
            assert status["armed"], "help can still be summoned"
            keypad.replug()
            await stage.until_status(lambda told: "keypad.unplugged" not in codes(told))
            enter(keypad, "42")  # what is left of a code is none
            enter(keypad, CODE_RIGHT)
            callout = await stage.until_callout(lambda seen: seen["cancels"])
            assert not callout["duress"]
            assert await typed(stage) == [CODE_RIGHT]

    asyncio.run(story())


def test_keypad_that_another_program_holds_is_a_condition_until_it_lets_go(tmp_path: Path):
    async def story() -> None:
        async with with_keypad(tmp_path) as (stage, keypad, _):
            await stage.kill()
            other = await open_device(str(keypad.path))
            await grab(other)
            await stage.start()
            status = await stage.until_status(lambda told: told["armed"] and "keypad.busy" in codes(told))
            assert "keypad.played" not in codes(status), "nobody knows yet"
            other.close()
            status = await stage.until_status(lambda told: "keypad.busy" not in codes(told))
            assert "keypad.played" in codes(status), "a bench is not a device"
            assert keypad.grabbed

    asyncio.run(story())


def test_code_is_in_no_log_no_status_and_no_file(tmp_path: Path):
    """Half a code, a whole one before the callout, one within it, across a crash: grep finds none of them."""
    secrets = ("73915502", "64208813", "55173920")
    nowhere: dict[str, list[str]] = {secret: [] for secret in secrets}

    async def story() -> None:
        async with with_keypad(tmp_path) as (stage, keypad, _):
            enter(keypad, secrets[0])
            assert (await stage.command("raise", "--wait", "10"))[0] == 0
            await stage.until_callout(lambda seen: seen["positions"])
            await stage.link.cut()
            enter(keypad, secrets[1])
            keypad.type(secrets[2])
            await stage.until_status(lambda told: told["callout"]["state"] == "standby")
            told = [str(await stage.status(inner=inner)) for inner in (False, True)]
            assert not [secret for secret in secrets for text in told if secret in text]
            await stage.kill()
            assert holding(tmp_path, "keypad.played") == ["agent.log"], "what is there is found"
            assert {secret: holding(tmp_path, secret) for secret in secrets} == nowhere
            await stage.start()
            await stage.link.mend()
            await stage.until_armed()
            assert {secret: holding(tmp_path, secret) for secret in secrets} == nowhere

    asyncio.run(story())
