"""A receiver on a serial line (or USB, or a pty) that speaks NMEA.

Touches: the device node, through pyserial to open and configure it and the event loop to read it. It must not block the loop, must not
spin on a dead line, and leaves the meaning of the bytes to `hardware.nmea`.
"""

from __future__ import annotations

import asyncio
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import serial

from agent.model import Ailment, Report
from hardware import ailments
from hardware.nmea import QUIET_S, NmeaStream
from hardware.pulse import Pulse, Vitals

_LOOK_S = 0.25
_RETRY_S = 0.5
_REOPEN_S = 20.0  # an ailing line is opened afresh so often: someone may have changed its baud rate
_AT_ONCE = 4096
# The fastest serial line (921,600 baud) brings 92 kB/s. Four times that is a fault, and is read no faster than this.
_WINDOW_S = 0.1
_PER_WINDOW = 36_000


class SerialReceiver:
    """A FixSource (see `agent.ports`) on `path` at `baud`. clock_at: monotonic s."""

    kind = "serial"

    def __init__(self, *, name: str, clock_at: Callable[[], float], path: str, baud: int = 9600) -> None:
        self.name = name
        self.attempts = 0
        self._path = path
        self._baud = baud
        self._clock_at = clock_at
        self._stream = NmeaStream(name)
        self._been_open = False

    async def run(self, heard: Callable[[Report], None], ailing: Callable[[Ailment | None], None]) -> None:
        """Open, read, lose and reopen the line until cancelled; see `FixSource.run`."""
        vitals = Vitals(Pulse(self._path, self._clock_at()), self._clock_at, heard, ailing)
        while True:
            self.attempts += 1
            port = self._open(vitals)
            if port is not None:
                try:
                    await self._read(port, vitals)
                finally:
                    _close(port)
            await asyncio.sleep(_RETRY_S)
            vitals.look()

    def _open(self, vitals: Vitals) -> serial.Serial | None:
        try:
            port = serial.Serial(self._path, self._baud, timeout=0, exclusive=True)
            os.set_blocking(port.fileno(), False)
        except (OSError, termios.error, ValueError) as error:
            ailment = ailments.of_opening(self._path, getattr(error, "errno", None), str(error))
            if ailment.code == "receiver.missing" and self._been_open:
                ailment = ailments.unplugged(self._path)
            vitals.lose(ailment)
            return None
        self._been_open = True
        self._stream.reset()
        vitals.pulse.opened(self._clock_at())
        return port

    async def _read(self, port: serial.Serial, vitals: Vitals) -> None:
        """Read until the line is gone, was re-plugged elsewhere, or ails for long."""
        line = _Line(port.fileno(), self._stream, vitals, self._clock_at)
        opened_at = self._clock_at()
        try:
            while not await line.gone_within(_LOOK_S):
                self.attempts += 1
                vitals.look()
                now = self._clock_at()
                if not vitals.pulse.silent(now):
                    continue
                if _moved(port.fileno(), self._path) or now - opened_at >= _REOPEN_S:
                    return
        finally:
            line.close()
        vitals.lose(ailments.unplugged(self._path))


class _Line:
    """The reading end of an open port on the event loop. Every wake-up reads at most _AT_ONCE bytes, every window _PER_WINDOW."""

    def __init__(self, fd: int, stream: NmeaStream, vitals: Vitals, clock_at: Callable[[], float]) -> None:
        self._fd = fd
        self._stream = stream
        self._vitals = vitals
        self._clock_at = clock_at
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._window = (0.0, 0)
        self._flush: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(fd, self._ready)

    async def gone_within(self, seconds: float) -> bool:
        """Wait at most so long; True once the line is gone. Raises what a defect in reading raised."""
        await asyncio.wait({self._gone}, timeout=seconds)
        if self._gone.done():
            self._gone.result()
            return True
        return False

    def close(self) -> None:
        """Leave the loop."""
        self._loop.remove_reader(self._fd)
        for timer in (self._flush, self._pause):
            if timer is not None:
                timer.cancel()
        if self._gone.done() and not self._gone.cancelled():
            self._gone.exception()  # seen

    def _ready(self) -> None:
        try:
            data = os.read(self._fd, _AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # EIO and others: hung up
            data = b""
        if not data:
            # After a hang-up the fd is readable for ever: leave at once, or the loop spins.
            self._loop.remove_reader(self._fd)
            self._end(None)
            return
        try:
            self._take(data)
        except Exception as error:  # noqa: BLE001 - carried to `run`, where a defect ends the process instead of a log line
            self._loop.remove_reader(self._fd)
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._gone.done():
            return
        if error is None:
            self._gone.set_result(None)
        else:
            self._gone.set_exception(error)

    def _take(self, data: bytes) -> None:
        now = self._clock_at()
        good, unchecked = self._stream.good, self._stream.unchecked
        reports = self._stream.feed(data, now)
        self._vitals.pulse.bytes_came(now, sentences=self._stream.good > good, unchecked=self._stream.unchecked > unchecked)
        self._vitals.pulse.hears = self._stream.sky.hears(now)
        for report in reports:
            self._vitals.deliver(report)
        if self._flush is None:
            self._flush = self._loop.call_later(QUIET_S, self._quiet)
        self._slow_down(len(data), now)

    def _quiet(self) -> None:
        """QUIET_S after the first byte of a burst and again until it has ended: close the epoch that waits for its end."""
        try:
            self._flush = None
            for report in self._stream.flush(self._clock_at()):
                self._vitals.deliver(report)
            if self._stream.waiting:
                self._flush = self._loop.call_later(QUIET_S / 3, self._quiet)
        except Exception as error:  # noqa: BLE001 - as in _ready
            self._end(error)

    def _slow_down(self, length: int, now: float) -> None:
        since, taken = self._window
        since, taken = (now, length) if now - since >= _WINDOW_S else (since, taken + length)
        self._window = (since, taken)
        if taken >= _PER_WINDOW:
            self._loop.remove_reader(self._fd)
            self._pause = self._loop.call_later(since + _WINDOW_S - now, self._resume)

    def _resume(self) -> None:
        if not self._gone.done():
            self._loop.add_reader(self._fd, self._ready)


def _moved(fd: int, path: str) -> bool:
    """Whether the path is gone or names another device than the one that is open: re-plugged while the old one did not hang up."""
    try:
        return Path(path).stat().st_rdev != os.fstat(fd).st_rdev
    except OSError:
        return True


def _close(port: serial.Serial) -> None:
    with suppress(OSError, termios.error):  # a dead device may refuse even that; the fd is gone all the same
        port.close()
