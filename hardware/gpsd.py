"""A receiver behind gpsd, over its JSON socket.

Touches: one TCP connection and, for a host name, one look-up thread. It must not trust a standing connection: gpsd does not notice an
unplugged receiver, and a stopped gpsd keeps its sockets open, so silence is measured in epochs. It never talks to gpsd's control socket.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from agent.model import Ailment, Report
from hardware import ailments
from hardware.gpsd_json import Fact, GpsdStream
from hardware.pulse import Pulse, Vitals

_CONNECT_S = 3.0
_LOOK_S = 0.25
_BACKOFF_S = (0.25, 2.0)
_REWATCH_S = 4.0  # while silent
_RECONNECT_S = 10.0  # of silence on one connection
_AT_ONCE = 16_384

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class GpsdReceiver:
    """A FixSource (see `agent.ports`) from gpsd at host:port. device: listen to this one of several only. clock_at: monotonic s."""

    kind = "gpsd"

    def __init__(
        self, *, name: str, clock_at: Callable[[], float], host: str = "127.0.0.1", port: int = 2947, device: str | None = None
    ) -> None:
        self.name = name
        self.attempts = 0
        self._host = host
        self._port = port
        self._device = device
        self._clock_at = clock_at
        self._stream = GpsdStream(name, device)
        self._addresses = _Addresses(host)
        self._devices: frozenset[str] | None = None
        self._where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def run(self, heard: Callable[[Report], None], ailing: Callable[[Ailment | None], None]) -> None:
        """Connect, watch, lose and reconnect until cancelled; see `FixSource.run`."""
        vitals = Vitals(Pulse(self._where, self._clock_at(), self._silence), self._clock_at, heard, ailing)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_look_often(vitals))
            tasks.create_task(self._live(vitals))

    async def _live(self, vitals: Vitals) -> None:
        backoff = _BACKOFF_S[0]
        while True:
            connection = await self._connect(vitals)
            if connection is not None and await self._session(*connection, vitals):
                backoff = _BACKOFF_S[0]
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, _BACKOFF_S[1])

    async def _connect(self, vitals: Vitals) -> _Connection | None:
        self.attempts += 1
        try:
            async with asyncio.timeout(_CONNECT_S):
                connection = await self._open(await self._addresses.found())
        except TimeoutError:
            vitals.lose(ailments.unreachable(self._where, "no answer"))
        except OSError as error:
            # asyncio puts the address into strerror, and the text has it already; a look-up's errors have numbers of their own
            why = os.strerror(error.errno) if error.errno is not None and error.errno > 0 else error.strerror or str(error)
            vitals.lose(ailments.unreachable(self._where, why))
        else:
            self._stream.reset()
            self._devices = None
            vitals.pulse.opened(self._clock_at())
            return connection
        return None

    async def _open(self, addresses: list[str]) -> _Connection:
        failure: OSError = OSError("no address")
        for address in addresses:
            try:
                return await asyncio.open_connection(address, self._port, limit=_AT_ONCE)
            except OSError as error:
                failure = error
        raise failure

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, vitals: Vitals) -> bool:
        """Watch until the connection ends or has been silent for _RECONNECT_S; tell whether any epoch came."""
        since = watched_at = self._clock_at()
        came = False
        try:
            self._watch(writer)
            while (data := await _read(reader)) != b"":
                self.attempts += 1
                came = self._take(data, vitals) or came
                now = self._clock_at()
                silent_s = min(now - since, vitals.pulse.quiet_s(now))
                if silent_s >= max(_RECONNECT_S, 2 * vitals.pulse.limit_s):
                    break
                if vitals.pulse.silent(now) and now - watched_at >= _REWATCH_S:
                    self._watch(writer)
                    watched_at = now
        except OSError:
            pass  # reset by gpsd: the same as its end
        finally:
            # abort, not close: a stopped gpsd would keep the goodbye waiting
            writer.transport.abort()
        return came

    def _watch(self, writer: asyncio.StreamWriter) -> None:
        wanted: dict[str, object] = {"enable": True, "json": True}
        if self._device is not None:
            wanted["device"] = self._device
        writer.write(f"?WATCH={json.dumps(wanted)};\n".encode())

    def _take(self, data: bytes | None, vitals: Vitals) -> bool:
        came = False
        for said in self._stream.feed(data or b"", self._clock_at()):
            if isinstance(said, Fact):
                self._learn(said)
            else:
                vitals.pulse.hears = self._stream.sky.hears(said.at)
                vitals.deliver(said)
                came = True
        return came

    def _learn(self, fact: Fact) -> None:
        if fact.kind == "DEVICES":
            self._devices = frozenset(fact.devices)
        elif fact.kind == "DEVICE" and self._devices is not None:
            self._devices |= frozenset(fact.devices)
        elif fact.kind == "ERROR" and self._device is not None and self._device in fact.text:
            self._devices = frozenset()  # "No such device as ...": no list is sent then

    def _silence(self, where: str, seconds: float) -> Ailment:
        absent = self._devices is not None and (not self._devices or (self._device is not None and self._device not in self._devices))
        return ailments.no_device(where, self._device) if absent else ailments.silent_gpsd(where, seconds)


async def _look_often(vitals: Vitals) -> None:
    while True:
        await asyncio.sleep(_LOOK_S)
        vitals.look()


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    """What came, b"" at the end of the connection, None when nothing came for half a second."""
    with suppress(TimeoutError):
        async with asyncio.timeout(2 * _LOOK_S):
            return await reader.read(_AT_ONCE)
    return None


class _Addresses:
    """The addresses of a host name, looked up in a thread of its own, of which there is never more than one.

    Not in asyncio's default executor: a hung name server would fill it for the whole process.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._pending: asyncio.Future[list[str]] | None = None

    async def found(self) -> list[str]:
        """Numeric addresses, best first. Raises OSError when there are none; waits as long as the look-up hangs."""
        with suppress(ValueError):
            return [str(ipaddress.ip_address(self._host))]
        if self._pending is None:
            self._pending = self._start()
        try:
            return await asyncio.shield(self._pending)
        finally:
            if self._pending.done():
                self._pending = None

    def _start(self) -> asyncio.Future[list[str]]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[str]] = loop.create_future()

        def finish(addresses: list[str] | None, error: OSError | None) -> None:
            if error is None:
                future.set_result(addresses or [])
            else:
                future.set_exception(error)
                future.exception()  # seen, even if nobody waits any more

        def look_up() -> None:
            addresses, trouble = None, None
            try:
                told = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
                addresses = [str(each[4][0]) for each in told]
            except OSError as error:
                trouble = error
            except UnicodeError:
                trouble = OSError("not a host name")
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                loop.call_soon_threadsafe(finish, addresses, trouble)

        threading.Thread(target=look_up, name="gpsd-look-up", daemon=True).start()
        return future
