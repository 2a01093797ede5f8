"""A receiver that is not there: a pty that behaves like a serial GPS, and a player of NMEA logs into it.

Touches: one pty, one symlink. For the demo and for tests; the daemon never opens it. It must not block the event loop, and keeps no
thread. Closing or unplugging hangs the line up as pulling a USB plug does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

from hardware.restamp import LogLine, read_lines, stamp

_NAP_S = 0.02
_LATE_S = 0.5  # so late (nobody reads and the line is full) the player moves its clock instead of catching up


class FakePort:
    """A pty with a stable name. `path` is a symlink to the slave, as by-id links are; it is replaced if it exists.

    What is written into it never blocks: what a full line does not take is lost, as on a real one. What a reader writes to the
    receiver (gpsd does) is thrown away. Raises OSError if the pty or the link cannot be made.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._master: int | None = None
        self._slave: int | None = None
        self.plug()

    @property
    def plugged(self) -> bool:
        """Whether the line is there."""
        return self._master is not None

    def plug(self) -> None:
        """Make a new pty and point the link to it; does nothing while plugged."""
        if self._master is not None:
            return
        master, slave = os.openpty()
        try:
            tty.setraw(slave)
            # gpsd gives its root rights up and must still be able to read.
            Path(os.ttyname(slave)).chmod(0o666)
            os.set_blocking(master, False)
            self._link(os.ttyname(slave))
        except OSError:
            os.close(master)
            os.close(slave)
            raise
        # The slave stays open: without it the master hangs up whenever the last reader goes.
        self._master, self._slave = master, slave

    def unplug(self) -> None:
        """Pull it: readers see a hang-up, the link is gone. Does nothing while unplugged."""
        if self._master is None or self._slave is None:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = None

    def write(self, data: bytes) -> int:
        """Say bytes; return how many the line took (0 while unplugged or full)."""
        if self._master is None:
            return 0
        self._drain()
        try:
            return os.write(self._master, data)
        except (BlockingIOError, InterruptedError):
            return 0

    def close(self) -> None:
        """Unplug for good."""
        self.unplug()

    def _link(self, target: str) -> None:
        aside = self.path.with_name(self.path.name + ".new")
        aside.unlink(missing_ok=True)
        aside.symlink_to(target)
        aside.replace(self.path)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError, InterruptedError):
            while self._master is not None and os.read(self._master, 4096):
                pass


class Feeder:
    """Plays an NMEA log into a FakePort at the log's pace, its times moved to the present.

    lines: as of a log file, comments allowed. path: of the link. wall: UTC s since 1970; None leaves the log's own times. speed:
    times the log's pace (the times told then run as fast). loop: begin again at the end. While paused or unplugged the line is
    silent; afterwards the log goes on where it was, with the time of now.
    Use: `async with Feeder(...) as feeder`, or `feeder.port.close()` after cancelling `run`.
    """

    def __init__(
        self,
        lines: Iterable[bytes],
        path: Path | str,
        *,
        wall: Callable[[], float] | None,
        speed: float = 1.0,
        loop: bool = True,
    ) -> None:
        self._log: Sequence[LogLine] = tuple(read_lines(lines))
        self._wall = wall
        self._speed = speed
        self._loop = loop
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._garbage: bytes | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = FakePort(path)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.port.close()

    def unplug(self) -> None:
        """Pull the plug."""
        self.port.unplug()

    def replug(self) -> None:
        """Put it back: a new pty behind the same link."""
        self.port.plug()

    def pause(self) -> None:
        """Fall silent with the line standing."""
        self._flowing.clear()

    def resume(self) -> None:
        """Speak again, NMEA."""
        self._garbage = None
        self._flowing.set()

    def garbage(self, data: bytes) -> None:
        """Instead of the log send these bytes over and over, as fast as the line takes them, until `resume`."""
        self._garbage = data

    async def run(self) -> None:
        """Play until cancelled, or to the end without `loop`."""
        while self._log:
            await self._play()
            if not self._loop:
                return
            await asyncio.sleep(1.0 / self._speed)

    async def _play(self) -> None:
        now = asyncio.get_running_loop().time
        began = offset = 0.0
        fresh = True  # the log stood still: it goes on from now, with the time of now
        for each in self._log:
            stood = await self._interrupted()
            if fresh or stood or now() - (began + each.log_s / self._speed) > _LATE_S:
                began, offset, fresh = now() - each.log_s / self._speed, self._offset(each), False
            await asyncio.sleep(max(0.0, began + each.log_s / self._speed - now()))
            line = each.line if each.own_s is None or self._wall is None else stamp(each.line, offset + each.own_s)
            await self._say(line + b"\r\n")

    def _offset(self, each: LogLine) -> float:
        """Whole seconds, so that a log of whole seconds stays one; the past one, so that nothing is told ahead of its time."""
        return 0.0 if self._wall is None else float(int(self._wall() - each.log_s))

    async def _interrupted(self) -> bool:
        """Whether the log stood still; returns when it flows."""
        stood = False
        while self._garbage is not None or not self._flowing.is_set() or not self.port.plugged:
            stood = True
            if self._garbage is not None and self.port.plugged and self._flowing.is_set():
                await asyncio.sleep(0 if self.port.write(self._garbage) else _NAP_S)
            else:
                await asyncio.sleep(_NAP_S)
        return stood

    async def _say(self, data: bytes) -> None:
        """Write a whole line, waiting for a slow reader for a moment; then the rest is lost, as on a real line."""
        for _ in range(10):
            data = data[self.port.write(data) :]
            if not data or not self.port.plugged:
                return
            await asyncio.sleep(_NAP_S)
