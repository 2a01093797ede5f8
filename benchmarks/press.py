"""From a finger to dispatch: how long after the touch the raise is there, against the bare request that it needs at least.

The real daemon as a process, a button on a played chip with hold_s = 0, the simulator over TLS on loopback. Baseline, in the same run: a
new TLS connection and one POST by httpx to the same server. Printed as ratios; the kernel's 20 ms of debounce are part of ours.
Usage: python benchmarks/press.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import ssl
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "system")]

from stage import Stage, driving  # noqa: E402 - the tests' stage
from wearing import BUTTON, Wearing  # noqa: E402 - and its finger

from hardware.played_chip import PlayedChip  # noqa: E402


async def main(rounds: int) -> None:
    """Print the medians and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wearer = Wearing(folder)
        async with driving(folder) as (stage, _), PlayedChip(wearer.path) as chip:
            wearer.chip = chip
            stage.more = wearer.config().replace("hold_s = 0.3", "hold_s = 0")
            await stage.start()
            await stage.until_armed()
            ours = [await press_once(stage, wearer) for _ in range(rounds)]
            bare = [await post_once(stage) for _ in range(rounds)]
    ours_s, bare_s = statistics.median(ours), statistics.median(bare)
    print(f"touch to callout at dispatch   median {ours_s * 1e3:6.1f} ms, worst {max(ours) * 1e3:6.1f} ms ({rounds} presses)")
    print(f"new TLS connection and a POST  median {bare_s * 1e3:6.1f} ms, worst {max(bare) * 1e3:6.1f} ms")
    print(f"ratio                          {ours_s / bare_s:.1f}")


async def press_once(stage: Stage, wearer: Wearing) -> float:
    """Seconds from the touch until the simulator has the callout; then dispatch closes it, and the next may come."""
    before = len(await stage.callouts())
    began = time.monotonic()
    wearer.chip.press(BUTTON)
    while len(await stage.callouts()) == before:  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.001)
    took = time.monotonic() - began
    wearer.chip.release(BUTTON)
    await stage.desk("POST", f"callouts/{(await stage.callouts())[-1]['id']}/close")
    await stage.until_status(lambda told: told["callout"]["state"] == "standby")
    return took


async def post_once(stage: Stage) -> float:
    """Seconds for a request that costs the simulator next to nothing, on a connection of its own."""
    trust = ssl.create_default_context(cafile=str(stage.simulator.ca_file))
    began = time.monotonic()
    async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
        await client.post(f"{stage.base_url}/oauth/token", json={})
    return time.monotonic() - began


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
