"""How long after the link is back dispatch has the newest position: with 100,000 fixes that wait to be told, against none.

The real daemon as a process, the simulator over TLS, in a network of its own (Linux, unshare) whose link is cut and mended. Both cases
alternate in one run. Afterwards: the longest gap between accepted positions while all those fixes are told, against the same time with
none. Exits 1 where the ratio is above its bound.
Usage: python benchmarks/backlog.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "system")]

from diary import wall_of  # noqa: E402 - the tests' eyes at dispatch
from stage import Stage, driving  # noqa: E402 - and their stage

from agent.columns import first_id, write_utc  # noqa: E402
from agent.links import SETTLE_S  # noqa: E402

FIXES = 100_000
MOST = 1.2  # ratio of the medians
OLD_S = 2.5  # the age that the newest fix may have: one a second comes in, and status tells whole seconds
TOLD_WITHIN_S = 600.0
NETWORK = "BACKLOG_NETWORK"  # set within the network of our own


def enter_network() -> None:
    """Become a process that is alone in its network: what changes there is told to no other daemon."""
    if NETWORK in os.environ:
        return
    whose = ["--net"] if os.geteuid() == 0 else ["--net", "--user", "--map-root-user"]
    os.environ[NETWORK] = "own"
    os.execvp("unshare", ["unshare", *whose, sys.executable, *sys.argv])  # noqa: S606, S607


def ip(*words: str) -> None:
    """Change our network."""
    subprocess.run(["ip", *words], check=True)  # noqa: S607


class Device:
    """A daemon in the middle of a callout, started again and again from what it had left on its disk."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage, self._kept = stage, folder
        self._addresses = itertools.count(1)

    async def leave(self) -> None:
        """Raise a callout for real, lose power, and keep the disk: as it was, and with fixes that wait to be told."""
        await self.stage.start()
        await self.stage.until_armed()
        assert (await self.stage.command("raise", "--wait", "10"))[0] == 0
        await self.stage.until_callout(lambda seen: len(seen["positions"]) >= 3)
        await self.stage.kill()
        for fixes in (0, FIXES):
            shutil.copytree(self.stage.folder / "disk", self._kept / str(fixes))
        fill(self._kept / str(FIXES) / "agent.db", FIXES)

    async def wake(self, fixes: int) -> None:
        """Start with that disk, out of reach; ends when positions fail."""
        await self.stage.link.cut()
        shutil.rmtree(self.stage.folder / "disk")
        shutil.copytree(self._kept / str(fixes), self.stage.folder / "disk")
        await self.stage.start()
        await self.stage.until_status(
            lambda told: told["callout"]["state"] == "active" and told["stream"]["failed"] >= 2 and told["store"]["untold"] >= fixes,
            60,
            "out of reach, in a callout",
        )

    async def come_back(self) -> float:
        """Mend the link and tell the kernel; seconds until dispatch had a position, which is of after that."""
        before = len(await self.arrivals())
        await self.stage.link.mend()
        back_wall = time.time()
        ip("address", "add", f"192.0.2.{next(self._addresses)}/32", "dev", "lo")
        seen = await self.stage.until(self.arrivals, lambda seen: len(seen) > before, 60, "a position")
        status = await self.stage.until_status(lambda told: told["stream"]["last_sent_fix_time"], what="accepted")
        assert wall_of(status["stream"]["last_sent_fix_time"]) >= back_wall - OLD_S, "the newest"
        return seen[before] - back_wall

    async def arrivals(self) -> list[float]:
        """When dispatch had each position of the location lane: UTC s."""
        return [wall_of(each["received"]) for each in (await self.stage.callouts())[-1]["positions"] if each["via"] == "location"]

    async def longest_gap(self, until: Callable[[dict[str, Any]], object], within_s: float) -> tuple[float, float]:
        """Seconds that it took until the status was so, and the longest ones between two positions meanwhile."""
        before, began = len(await self.arrivals()), time.monotonic()
        await self.stage.until_status(until, within_s, "told")
        took_s = time.monotonic() - began
        walls = (await self.arrivals())[before - 1 :]
        return took_s, max((later - earlier for earlier, later in itertools.pairwise([*walls, time.time()])), default=0.0)


def fill(path: Path, count: int) -> None:
    """Fixes of the emergency that is on, captured before now in this boot: a winding drive."""
    connection = sqlite3.connect(path)
    (episode,) = connection.execute("SELECT value FROM state WHERE name = 'episode'").fetchone()
    boot, first_at = connection.execute("SELECT boot, at_s FROM fixes ORDER BY id LIMIT 1").fetchone()
    every_s = min(1.0, 0.9 * first_at / count)
    first_wall = time.time() - (time.monotonic() - first_at)
    sql = (
        "INSERT INTO fixes (id, boot, at_s, wall_utc, wall_trusted, gnss_utc, receiver, latitude_deg, longitude_deg, accuracy_m, speed_mps,"
        " track_deg, segment, quality, episode) VALUES (?, ?, ?, ?, 1, ?, 'serial', ?, ?, 5.0, 10.0, 0.0, 0, 'live', ?)"
    )

    def row(n: int) -> tuple[object, ...]:
        before_s = (count - n) * every_s
        when = write_utc(first_wall - before_s)
        return (
            first_id(boot, first_at - before_s),
            boot,
            first_at - before_s,
            when,
            when,
            -34.0 + n * 1e-5,
            18.4 + 0.01 * math.sin(n / 300),
            episode,
        )

    connection.executemany(sql, map(row, range(count)))
    connection.execute("DELETE FROM state WHERE name = 'counted'")  # rows that the daemon did not write
    connection.commit()
    connection.close()


async def measure(rounds: int, stage: Stage, folder: Path) -> bool:
    """Print what was found; whether the ratio is within its bound."""
    device = Device(stage, folder)
    await device.leave()
    took: dict[int, list[float]] = {0: [], FIXES: []}
    for fixes in (0, FIXES) * rounds:
        await device.wake(fixes)
        took[fixes].append(await device.come_back())
        await stage.kill()
    # Sooner than the link may settle is a try that happened to be due: luck of the pauses, which no backlog has a part in.
    empty_s, full_s = (statistics.median(max(each, SETTLE_S) for each in took[fixes]) for fixes in (0, FIXES))
    for fixes, each in took.items():
        print(f"{fixes:7} fixes wait: link back to newest position accepted {shown(each)}")
    settling = f"{SETTLE_S * 1e3:.0f} ms in which a link may settle"
    print(f"ratio {full_s / empty_s:.2f} (at most {MOST}); nothing counts as sooner than the {settling}")
    await tell(device)
    return full_s / empty_s <= MOST


def shown(taken_s: list[float]) -> str:
    """Seconds, as a person reads them."""
    return (
        f"median {statistics.median(taken_s) * 1e3:6.0f} ms, {min(taken_s) * 1e3:.0f} to {max(taken_s) * 1e3:.0f} ms ({len(taken_s)} times)"
    )


async def tell(device: Device) -> None:
    """How long it takes to tell all of them, and whether positions go on meanwhile."""
    await device.wake(FIXES)
    before = len((await device.stage.callouts())[-1]["events"])
    await device.come_back()
    took_s, gap_s = await device.longest_gap(lambda told: told["store"]["untold"] < FIXES / 100, TOLD_WITHIN_S)
    messages = len((await device.stage.callouts())[-1]["events"]) - before
    assert messages, "a trail is told"
    print(f"{FIXES} fixes told in {took_s:.1f} s, {messages} messages")
    print(f"longest gap between positions meanwhile {gap_s:.2f} s (one a second is due)")
    await device.stage.kill()
    await device.wake(0)
    await device.come_back()
    began = time.monotonic()
    _, gap_s = await device.longest_gap(lambda _: time.monotonic() - began >= max(10.0, took_s), TOLD_WITHIN_S)
    print(f"longest gap with none to tell, in as long       {gap_s:.2f} s")
    await device.stage.kill()


async def main(rounds: int) -> int:
    """The whole run."""
    ip("link", "set", "lo", "up")
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as kept:
        async with driving(Path(name)) as (stage, _):
            (stage.folder / "disk").mkdir()
            stage.store = stage.folder / "disk" / "agent.db"
            return 0 if await measure(rounds, stage, Path(kept)) else 1


if __name__ == "__main__":
    enter_network()
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)))
