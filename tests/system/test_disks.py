"""A press on an ill disk, by the real daemon: it is on the wire at once, `status` tells, and nothing is lost (laws 1, 4, 6).

Everything that the daemon writes lies on the ill disk: database, tiny file, token, last good config. Only the runtime directory
does not, which is in memory on a device.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from disks import Disk, fill_up, needs_root, on_a_disk
from stage import CODE_WRONG, INNER, Stage, codes, driving, press, staged, streamed

from agent import identity, spool

ON_THE_WIRE_S = 1.5
SITE = "[site]\nlatitude = -33.9\nlongitude = 18.4\naccuracy_m = 50\n"


@dataclass(frozen=True, slots=True)
class Harm:
    """What happens to a disk in use, how it is mended, and what `status` may call it."""

    hurt: Callable[[Disk], object]
    mend: Callable[[Disk], object]
    told: frozenset[str]


def scribble(disk: Disk) -> None:
    """Somebody else writes over the database, -wal and all, in place."""
    for path in disk.folder.glob("agent.db*"):
        with path.open("r+b") as file:
            file.write(os.urandom(max(8192, path.stat().st_size)))


HARMS = {
    "hung": Harm(Disk.freeze, Disk.thaw, frozenset({"store.hung"})),
    "full": Harm(lambda disk: fill_up(disk.folder), lambda disk: (disk.folder / "hog").unlink(), frozenset({"store.full"})),
    "read_only": Harm(Disk.turn_read_only, Disk.mount_anew, frozenset({"store.read_only"})),
    "corrupt": Harm(scribble, lambda _: None, frozenset({"store.corrupt_moved", "store.lost_moved"})),
}
harms = pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)


def leave_press(stage: Stage, *, age_s: float = 0.0) -> None:
    """A press in the runtime directory, as the command leaves it when no daemon answers."""
    left = spool.SpooledPress(identity.read_boot_id(), time.monotonic() - age_s, time.time() - age_s, "spool")
    spool.put(stage.folder / "run" / "presses", left)


def presses_left(stage: Stage) -> list[str]:
    """What lies in the runtime directory and is not on the disk yet."""
    return [path.name for path in (stage.folder / "run" / "presses").rglob("*.json")]


async def on_the_wire(stage: Stage, made_at: float, within_s: float = ON_THE_WIRE_S) -> int:
    """The callout that answered, in time."""
    callout = await stage.until_callout(lambda _: True, what="a callout")
    waited_s = time.monotonic() - made_at
    assert waited_s < within_s, waited_s
    callout_id: int = callout["id"]
    return callout_id


async def reborn(stage: Stage, *, rebooted: bool = False) -> None:
    """SIGKILL and a new start; no waiting for the end of a process of which one thread waits for a hung disk.

    rebooted: what the runtime directory held is gone.
    """
    await stage.signal(signal.SIGKILL)
    if rebooted:
        await stage.ended()
        shutil.rmtree(stage.folder / "run")
    await stage.start()


async def inner_callout(stage: Stage) -> dict[str, Any]:
    """What the daemon is on, whatever it shows; empty when nobody answers."""
    told: dict[str, Any] = (await stage.status(inner=INNER)).get("callout", {})
    return told


async def resumed(stage: Stage, callout_id: int, *, known: int = 0, origin: str = "cli") -> None:
    """Until the daemon is on that callout, and there is no other but those known before.

    origin: "elsewhere" if nothing was left to know it by, and dispatch's list had to tell.
    """
    told = await stage.until(lambda: inner_callout(stage), lambda told: told["state"] == "active" and told["id"], what="resumed")
    assert (told["id"], told["origin"]) == (callout_id, origin)
    assert len(await stage.callouts()) == known + 1


async def recorded(stage: Stage, harm: Harm) -> None:
    """Until the disk takes everything again: the daemon tries it when there is something new to keep."""
    before = (await stage.status())["store"]["fixes"]
    assert (await stage.ask(do="say", text="mended"))["ok"]
    if harm is not HARMS["corrupt"]:  # that one is told for good: the old file was moved aside
        await stage.until_status(lambda told: not harm.told & set(codes(told)), what="well again")
    await stage.until_status(lambda told: told["store"]["mode"] == "disk" and told["store"]["fixes"] > before, what="recording")


@needs_root
@harms
def test_press_on_an_ill_disk_is_on_the_wire_at_once_and_outlives_restarts(tmp_path: Path, harm: Harm):
    """Raised in time, told and streamed; resumed while the disk is ill; recorded once it is well, and resumed from there."""

    async def story() -> None:
        async with on_a_disk(tmp_path) as (stage, disk):
            await stage.start()
            await stage.until_armed()
            harm.hurt(disk)
            callout_id = await on_the_wire(stage, await press(stage))
            await stage.until_status(lambda told: harm.told & set(codes(told)), what="the condition")
            await streamed(stage)
            await reborn(stage)
            await resumed(stage, callout_id)
            harm.mend(disk)
            await recorded(stage, harm)
            await reborn(stage, rebooted=True)
            await resumed(stage, callout_id)

    asyncio.run(story())


@needs_root
@pytest.mark.parametrize("harm", ["hung", "read_only"])
def test_cancel_on_a_disk_that_takes_nothing_outlives_a_restart_and_streaming_goes_on(tmp_path: Path, harm: str):
    """Law 5: the press lies on tmpfs alone, is told again by the restart, and must not light up what was cancelled."""

    async def story() -> None:
        async with on_a_disk(tmp_path) as (stage, disk):
            await stage.start()
            await stage.until_armed()
            HARMS[harm].hurt(disk)
            await on_the_wire(stage, await press(stage))
            await stage.until_status(lambda told: told["callout"]["state"] == "active")
            assert (await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG + "\n"))[0] == 0
            await stage.until_callout(lambda seen: seen["duress"])
            if harm == "read_only":
                await stage.kill()
                down = json.loads((await stage.command("status", "--json"))[1])
                assert (down["callout"]["state"], codes(down)) == ("standby", ["daemon.down"])
                await stage.start()
            else:
                await reborn(stage)
            shown = await stage.until_status(lambda told: told, what="an answer")
            assert shown["callout"]["state"] == "standby"
            await stage.until(lambda: inner_callout(stage), lambda told: told["state"] == "cancelling", what="resumed inwardly")
            await streamed(stage)
            assert (await stage.status())["callout"] == shown["callout"]
            HARMS[harm].mend(disk)

    asyncio.run(story())


@needs_root
@pytest.mark.parametrize("ill", [False, True])
def test_press_after_a_cancel_and_the_close_outlive_restarts_also_on_a_disk_that_takes_nothing(tmp_path: Path, *, ill: bool):
    """The press ends the calm for good, and a press that was answered by a callout that is closed raises no other (laws 1 and 5)."""

    async def story() -> None:
        async with on_a_disk(tmp_path) as (stage, disk):
            stage.receivers += SITE  # the raise of the restart is not to wait for the first position
            await stage.start()
            await stage.until_armed()
            if ill:
                HARMS["read_only"].hurt(disk)
            callout_id = await on_the_wire(stage, await press(stage))
            await stage.until_status(lambda told: told["callout"]["state"] == "active")
            assert (await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG + "\n"))[0] == 0
            await press(stage)
            await stage.until_status(lambda told: told["callout"]["state"] == "active", what="shown again")
            await reborn(stage)
            await stage.until_status(
                lambda told: told["callout"].get("id") == callout_id and "armed_proof.old" not in codes(told), what="shown after a restart"
            )
            await streamed(stage)
            await stage.desk("POST", f"callouts/{callout_id}/close")
            await stage.until_status(lambda told: told["callout"]["state"] == "standby", what="closed")
            assert presses_left(stage) == []
            await reborn(stage)
            await stage.until_armed()
            assert len(await stage.callouts()) == 1
            if ill:
                HARMS["read_only"].mend(disk)

    asyncio.run(story())


@needs_root
def test_cancelled_callout_is_not_shown_by_a_start_that_cannot_know_of_the_cancel(tmp_path: Path):
    """Law 5: the power was cut, the disk hangs, and dispatch lists an open callout here. Nor is it shown once the disk has answered."""

    async def story() -> None:
        async with on_a_disk(tmp_path) as (stage, disk):
            await stage.start()
            await stage.until_armed()
            callout_id = await on_the_wire(stage, await press(stage))
            assert (await stage.command("cancel", "--safe-code-stdin", typed=CODE_WRONG + "\n"))[0] == 0
            await stage.until_callout(lambda seen: seen["duress"])
            await stage.kill()
            shutil.rmtree(stage.folder / "run")
            HARMS["hung"].hurt(disk)
            await stage.start()
            await resumed(stage, callout_id, origin="elsewhere")
            assert (await stage.status())["callout"]["state"] == "standby"
            HARMS["hung"].mend(disk)
            await stage.until_status(lambda told: "store.hung" not in codes(told) and told["store"]["mode"] == "disk", what="the disk")
            await streamed(stage)
            assert (await stage.status())["callout"]["state"] == "standby"
            await reborn(stage)
            await streamed(stage)
            assert (await stage.status())["callout"]["state"] == "standby", "nor after a further restart"

    asyncio.run(story())


@needs_root
def test_daemon_that_starts_on_a_hung_disk_raises_and_remembers_once_the_disk_answers(tmp_path: Path):
    """Its config has changed, too, and cannot be kept as the last good one: nothing of this may hold up a press."""

    async def story() -> None:
        async with on_a_disk(tmp_path) as (stage, disk):
            stage.receivers += SITE  # the disk is to be waited for, not the first position
            disk.freeze()
            await stage.start()
            await stage.until_status(lambda told: told, what="the daemon answers")
            callout_id = await on_the_wire(stage, await press(stage))
            await stage.until_status(lambda told: "store.hung" in codes(told), what="the condition")
            await streamed(stage)
            disk.thaw()
            await recorded(stage, HARMS["hung"])
            await reborn(stage, rebooted=True)
            await resumed(stage, callout_id)

    asyncio.run(story())


@needs_root
def test_press_that_was_stored_is_raised_after_the_power_came_back(tmp_path: Path):
    """Pulled while it could not be raised yet: the disk keeps what was synced, the runtime directory keeps nothing."""

    async def story() -> None:
        async with on_a_disk(tmp_path) as (stage, disk):
            stage.receivers = SITE
            await stage.start()
            await stage.until_status(lambda told: told["armed"], what="armed")
            await stage.link.cut()
            await press(stage)
            await stage.until(lambda: asyncio.to_thread(presses_left, stage), lambda left: not left, what="the press is on the disk")
            disk.cut_power()
            await stage.kill()
            disk.mount_anew()
            shutil.rmtree(stage.folder / "run")
            await stage.link.mend()
            await stage.start()
            await resumed(stage, (await stage.until_callout(lambda _: True, what="raised"))["id"])

    asyncio.run(story())


def test_callout_is_resumed_with_less_and_less_of_what_was_kept(tmp_path: Path):
    """Without the database by the tiny file; without either by dispatch's list, being near; and by a press in the runtime directory."""

    async def story() -> None:
        async with driving(tmp_path) as (stage, _):
            await stage.start()
            await stage.until_armed()
            callout_id = await on_the_wire(stage, await press(stage))
            await resumed(stage, callout_id)
            for lost, origin in (("agent.db*[!y]", "cli"), ("agent.db*", "elsewhere"), ("agent.db*", "spool")):
                await stage.kill()
                for path in tmp_path.glob(lost):
                    path.unlink()
                assert (tmp_path / "agent.db.identity").exists() is (origin == "cli")
                if origin == "spool":
                    leave_press(stage)
                await stage.start()
                await resumed(stage, callout_id, origin=origin)

    asyncio.run(story())


def test_press_that_waited_says_when_it_was_made(tmp_path: Path):
    async def story() -> None:
        async with staged(tmp_path) as stage:
            stage.receivers = SITE
            stage.write_config()
            leave_press(stage, age_s=300)
            await stage.start()
            callout = await stage.until_callout(lambda seen: any("Pressed at" in each["text"] for each in seen["events"]))
            assert any("5 min before this callout could be raised" in each["text"] for each in callout["events"])

    asyncio.run(story())
