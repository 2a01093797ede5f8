"""Roads to dispatch as bad as real ones: TCP relays on loopback that are slow, forget connections, fall silent or show a certificate.

They carry bytes and know nothing of them. A road stays up for as long as the test runs and is changed by attribute while it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Self

SEGMENT = 512  # bytes carried at once: short, so that connections take turns as on a real link
HEADERS = 40  # bytes of TCP and IP around each segment
WINDOW = 16_384  # bytes of one connection on their way at once: a sender's first window and a little more


class Pipe:
    """One direction of a link that all connections share: bytes leave in turn at `bytes_per_s` and arrive `delay_s` later."""

    def __init__(self, bytes_per_s: float | None = None, delay_s: float = 0.0) -> None:
        self.bytes_per_s, self.delay_s = bytes_per_s, delay_s
        self.carried = 0
        self._free_at = 0.0

    def send(self, size: int) -> float:
        """Queue so many bytes; the loop's time at which they have arrived."""
        now_at = asyncio.get_running_loop().time()
        if self.bytes_per_s is None:
            return now_at + self.delay_s
        self.carried += size
        self._free_at = max(self._free_at, now_at) + size / self.bytes_per_s
        return self._free_at + self.delay_s


async def _until(at: float) -> None:
    """Until the loop's time is `at`: how long a byte is on its way is what is being modelled."""
    await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))


class Road:
    """From a free port of this machine to another one, for any number of connections.

    silent: new connections are taken and never carried (half open). `forget`: those of now carry nothing any more, in silence, as
    when a router has forgotten them. own_tls: what clients are shown instead of the far end's certificate; far_tls: whom the far end
    then has to be.
    """

    def __init__(
        self,
        target_port: int,
        *,
        bytes_per_s: float | None = None,
        round_trip_s: float = 0.0,
        own_tls: ssl.SSLContext | None = None,
        far_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = 0
        self.silent = False
        self.opened = 0  # connections so far
        self.up = Pipe(bytes_per_s, round_trip_s / 2)
        self.down = Pipe(bytes_per_s, round_trip_s / 2)
        self._target_port = target_port
        self._own_tls, self._far_tls = own_tls, far_tls
        self._server: asyncio.Server | None = None
        self._open: set[Passage] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._own_tls, limit=SEGMENT)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self) -> None:
        """Every connection of now is dead from here on, and nobody is told."""
        for passage in self._open:
            passage.lost = True

    def cut(self) -> None:
        """Every connection of now is reset; new ones are carried."""
        for passage in self._open:
            passage.near.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passage = Passage(writer, lost=self.silent)
        self._open.add(passage)
        far_writer = None
        try:
            await _until(self.up.send(HEADERS))  # the connection itself costs a round trip: SYN, SYN-ACK
            await _until(self.down.send(HEADERS))
            name = None if self._far_tls is None else "127.0.0.1"
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self._target_port, limit=SEGMENT, ssl=self._far_tls, server_hostname=name
            )
            await asyncio.gather(passage.pump(reader, far_writer, self.up), passage.pump(far_reader, writer, self.down))
        except OSError:
            writer.transport.abort()
        finally:
            self._open.discard(passage)
            for each in (writer, far_writer):
                if each is not None:
                    each.transport.abort()


class Passage:
    """One connection on its way."""

    def __init__(self, near: asyncio.StreamWriter, *, lost: bool) -> None:
        self.near, self.lost = near, lost

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pipe: Pipe) -> None:
        """Carry one direction until it ends, several segments at a time on their way."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=WINDOW // SEGMENT)
        arriving = asyncio.create_task(self._arrive(under_way, writer))
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(SEGMENT):
                    await under_way.put((pipe.send(len(data) + HEADERS), data))
            await under_way.put((pipe.send(HEADERS), b""))
            await arriving
        finally:
            arriving.cancel()

    async def _arrive(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            at, data = await under_way.get()
            await _until(at)
            if self.lost:
                continue
            with contextlib.suppress(OSError):
                if not data:
                    writer.write_eof() if writer.can_write_eof() else writer.close()
                    return
                writer.write(data)
                await writer.drain()
