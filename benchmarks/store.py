"""What the store costs, as ratios against a baseline measured in the same run, so that two machines can be compared.

    python benchmarks/store.py [DIRECTORY]

DIRECTORY: on the disk to be measured; a temporary one by default. Nothing in it is kept.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent import keeper
from agent.columns import first_id, write_utc
from agent.kept import PressMade
from agent.model import Fix, Press
from agent.store import Pace, Store, peek

WALL = 1_780_000_000.0
STEPS = 200
ROWS = 200_000
# Above these a change has made the store worse than it was meant to be.
MOST = {
    "step / synced append": 12.0,
    "record / list append": 60.0,
    "routine commit of 30 / step": 1.5,
    "open 200,000 rows / open empty": 60.0,
}


def make_fix(n: int) -> Fix:
    """One of a row of fixes."""
    return Fix(1.0 + n / 8, WALL + n / 8, "gpsd", -33.9, 18.4, 5.0, 30.0, 1.5, 90.0, WALL + n / 8)


def measure(work: Callable[[int], object], times: int) -> float:
    """The median time of one call in seconds."""
    taken = []
    for n in range(times):
        began = time.perf_counter()
        work(n)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def measure_async(work: Callable[[int], Awaitable[object]], times: int) -> float:
    """The median time of one awaited call in seconds."""
    taken = []
    for n in range(times):
        began = time.perf_counter()
        await work(n)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def append_synced(directory: Path) -> float:
    """The baseline of a step: 100 bytes at the end of a file, synced."""
    handle = os.open(directory / "baseline", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def append(_: int) -> None:
        os.write(handle, b"x" * 100)
        os.fsync(handle)

    try:
        return measure(append, STEPS)
    finally:
        os.close(handle)


async def measure_steps(directory: Path) -> tuple[float, float, float]:
    """One press; recording one fix; a group of 30 routine fixes."""
    store = Store(directory / "steps.db", boot_id="bench", pace=Pace(group_s=3600, group_rows=10**6))
    await store.open()
    fixes = [make_fix(n) for n in range(10_000)]
    record = measure(lambda n: store.record(fixes[n]), 3000)

    async def group(n: int) -> None:
        for fix in fixes[3000 + n * 30 : 3030 + n * 30]:
            store.record(fix)
        await store.has_press(0.0)

    await store.has_press(0.0)
    groups = await measure_async(group, STEPS)
    # The same press is stepped with ever new numbers: with the tiny file, as a real one is.
    step = await measure_async(lambda n: store.step(PressMade(Press(n + 1, 1e6 + n, WALL + n, "bench"))), STEPS)
    await store.aclose()
    return step, record, groups


def fill(path: Path) -> None:
    """A database of two hundred thousand fixes."""
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO boots (number, boot_id) VALUES (1, 'bench')")
    sql = (
        "INSERT INTO fixes (id, boot, at_s, wall_utc, wall_trusted, gnss_utc, receiver, latitude_deg, longitude_deg, accuracy_m,"
        " segment, quality) VALUES (?, 1, ?, ?, 1, ?, 'gpsd', -33.9, 18.4, 5.0, 0, 'live')"
    )
    connection.executemany(sql, ((first_id(1, n / 8), n / 8, write_utc(WALL + n / 8), write_utc(WALL + n / 8)) for n in range(ROWS)))
    connection.commit()
    connection.close()


async def open_and_close(path: Path) -> float:
    """From nothing to `Remembered`."""
    store = Store(path, boot_id="bench")
    began = time.perf_counter()
    await store.open()
    took = time.perf_counter() - began
    await store.aclose()
    return took


def measure_import(statement: str) -> float:
    """The seconds that an import adds to a bare interpreter."""
    bare, with_it = (measure(lambda _, s=s: subprocess.run([sys.executable, "-c", s], check=True), 5) for s in ("pass", statement))
    return with_it - bare


async def measure_opening(directory: Path) -> tuple[float, float, float, float]:
    """Opening an empty and a large database, the size of a row, peeking at the large one."""
    path = directory / "large.db"
    await open_and_close(path)
    empty = statistics.median([await open_and_close(path) for _ in range(5)])
    before = path.stat().st_size
    fill(path)
    row = (path.stat().st_size - before) / ROWS
    large = statistics.median([await open_and_close(path) for _ in range(5)])
    return empty, large, row, measure(lambda _: peek(path), 5)


def main() -> int:
    """Measure, print, and fail where a ratio is out of bounds."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        directory = Path(name)
        synced = append_synced(directory)
        grown: list[int] = []
        plain = measure(grown.append, 3000)
        step, record, groups = asyncio.run(measure_steps(directory))
        keeper.LASTING_SYNC = "NORMAL"
        (directory / "unsynced").mkdir()
        unsynced = asyncio.run(measure_steps(directory / "unsynced"))[0]
        empty, large, row, peeked = asyncio.run(measure_opening(directory))
    ratios = {
        "step / synced append": step / synced,
        "record / list append": record / plain,
        "routine commit of 30 / step": groups / step,
        "open 200,000 rows / open empty": large / empty,
    }
    for what, ratio in ratios.items():
        print(f"{what:34} {ratio:8.1f}   (at most {MOST[what]:.0f})")
    print(f"{'step unsynced / step':34} {unsynced / step:8.2f}")
    print(f"synced append {synced * 1e3:.2f} ms, step {step * 1e3:.2f} ms, group {groups * 1e3:.2f} ms, record {record * 1e6:.1f} us")
    print(f"open empty {empty * 1e3:.1f} ms, open {ROWS} rows {large * 1e3:.1f} ms, peek {peeked * 1e3:.1f} ms, {row:.0f} bytes a fix")
    for module in ("sqlite_utils", "agent.store"):
        print(f"import of {module} {measure_import(f'import {module}') * 1e3:.0f} ms")
    return int(any(ratio > MOST[what] for what, ratio in ratios.items()))


if __name__ == "__main__":
    sys.exit(main())
