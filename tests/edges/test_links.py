"""A link that comes back is noticed by the kernel's word, in a network namespace of the test's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from networks import NO_NETWORK, namespaces

STORY = """
import asyncio, subprocess
from agent import links
links.QUIET_S = 0.0

async def main():
    changes = asyncio.Event()
    watching = asyncio.create_task(links.watch(changes.set))
    await asyncio.sleep(0)
    for words in ("link set lo up", "addr add 10.99.0.1/24 dev lo", "addr del 10.99.0.1/24 dev lo", "link set lo down"):
        changes.clear()
        (await asyncio.create_subprocess_exec("ip", *words.split()))
        async with asyncio.timeout(5):
            await changes.wait()
        print(words)
    watching.cancel()

asyncio.run(main())
"""

FLAPPING = """
import asyncio
from agent import links

async def ip(words):
    await (await asyncio.create_subprocess_exec("ip", *words.split())).wait()

async def main():
    loop, told = asyncio.get_running_loop(), []
    watching = asyncio.create_task(links.watch(lambda: told.append(loop.time())))
    await asyncio.sleep(0)
    began = loop.time()
    await ip("link set lo down")
    await ip("link set lo up")
    while loop.time() - began < 5:
        await ip("addr add 10.99.0.1/24 dev lo")
        await ip("addr del 10.99.0.1/24 dev lo")
        await asyncio.sleep(0.1)
    print(len(told), max(later - earlier for earlier, later in zip(told, told[1:])))

asyncio.run(main())
"""


@pytest.mark.skipif(not namespaces(), reason=NO_NETWORK)
def test_links_and_addresses_that_come_and_go_are_told():
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", STORY],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    told = ["link set lo up", "addr add 10.99.0.1/24 dev lo", "addr del 10.99.0.1/24 dev lo", "link set lo down"]
    assert done.stdout.splitlines() == told, done.stderr


@pytest.mark.skipif(not namespaces(), reason=NO_NETWORK)
def test_link_that_flaps_is_told_ever_more_seldom():
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", FLAPPING],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    times, longest_s = done.stdout.split()
    assert 2 <= int(times) <= 3, "changes go on for 5 s: they are told at 0.3, 1.6 and 3.9 s"
    assert float(longest_s) > 1.2
