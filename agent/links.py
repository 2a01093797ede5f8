"""Tells when the network changed: a link came or went, an address was given or taken (rtnetlink(7)).

Touches one netlink socket, on the event loop. Says only *that* something changed: whether dispatch can be reached is found out
by trying. Without netlink (a container that forbids it) nothing is told, and the lanes' own retries do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from typing import Final

log = logging.getLogger("callout-agent")

# From linux/rtnetlink.h: groups as bits.
RTMGRP_LINK: Final = 0x1
RTMGRP_IPV4_IFADDR: Final = 0x10
RTMGRP_IPV4_ROUTE: Final = 0x40
RTMGRP_IPV6_IFADDR: Final = 0x100
GROUPS: Final = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR
SETTLE_S: Final = 0.3  # a link that comes up tells ten things in a row; the last is its route
QUIET_S: Final = 1.0  # after a change; doubled while they go on: a link that flaps must not become a storm at dispatch
MAX_QUIET_S: Final = 8.0
MAX_READS: Final = 64  # per wake-up: a storm of messages must not hold the loop


async def watch(changed: Callable[[], None]) -> None:
    """Call `changed` after each change, once it has settled. Never returns."""
    loop, rung = asyncio.get_running_loop(), asyncio.Event()
    sock = _open()
    if sock is None:
        await loop.create_future()
        return
    loop.add_reader(sock, _drain, sock, rung)
    quiet_s = QUIET_S
    try:
        while True:
            await rung.wait()
            await asyncio.sleep(SETTLE_S)
            rung.clear()
            changed()
            await asyncio.sleep(quiet_s)
            quiet_s = min(MAX_QUIET_S, 2 * quiet_s) if rung.is_set() else QUIET_S
    finally:
        loop.remove_reader(sock)
        sock.close()


def _open() -> socket.socket | None:
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        sock.bind((0, GROUPS))
    except OSError as error:
        log.info("changes of the network are not told to us (%s); retries go on by themselves", os.strerror(error.errno or 0))
        return None
    return sock


def _drain(sock: socket.socket, rung: asyncio.Event) -> None:
    """What the messages say is not looked at; ENOBUFS means that some were lost, which is a change too."""
    rung.set()
    with contextlib.suppress(OSError):
        for _ in range(MAX_READS):
            sock.recv(65_536)
