"""Rigs for the keypads' suite: the played keypad, and a kernel's device made through /dev/uinput where there is one to make.

Both are typed on by key names (`hardware.played_keypad.NAMES`) and reached by a link, as those in /dev/input/by-id are.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Protocol

from agent.model import SafeCode
from hardware.input_device import EV_KEY, EV_SYN, RECORD, SYN_REPORT, Device, Input, inputs
from hardware.keypad import InputKeypad
from hardware.played_keypad import NAMES, PlayedKeypad
from tests.hardware.rigs import Listener

# Inside a guest whose kernel has /dev/uinput; elsewhere these cases do not exist.
KINDS = ["played", *(["uinput"] if os.environ.get("CALLOUT_AGENT_UINPUT") else [])]


class Typist(Listener):
    """What a keypad handed over and ticked."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[str] = []
        self.ticks = 0

    def typed(self, code: SafeCode) -> None:
        """Take a code."""
        self.codes.append(code.typed())
        self._news.set()

    def ticked(self) -> None:
        """Hear a tick."""
        self.ticks += 1
        self._news.set()

    async def types(self, rig: Rig, *names: str) -> None:
        """Press keys as a finger does: each is felt before the next."""
        for name in names:
            felt = self.ticks
            rig.press(name)
            rig.release(name)
            await self.until(lambda felt=felt: self.ticks > felt, 5)


@contextlib.asynccontextmanager
async def typing(keypad: InputKeypad) -> AsyncIterator[Typist]:
    """Run a keypad that is open, or has said why not; anything that escapes from it fails the test."""
    typist = Typist()
    task = asyncio.create_task(keypad.run(typist.typed, typist.ticked, typist.ailing))
    try:
        await until(lambda: keypad._been_open or bool(typist.told) or task.done())
        yield typist
    finally:
        if task.done():
            task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


class Rig(Protocol):
    """A keypad to type on. path: the link to it."""

    path: Path

    def clock_at(self) -> float:
        """Monotonic s by the clock that stamps its keys."""

    def press(self, name: str) -> None:
        """Press and hold."""

    def release(self, name: str) -> None:
        """Let go."""

    def unplug(self) -> None:
        """Pull it; the link goes."""

    def replug(self) -> None:
        """Put it back; the link leads to another node."""


class PlayedRig:
    """The played keypad; each time it is plugged in its socket has another name.

    ago_s: its keys are stamped as if they had been pressed so long ago.
    """

    def __init__(self, folder: Path, keys: Iterable[int]) -> None:
        self.path = folder / "pad"
        self.ago_s = 0.0
        self._folder = folder
        self._keys = keys
        self._plugs = 0
        self._keypad: PlayedKeypad | None = None
        self.replug()

    def clock_at(self) -> float:
        """See `Rig`. As of a machine that was not started just now, so that times can lie back."""
        return time.monotonic() + 1000

    def press(self, name: str) -> None:
        """See `Rig`."""
        if self._keypad is not None:
            self._keypad.press(name)

    def release(self, name: str) -> None:
        """See `Rig`."""
        if self._keypad is not None:
            self._keypad.release(name)

    def unplug(self) -> None:
        """See `Rig`."""
        self.path.unlink(missing_ok=True)
        if self._keypad is not None:
            self._keypad.unplug()
            self._keypad = None

    def replug(self) -> None:
        """See `Rig`."""
        self._plugs += 1
        self._keypad = PlayedKeypad(self._folder / f"event{self._plugs}", clock_at=lambda: self.clock_at() - self.ago_s, keys=self._keys)
        self._keypad.replug()
        self.path.symlink_to(self._keypad.path)


_SETUP = struct.Struct("@HHHH80sI")  # struct uinput_setup: bus, vendor, product, version; name; effects


def _ioc(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("U") << 8 | number


_CREATE, _DESTROY, _SET_UP = _ioc(0, 1, 0), _ioc(0, 2, 0), _ioc(1, 3, _SETUP.size)
_EVENTS, _KEYS, _SYSNAME = _ioc(1, 100, 4), _ioc(1, 101, 4), _ioc(2, 44, 64)
_EV_REP = 0x14


class UinputRig:
    """A device that the kernel takes for real."""

    def __init__(self, folder: Path, keys: Iterable[int]) -> None:
        self.path = folder / "pad"
        self._keys = tuple(keys)
        self._fd: int | None = None
        self.replug()

    def clock_at(self) -> float:
        """See `Rig`."""
        return time.monotonic()

    def press(self, name: str) -> None:
        """See `Rig`."""
        self._report(NAMES[name], 1)

    def release(self, name: str) -> None:
        """See `Rig`."""
        self._report(NAMES[name], 0)

    def unplug(self) -> None:
        """See `Rig`."""
        self.path.unlink(missing_ok=True)
        if self._fd is not None:
            fcntl.ioctl(self._fd, _DESTROY)
            os.close(self._fd)
            self._fd = None

    def replug(self) -> None:
        """See `Rig`."""
        self._fd = os.open("/dev/uinput", os.O_WRONLY | os.O_NONBLOCK)
        for kind in (EV_KEY, _EV_REP):
            fcntl.ioctl(self._fd, _EVENTS, kind)
        for code in self._keys:
            fcntl.ioctl(self._fd, _KEYS, code)
        fcntl.ioctl(self._fd, _SET_UP, _SETUP.pack(3, 1, 1, 1, b"Rig keypad", 0))
        fcntl.ioctl(self._fd, _CREATE)
        name = fcntl.ioctl(self._fd, _SYSNAME, bytes(64)).split(b"\0", 1)[0].decode()
        (event,) = Path("/sys/devices/virtual/input", name).glob("event*")
        self.path.symlink_to(Path("/dev/input", event.name))

    def _report(self, code: int, value: int) -> None:
        """The kernel puts its own time in the place of ours."""
        if self._fd is not None:
            os.write(self._fd, RECORD.pack(0, 0, EV_KEY, code, value) + RECORD.pack(0, 0, EV_SYN, SYN_REPORT, 0))


@contextlib.contextmanager
def open_rig(kind: str, folder: Path, keys: Iterable[int] = NAMES.values()) -> contextlib.AbstractContextManager[Rig]:
    """A keypad of this kind, plugged in."""
    rig = {"played": PlayedRig, "uinput": UinputRig}[kind](folder, keys)
    try:
        yield rig
    finally:
        rig.unplug()


async def reads(device: Device, enough: Callable[[list[Input]], bool]) -> list[Input]:
    """Read a device until it has told enough."""
    told: list[Input] = []
    async with asyncio.timeout(5):
        while not enough(told):
            try:
                told += inputs(device.read())
            except BlockingIOError:
                await asyncio.sleep(0.01)  # a plain reader, without the event loop's help
    return told


def gone(device: Device) -> bool:
    """Whether a device says that it is unplugged."""
    try:
        while device.read():
            pass
    except BlockingIOError:
        return False
    except OSError as error:
        return error.errno == errno.ENODEV
    return False
