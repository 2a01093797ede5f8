"""What a day of fixes, one a second, costs a disk in bytes: the real store, a group committed after every five, as fast as it goes.

    python benchmarks/store_bytes.py [DIRECTORY] [HOURS]

DIRECTORY: on a real file system; a temporary one by default. Nothing in it is kept. HOURS: of the day; what is printed is scaled to 24.

Measured from /proc/self/io. `wchar` counts what is handed to the kernel, and is what the bound is for: it is the same on every machine.
`write_bytes` counts the blocks of the page cache that this made dirty, mostly of 4 KB: a group that is synced costs at least one, however
short it is. So it is compared with the plainest thing there is: the same rows as lines of CSV, appended to a file that is synced after
each group.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.columns import write_utc
from agent.kept import CalloutKept, CalloutRecord
from agent.model import Fix
from agent.store import Pace, Store

WALL = 1_780_000_000.0
GROUP = 5  # one a second, and a group waits for 5 s
DAY = 86_400
MOST_MB = 100.0  # handed to the kernel in a day without a callout
MOST_RATIO = 2.0  # blocks made dirty, against the file of CSV
URGENT_PART = 12  # of an emergency only this part is played: every group of it is as every other


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes by /proc/self/io."""

    handed: int
    dirtied: int

    @classmethod
    def so_far(cls) -> Written:
        """Of this process."""
        lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
        found = dict(line.split(": ") for line in lines)
        return cls(int(found["wchar"]), int(found["write_bytes"]))

    def since(self, before: Written) -> Written:
        """The difference."""
        return Written(self.handed - before.handed, self.dirtied - before.dirtied)


def make_fix(n: int) -> Fix:
    """One a second, of a drive: every number has as many digits as a receiver's."""
    at, turn = 100.0 + n + 0.013 * math.sin(n), n / 900
    place = (-33.92487 + 0.1 * math.sin(turn), 18.42413 + 0.1 * math.cos(turn))
    motion = (4.3 + 0.7 * math.sin(n), 31.4 + 5.1 * math.sin(turn), 13.37 + 3.1 * math.sin(n), math.degrees(turn) % 360)
    return Fix(at, WALL + n, "gpsd", *place, *motion, WALL + n)


def append_lines(directory: Path, count: int) -> None:
    """The baseline."""
    handle = os.open(directory / "baseline.csv", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for first in range(0, count, GROUP):
            os.write(handle, "".join(map(line_of, range(first, first + GROUP))).encode())
            os.fdatasync(handle)
    finally:
        os.close(handle)


def line_of(n: int) -> str:
    """The values of a row."""
    f = make_fix(n)
    times = f"{f.at:.3f},{write_utc(f.wall)},1,{write_utc(f.wall)},{f.receiver}"
    return f"1,{times},{f.latitude:.7f},{f.longitude:.7f},{f.accuracy_m},{f.altitude_m},{f.speed_mps},{f.track_deg},0,{f.quality}\n"


async def record(path: Path, count: int, *, urgent: bool = False) -> int:
    """Record so many, each group committed before the next one comes; the size of the database afterwards.

    urgent: a callout is open, and each fix is accepted and covered as it is recorded.
    """
    store = Store(path, boot_id="bench", pace=Pace(group_s=3600, group_rows=GROUP * (3 if urgent else 1)))
    await store.open()
    await store.step(*([CalloutKept(OPEN)] if urgent else []))
    for n in range(count):
        fix = make_fix(n)
        store.record(fix)
        if urgent:
            store.sent(fix)
            store.covered(fix.at - 1, fix.at)
        if n % GROUP == GROUP - 1:
            while store.summary().fixes <= n:  # noqa: ASYNC110 - as the daemon's clock would: nobody asks for this commit
                await asyncio.sleep(0.0002)
    assert store.summary().trouble is None or store.summary().trouble.code == "store.slow"
    await store.aclose()
    return path.stat().st_size


OPEN = CalloutRecord(7, "https://host", 5, "active", calm=False, origin="cli", drill=False, raised_wall=WALL)


def measure(work: Callable[[], object], scale: float) -> tuple[float, float, float]:
    """Megabytes handed over, megabytes made dirty, both scaled; and seconds."""
    before, began = Written.so_far(), time.monotonic()
    work()
    found = Written.so_far().since(before)
    return found.handed * scale / 1e6, found.dirtied * scale / 1e6, time.monotonic() - began


def main() -> int:
    """Measure, print, and fail where a day costs too much."""
    hours = float(sys.argv[2]) if len(sys.argv) > 2 else 24.0
    count = int(hours * 3600) // GROUP * GROUP
    scale = DAY / count
    urgent_count = max(count // URGENT_PART // GROUP * GROUP, GROUP)
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        directory = Path(name)
        plain = measure(lambda: append_lines(directory, count), scale)
        quiet = measure(lambda: asyncio.run(record(directory / "quiet.db", count)), scale)
        size_mb = (directory / "quiet.db").stat().st_size * scale / 1e6
        urgent = measure(lambda: asyncio.run(record(directory / "urgent.db", urgent_count, urgent=True)), DAY / urgent_count)
    print(f"24 h at 1 Hz, a group of {GROUP} synced every {GROUP} s; {count} fixes played, in an emergency {urgent_count}")
    for what, (handed, dirtied, took_s) in {"lines of CSV": plain, "the store": quiet, "the store, emergency": urgent}.items():
        print(f"{what:22} {handed:7.1f} MB handed to the kernel, {dirtied:7.1f} MB of blocks made dirty ({took_s:.0f} s)")
    print(f"the database has {size_mb:.1f} MB after a day")
    if not plain[1]:
        print("this is no disk: nothing was made dirty")
        return int(quiet[0] > MOST_MB)
    print(f"handed {quiet[0]:.1f} MB (at most {MOST_MB:.0f}); dirty against the lines {quiet[1] / plain[1]:.2f} (at most {MOST_RATIO:.1f})")
    return int(quiet[0] > MOST_MB or quiet[1] / plain[1] > MOST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
