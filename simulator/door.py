"""Takes connections off a listening socket and hands them to a protocol, unless they are to be left standing there.

Touches the socket and the loop. Decides nothing: `stalled` says whether anybody is served. While nobody is, the kernel goes on taking
connections for as many as the backlog holds, as in front of a process that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

BACKLOG = 256
LOOK_EVERY_S = 0.05
NO_ROOM_S = 0.1  # out of file descriptors: looked at again after this


class Door:
    """The acceptor of one listener. `open` listens, `run` serves until it is cancelled; it closes what it has not handed on."""

    def __init__(self, listener: socket.socket, stalled: Callable[[], bool]) -> None:
        self._listener = listener
        self._stalled = stalled
        self._coming: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """From now on the kernel takes connections. Raises OSError."""
        self._listener.setblocking(False)  # noqa: FBT003 - the call's only form
        self._listener.listen(BACKLOG)

    async def run(self, make_protocol: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None) -> None:
        """Hand on every connection that comes. Never returns."""
        try:
            while True:
                await self._take(make_protocol, context)
        finally:
            for task in self._coming:
                task.cancel()
            await asyncio.gather(*self._coming, return_exceptions=True)

    async def _take(self, make_protocol: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            taken, _ = await loop.sock_accept(self._listener)
        except OSError:
            await asyncio.sleep(NO_ROOM_S)
            return
        try:
            while self._stalled():  # noqa: ASYNC110 - a rule may end by the clock alone, which tells nobody
                await asyncio.sleep(LOOK_EVERY_S)
        except BaseException:
            taken.close()
            raise
        task = loop.create_task(_introduce(taken, make_protocol, context))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)


async def _introduce(taken: socket.socket, make_protocol: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None) -> None:
    """Shake hands. A client that went or does not accept our certificate is nobody's trouble."""
    with contextlib.suppress(OSError):
        await asyncio.get_running_loop().connect_accepted_socket(make_protocol, taken, ssl=context)
