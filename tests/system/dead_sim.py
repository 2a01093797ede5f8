"""A network as behind a SIM without data: an interface that is up, with an address and a route out, and nothing ever comes back.

For root: namespaces of their own, which end with the process that made them. Nothing of this machine's network is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

# The far end lies in a second namespace, so that the device sees one interface; its neighbour is known, so that nobody says "no route".
_BUILD = """exec 3<&0
unshare --net cat <&3 >/dev/null & far=$!
ip link set lo up && ip link add wwan0 type veth peer name modem || exit 1
until ip link set modem netns $far 2>/dev/null; do kill -0 $far || exit 1; done
nsenter --net=/proc/$far/ns/net ip link set modem up &&
ip address add 10.64.0.2/24 dev wwan0 && ip link set wwan0 up && ip route add default via 10.64.0.1 &&
ip neigh add 10.64.0.1 lladdr 02:00:00:00:00:01 dev wwan0 nud permanent && echo up && exec cat
"""


@contextlib.asynccontextmanager
async def dead_sim() -> AsyncIterator[tuple[str, ...]]:
    """The words that put a command behind that SIM. Skips where this machine cannot have such a network."""
    made = await asyncio.create_subprocess_exec(
        "unshare",
        "--net",
        "sh",
        "-c",
        _BUILD,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert made.stdin is not None
    assert made.stdout is not None
    try:
        async with asyncio.timeout(10):
            if await made.stdout.readline() != b"up\n":
                assert made.stderr is not None
                pytest.skip(f"no network namespace can be had: {(await made.stderr.read()).decode().strip()}")
        yield ("nsenter", f"--net=/proc/{made.pid}/ns/net")
    finally:
        made.stdin.close()  # that ends it, and with it both namespaces
        await made.communicate()
