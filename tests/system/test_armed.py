"""Armed means that a raise would work now: each part of one is broken for real, and mended, under the real daemon (law 7)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from stage import CODE_WRONG, DRIVE, INNER, Stage, codes, driving, press, side_by_side, staged
from wearing import BUZZER, Wearing, wearing

from agent.proofs import LAG_S
from hardware.feeder import Feeder

ARMED_LAMP = 10
LONGEST_S = 30.0  # on however busy a machine
SECRET_PATH = "/beat/unit-17"


def lit(wearer: Wearing) -> bool | None:
    """The lamp for armed; None: never driven."""
    history = wearer.chip.history(ARMED_LAMP)
    return history[-1][1] if history else None


async def broken(stage: Stage, code: str, wearer: Wearing | None = None) -> None:
    """The reason is told, the exit code says it, and the lamp is dark."""
    await stage.until_status(lambda told: not told["armed"] and code in codes(told), LONGEST_S, f"not armed, for {code}")
    assert (await stage.command("status"))[0] == 1
    if wearer is not None:
        await wearer.until(lambda: lit(wearer) is False, 10, "the lamp for armed go dark")


async def mended(stage: Stage, wearer: Wearing | None = None) -> None:
    """Armed again, by whatever proved it."""
    await stage.until_status(lambda told: told["armed"], LONGEST_S, "armed again")
    if wearer is not None:
        await wearer.until(lambda: lit(wearer) is True, 10, "the lamp for armed lit again")


async def each_part_broken(folder: Path) -> None:
    """The link, the certificate, the token, the name of the one who answers, the button."""
    async with wearing(folder) as (stage, wearer):
        stage.more = stage.more.replace(f"buzzer_line = {BUZZER}", f"buzzer_line = {BUZZER}\narmed_line = {ARMED_LAMP}")
        await stage.start()
        told = await stage.until_status(all_proven, LONGEST_S, "everything proven")
        assert told["armed"]
        assert list(told["proofs"]) == ["token", "lookup", "dispatch", "clock", "position", "button:panic", "button:medic", "store", "loop"]
        assert told["self_test"] is None
        await mended(stage, wearer)

        await stage.link.cut()
        await broken(stage, "dispatch.unreachable", wearer)
        await stage.link.mend()
        await mended(stage, wearer)

        faults: tuple[tuple[dict[str, Any], str], ...] = (
            ({"action": "certificate", "certificate": "expired", "for_s": 4}, "clock.tls"),
            ({"action": "certificate", "certificate": "unknown_authority", "for_s": 4}, "dispatch.tls"),
            ({"on": "/panic-api/*", "action": "status", "status": 401}, "token.refused"),
            ({"on": "/panic-api/*", "action": "portal", "portal": "page"}, "dispatch.odd_reply"),
        )
        for fault, code in faults:
            await stage.desk("POST", "faults", fault)
            await broken(stage, code)
            if "for_s" not in fault:  # the desk is behind the same door as the certificate
                await stage.desk("DELETE", "faults")
            await mended(stage)

        await asyncio.to_thread(wearer.chip.unplug)
        await broken(stage, "button.missing")
        await asyncio.to_thread(wearer.chip.replug)
        await mended(stage, wearer)

        await stage.signal(signal.SIGTERM)
        await stage.ended()
        await wearer.until(lambda: lit(wearer) is False, 10, "the lamp for armed dark without a daemon")


def all_proven(told: dict[str, Any]) -> bool:
    """Whether every part of a raise was exercised."""
    return bool(told["proofs"]) and all(proof["proven"] for proof in told["proofs"].values())


async def position_first(folder: Path) -> None:
    """Without any position a raise would carry none; one is enough for a day."""
    async with staged(folder) as stage:
        await stage.start()
        await broken(stage, "position.none")
        assert (await stage.status())["proofs"]["position"]["proven"] is None
        async with Feeder(DRIVE, stage.tty, wall=time.time):
            await mended(stage)
        told = await stage.until_status(lambda told: "position.stale" in codes(told), LONGEST_S)
        assert told["armed"]


async def process_that_stands_still(folder: Path) -> None:
    """Once is no news, twice within a minute is; a raise would work all the same, late."""
    async with driving(folder) as (stage, _):
        await stage.start()
        await stage.until_status(all_proven, LONGEST_S)
        for _ in range(2):
            await stage.signal(signal.SIGSTOP)
            await asyncio.sleep(LAG_S + 1.5)  # the fault itself
            await stage.signal(signal.SIGCONT)
            await stage.until_status(lambda told: told["version"])
        await stage.until_status(lambda told: told["armed"] and "loop.lagging" in codes(told), LONGEST_S)


class Fleet:
    """The fleet's own server: takes heartbeats in plain HTTP on loopback."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Fleet]:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
        self.heard.append((head, json.loads(await reader.readexactly(length))))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()


async def owner_and_fleet_are_told(folder: Path) -> None:
    """What everybody may see, and nothing of a place; the log does not name the address."""
    told_path, script = folder / "told", folder / "tell.sh"
    script.write_text(f"cat >> {told_path}\n")
    async with driving(folder) as (stage, _), Fleet().listening() as fleet:
        url = f"http://127.0.0.1:{fleet.port}{SECRET_PATH}"
        stage.more = f'[hooks]\non_not_armed = ["/bin/sh", "{script}"]\n[heartbeat]\nurl = "{url}"\nevery_s = 5\n'
        await stage.link.cut()
        await stage.start()
        unarmed = await stage.until_status(lambda told: "token.none" in codes(told) and told["fix"], LONGEST_S)

        async def heard() -> list[tuple[str, dict[str, Any]]]:
            return fleet.heard

        head, beat = (await stage.until(heard, lambda all_: all_ and "token.none" in all_[-1][1]["conditions"], 40))[-1]
        assert head.startswith(f"POST {SECRET_PATH} ")
        assert "authorization" not in head.lower()
        assert set(beat) == {"version", "armed", "conditions"}
        assert (beat["armed"], beat["version"]) == (False, unarmed["version"])
        await stage.until(lambda: asyncio.to_thread(told_path.exists), bool, 40, "the owner's program was told")
        told = json.loads(await asyncio.to_thread(told_path.read_text))
        assert (told["event"], told["armed"]) == ("not_armed", False)
        assert "token.none" in [each["code"] for each in told["conditions"]]
        for place in (unarmed["fix"]["latitude"], unarmed["fix"]["longitude"]):
            assert str(place)[:6] not in json.dumps(told)
        await stage.link.mend()
        await mended(stage)
        await stage.until(heard, lambda all_: all_[-1][1]["armed"], LONGEST_S, "the fleet hears that it is armed")
        assert SECRET_PATH not in await asyncio.to_thread((folder / "agent.log").read_text)


async def fleet_hears_behind_a_cancel_what_it_hears_in_standby(folder: Path) -> None:
    """A raise that goes on behind a cancel puts nothing off: silence would tell that there is one (law 5)."""
    async with driving(folder) as (stage, _), Fleet().listening() as fleet:
        stage.more = f'[heartbeat]\nurl = "http://127.0.0.1:{fleet.port}{SECRET_PATH}"\nevery_s = 5\n'
        await stage.start()
        await stage.until_armed()
        await stage.link.cut()
        await press(stage)
        assert (await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG + "\n"))[0] == 0
        fleet.heard.clear()

        async def heard() -> list[tuple[str, dict[str, Any]]]:
            return fleet.heard

        beat = (await stage.until(heard, bool, 40, "a sign of life"))[-1][1]
        assert not beat["armed"] or "dispatch.unreachable" not in beat["conditions"]
        if INNER:
            assert (await stage.status(inner=True))["callout"]["state"] == "raising", "the rig: it goes on"
        assert (await stage.status())["callout"]["state"] == "standby"


def test_each_part_of_a_raise_that_breaks_disarms_and_is_told(tmp_path: Path):
    hidden = fleet_hears_behind_a_cancel_what_it_hears_in_standby
    side_by_side(tmp_path, each_part_broken, position_first, process_that_stands_still, owner_and_fleet_are_told, hidden)
