"""Rigs for the receivers' suite: a fake, a replayed log, a pty and a real gpsd, each fed the same generated log.

The rigs are real: a kernel pty, a gpsd process. Nothing here records calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.model import Ailment, Report
from agent.ports import FixSource
from hardware import open_receiver
from hardware.fake import FakeReceiver
from hardware.feeder import Feeder

GPSD = shutil.which("gpsd") or shutil.which("gpsd", path="/usr/sbin:/usr/local/sbin")
STEP_S = 0.2


def with_checksum(content: str) -> bytes:
    """A sentence around its content."""
    check = 0
    for byte in content.encode():
        check ^= byte
    return f"${content}*{check:02X}\r\n".encode()


def place_of(index: int) -> tuple[float, float]:
    """Where epoch `index` of the generated log is: north along a meridian, 1.85 m a step."""
    return -(33 + (55.0 - 0.001 * index) / 60), 18 + 25.5 / 60


def generated_log(epochs: int) -> list[bytes]:
    """RMC, GGA, GSA at 5 Hz, in the manner of a u-blox receiver."""
    lines = []
    for index in range(epochs):
        total = 43_200_000 + index * 200
        clock = f"{total // 3_600_000:02d}{total // 60_000 % 60:02d}{total // 1000 % 60:02d}.{total % 1000 // 10:02d}"
        position = f"33{55.0 - 0.001 * index:08.5f},S,01825.50000,E"
        lines += [
            with_checksum(f"GPRMC,{clock},A,{position},18.0,0.0,010124,,,A"),
            with_checksum(f"GPGGA,{clock},{position},1,08,0.9,42.0,M,33.0,M,,"),
            with_checksum("GPGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.5,0.9,1.2"),
        ]
    return lines


class Listener:
    """What a receiver said, with a way to wait for it."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.told: list[Ailment | None] = []
        self._news = asyncio.Event()

    def heard(self, report: Report) -> None:
        """Take an epoch."""
        self.reports.append(report)
        self._news.set()

    def ailing(self, ailment: Ailment | None) -> None:
        """Take an ailment."""
        self.told.append(ailment)
        self._news.set()

    @property
    def ailment(self) -> str | None:
        """The code of the ailment told last, None if it is healed."""
        return self.told[-1].code if self.told and self.told[-1] else None

    async def until(self, true: Callable[[], bool], within_s: float) -> float:
        """Wait for it; return how long it took, fail after `within_s`."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(within_s):
                while not true():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pytest.fail(f"not within {within_s} s; ailment {self.ailment}, {len(self.reports)} reports")
        return time.monotonic() - began

    async def epochs(self, more: int, within_s: float) -> list[Report]:
        """Wait for so many further epochs."""
        start = len(self.reports)
        await self.until(lambda: len(self.reports) >= start + more, within_s)
        return self.reports[start : start + more]


@contextlib.asynccontextmanager
async def listening(receiver: FixSource) -> AsyncIterator[Listener]:
    """Run a receiver; anything that escapes from it fails the test."""
    listener = Listener()
    task = asyncio.create_task(receiver.run(listener.heard, listener.ailing))
    try:
        yield listener
    finally:
        if task.done():
            task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Gpsd:
    """A real gpsd with a control socket, reading one path."""

    def __init__(self, folder: Path, device: Path | None) -> None:
        self._folder = folder
        self._device = device
        self._process: asyncio.subprocess.Process | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    async def start(self) -> None:
        """Start it and wait until it accepts connections."""
        assert GPSD is not None
        sock = self._folder / "gpsd.ctl"
        sock.unlink(missing_ok=True)
        devices = [str(self._device)] if self._device else []
        self._process = await asyncio.create_subprocess_exec(
            GPSD, "-N", "-n", "-b", "-S", str(self.port), "-F", str(sock), "-P", str(self._folder / "gpsd.pid"), *devices,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)  # there is nothing to wait on before the port is bound

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)
                self._process.kill()
            await self._process.wait()

    async def readd(self) -> None:
        """What an administrator does after a replug: take the device out and in again by the control socket."""
        for order in ("-", "+"):
            reader, writer = await asyncio.open_unix_connection(self._folder / "gpsd.ctl")
            writer.write(f"{order}{self._device}\r\n".encode())
            await asyncio.wait_for(reader.read(16), 5)
            writer.close()


class Rig:
    """A receiver with its feed. `feeder` and `gpsd` are None where the rig has none."""

    def __init__(self, kind: str, receiver: FixSource, feeder: Feeder | None = None, gpsd: Gpsd | None = None) -> None:
        self.kind = kind
        self.receiver = receiver
        self.feeder = feeder
        self.gpsd = gpsd
        self._player: asyncio.Task[None] | None = None

    def pause(self) -> None:
        """The receiver falls silent."""
        if self.feeder is not None:
            self.feeder.pause()
        elif self._player is not None:
            self._player.cancel()

    def resume(self) -> None:
        """It speaks again."""
        if self.feeder is not None:
            self.feeder.resume()
        elif isinstance(self.receiver, FakeReceiver):
            self._player = asyncio.create_task(_play_by_hand(self.receiver))

    def unplug(self) -> None:
        """Pull the plug."""
        if self.feeder is not None:
            self.feeder.unplug()
        elif isinstance(self.receiver, FakeReceiver):
            self.receiver.unplug()

    async def replug(self) -> None:
        """Put it back; a gpsd is told of it."""
        if self.feeder is not None:
            self.feeder.replug()
            if self.gpsd is not None:
                await self.gpsd.readd()
        elif isinstance(self.receiver, FakeReceiver):
            self.receiver.replug()

    async def close(self) -> None:
        """End the feed."""
        if self._player is not None:
            self._player.cancel()
        if self.gpsd is not None:
            await self.gpsd.kill()


async def _play_by_hand(fake: FakeReceiver) -> None:
    start = float(int(time.time()))
    for index in range(10_000):
        fake.place(*place_of(index), gnss_time=round(start + STEP_S * index, 3))
        await asyncio.sleep(STEP_S)  # the pace of the receiver, not a wait


@contextlib.asynccontextmanager
async def open_rig(kind: str, folder: Path, epochs: int = 500) -> AsyncIterator[Rig]:
    """Build a rig: "fake", "replay", "serial" or "gpsd"; already playing."""
    clock = time.monotonic
    link = folder / "gps"
    async with contextlib.AsyncExitStack() as stack:
        if kind == "fake":
            rig = Rig(kind, open_receiver("fake", name="r", clock_at=clock))
            rig.resume()
        elif kind == "replay":
            log = folder / "generated.nmea"
            log.write_bytes(b"# Generated for callout-agent\n" + b"".join(generated_log(epochs)))
            rig = Rig(kind, open_receiver("replay", name="r", clock_at=clock, path=str(log)))
        else:
            feeder = await stack.enter_async_context(Feeder(generated_log(epochs), link, wall=time.time, loop=False))
            if kind == "serial":
                rig = Rig(kind, open_receiver("serial", name="r", clock_at=clock, path=str(link), baud=38400), feeder)
            else:
                gpsd = Gpsd(folder, link)
                await gpsd.start()
                rig = Rig(kind, open_receiver("gpsd", name="r", clock_at=clock, port=gpsd.port), feeder, gpsd)
        stack.push_async_callback(rig.close)
        yield rig


needs_gpsd = pytest.mark.skipif(GPSD is None, reason="gpsd is not installed: its receiver was not tried against the real thing")
