"""A disk that falls ill while a callout is on and gets well again, by the real daemon: nobody has to lift a finger (law 4).

What the daemon tells dispatch meanwhile is compared with what is on the disk in the end, read from outside. A press on a disk that is
ill already: `test_disks.py`. The stories go on side by side: they wait for the store's rhythm far more than they work.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disks import Disk, fill_up, needs_root, on_a_disk
from stage import Stage, codes, press, side_by_side, streamed

ON_THE_WIRE_S = 1.5
WELL_S = 20.0  # the store tries an ill disk every 5 s, and what is new reaches a disk within 5 s
Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Harm:
    """hurt: what happens to the disk; mend: how it is mended, None if the daemon has to do that by itself; told: by `status`."""

    hurt: Callable[[Disk], object]
    mend: Callable[[Disk], object] | None
    told: frozenset[str]


def overwrite(*names: str) -> Callable[[Disk], None]:
    """Somebody writes over these files from their first byte to their last, in place."""

    def scribble(disk: Disk) -> None:
        for name in names:
            path = disk.folder / name
            with path.open("r+b") as file:
                file.write(os.urandom(path.stat().st_size))

    return scribble


def fill(disk: Disk) -> None:
    """To the last byte."""
    fill_up(disk.folder)
    assert os.statvfs(disk.folder).f_bavail == 0


HARMS = {
    "full": Harm(fill, lambda disk: (disk.folder / "hog").unlink(), frozenset({"store.full"})),
    "read_only": Harm(Disk.turn_read_only, Disk.mount_anew, frozenset({"store.read_only"})),
    "overwritten": Harm(
        overwrite("agent.db", "agent.db-wal", "agent.db-shm"), None, frozenset({"store.lost_moved", "store.corrupt_moved"})
    ),
    "journal_overwritten": Harm(overwrite("agent.db-wal"), None, frozenset({"store.lost_moved", "store.corrupt_moved"})),
    "database_overwritten": Harm(overwrite("agent.db"), None, frozenset({"store.lost_moved", "store.corrupt_moved"})),
}


async def told(stage: Stage) -> set[Place]:
    """Every position that dispatch has had from the location lane."""
    return {_place(each["latitude"], each["longitude"]) for each in (await stage.callouts())[-1]["positions"] if each["via"] == "location"}


def _place(latitude: float, longitude: float) -> Place:
    return round(latitude, 6), round(longitude, 6)


def kept(stage: Stage) -> set[Place]:
    """Every position on the disk, as another program reads it; nothing where there is nothing to be read."""
    with contextlib.suppress(sqlite3.Error):
        return {_place(*row) for row in _ask(stage, "SELECT latitude_deg, longitude_deg FROM fixes")}
    return set()


def _ask(stage: Stage, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"file:{stage.store}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


async def until_kept(stage: Stage, wanted: set[Place], what: str) -> None:
    """Until all of these are on the disk."""
    await stage.until(lambda: asyncio.to_thread(kept, stage), lambda seen: wanted and wanted <= seen, WELL_S, f"on the disk: {what}")


async def on_a_callout(stage: Stage) -> None:
    """Started, raised, streaming, and there are positions on the disk."""
    await stage.start()
    await stage.until_armed()
    await press(stage)
    await stage.until_status(lambda seen: seen["callout"]["state"] == "active", what="active")
    await streamed(stage)
    await stage.until(lambda: asyncio.to_thread(kept, stage), lambda seen: seen, what="positions on the disk")


async def pressed_again(stage: Stage) -> None:
    """A further press is with dispatch in time."""
    made_at = await press(stage)
    await stage.until_callout(lambda seen: seen["presses"] == 2, what="the press is on the wire")
    assert time.monotonic() - made_at < ON_THE_WIRE_S


async def lives_through(harm: Harm, folder: Path) -> None:
    """From a sound disk through an ill one to a sound one."""
    async with on_a_disk(folder) as (stage, disk):
        await on_a_callout(stage)
        past_saving = set() if harm.mend else await told(stage)
        harm.hurt(disk)
        await pressed_again(stage)
        ill = await stage.until_status(lambda seen: harm.told & set(codes(seen)), what="the condition")
        assert all(each["hint"] for each in ill["conditions"] if each["code"] in harm.told)
        await streamed(stage)
        if harm.mend is not None:
            harm.mend(disk)
            await stage.until_status(lambda seen: not harm.told & set(codes(seen)), WELL_S, "well again, by itself")
        await streamed(stage)
        await until_kept(stage, await told(stage) - past_saving, "what dispatch was told before, meanwhile and since")
        assert _ask(stage, "PRAGMA integrity_check") == [("ok",)]
        assert (2, "settled") in _ask(stage, "SELECT number, state FROM presses")
        assert (await stage.status())["store"]["mode"] == "disk"
        assert harm.mend or list(disk.folder.glob("agent.db.aside-*")), "what was overwritten is kept"


@needs_root
def test_callout_goes_on_through_a_dying_disk_and_is_recorded_in_full_once_it_is_well(tmp_path: Path):
    side_by_side(tmp_path, *(lambda folder, harm=harm: lives_through(harm, folder) for harm in HARMS.values()))
