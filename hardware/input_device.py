"""One of the kernel's input devices (`/dev/input/event*`) by its own interface, or a played one behind a Unix socket.

Touches the device node: opens, asks, grabs, reads. It must not block, must not know what keys mean to anyone, and closes what it
opened. Structures and numbers: linux/input.h and linux/input-event-codes.h.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hardware.peer import require_own

# struct input_event: seconds and microseconds as two native longs in every ABI (with a 64-bit time on a 32-bit machine they are
# unsigned and wrap in 2106), type, code, value.
RECORD = struct.Struct("@LLHHi")
READ_AT_ONCE = 64 * RECORD.size  # the least that the kernel queues for a reader

EV_SYN, EV_KEY = 0, 1
SYN_REPORT, SYN_DROPPED = 0, 3
KEY_BITS = bytes(0x300 // 8)  # KEY_MAX is 0x2ff

_CLOCK_MONOTONIC = struct.pack("i", 1)
_NAME_BYTES = 256


def _ioc(direction: int, number: int, size: int) -> int:
    """The number of an ioctl of the input devices (asm-generic/ioctl.h; 1: write, 2: read)."""
    return direction << 30 | size << 16 | ord("E") << 8 | number


EVIOCGNAME = _ioc(2, 0x06, _NAME_BYTES)
EVIOCGBIT_KEY = _ioc(2, 0x20 + EV_KEY, len(KEY_BITS))
EVIOCGRAB = _ioc(1, 0x90, 4)
EVIOCSCLOCKID = _ioc(1, 0xA0, 4)

# What a played device says over its socket (SOCK_SEQPACKET): a tag, then either an error number and what the ioctl gives, or records.
ANSWER, RECORDS = b"=", b">"
ASKED = struct.Struct("@L")
ANSWERED = struct.Struct("@i")
_ANSWER_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Input:
    """One event of a device. at: monotonic s, by the kernel."""

    at: float
    type: int
    code: int
    value: int


def inputs(data: bytes) -> Iterator[Input]:
    """The events in what was read; a cut one at the end is left out (the kernel gives whole ones)."""
    whole = len(data) - len(data) % RECORD.size
    for seconds, micros, kind, code, value in RECORD.iter_unpack(data[:whole]):
        yield Input(seconds + micros / 1e6, kind, code, value)


class Device(Protocol):
    """An open input device. Every method raises OSError with the kernel's error numbers."""

    played: bool

    def fileno(self) -> int:
        """The descriptor that becomes readable."""

    async def ioctl(self, request: int, given: bytes) -> bytes:
        """Ask or set; `given` has the size of the argument."""

    def read(self) -> bytes:
        """What was queued. Raises BlockingIOError when there is nothing, OSError(ENODEV) when the device is gone."""

    def close(self) -> None:
        """Close; a grab ends with it."""


async def open_device(path: str) -> Device:
    """Open the device at `path`, without a grab, its times monotonic. Raises OSError: ENOTTY for what is no input device."""
    mode = Path(path).stat().st_mode
    if stat.S_ISSOCK(mode):
        device: Device = PlayedDevice(path)
    elif stat.S_ISCHR(mode):
        device = KernelDevice(path)
    else:
        raise OSError(errno.ENOTTY, "no input device")
    try:
        await device.ioctl(EVIOCSCLOCKID, _CLOCK_MONOTONIC)
    except BaseException:
        device.close()
        raise
    return device


async def name_of(device: Device) -> str:
    """How the device calls itself. Raises OSError."""
    told = await device.ioctl(EVIOCGNAME, bytes(_NAME_BYTES))
    return told.split(b"\0", 1)[0].decode(errors="replace")


async def keys_of(device: Device) -> frozenset[int]:
    """The codes of the keys that the device has. Raises OSError."""
    bits = await device.ioctl(EVIOCGBIT_KEY, KEY_BITS)
    return frozenset(code for code in range(8 * len(bits)) if bits[code // 8] >> code % 8 & 1)


async def grab(device: Device) -> None:
    """From now on nobody else, no console either, gets the keys. Raises OSError: EBUSY if someone else has grabbed it."""
    await device.ioctl(EVIOCGRAB, struct.pack("i", 1))


class KernelDevice:
    """A device node."""

    played = False

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)

    def fileno(self) -> int:
        """See `Device`."""
        return self._fd

    async def ioctl(self, request: int, given: bytes) -> bytes:
        """See `Device`. EVIOCGRAB takes its argument by value, all others by address."""
        if request == EVIOCGRAB:
            fcntl.ioctl(self._fd, request, int.from_bytes(given, "little") and 1)
            return b""
        return fcntl.ioctl(self._fd, request, given)

    def read(self) -> bytes:
        """See `Device`."""
        return _or_gone(os.read(self._fd, READ_AT_ONCE))

    def close(self) -> None:
        """See `Device`."""
        os.close(self._fd)


class PlayedDevice:
    """A device that a test or a trial plays (`hardware.played_keypad`)."""

    played = True

    def __init__(self, path: str) -> None:
        """Raises OSError: ENODEV when nobody plays there, EPERM when another user does."""
        self._early: list[bytes] = []
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            self._line.connect(path)
            require_own(self._line)
        except PermissionError:
            self._line.close()
            raise
        except OSError as error:
            self._line.close()
            raise OSError(errno.ENODEV, "nobody plays this keypad") from error

    def fileno(self) -> int:
        """See `Device`."""
        return self._line.fileno()

    async def ioctl(self, request: int, given: bytes) -> bytes:
        """See `Device`. Raises OSError(ETIMEDOUT) when the player does not answer."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await loop.sock_sendall(self._line, ASKED.pack(request) + given)
                while not (message := _or_gone(await loop.sock_recv(self._line, 4096))).startswith(ANSWER):
                    self._early.append(message[1:])
        except TimeoutError as error:
            raise OSError(errno.ETIMEDOUT, "the player of the keypad does not answer") from error
        (number,) = ANSWERED.unpack_from(message, 1)
        if number:
            raise OSError(number, os.strerror(number))
        return message[1 + ANSWERED.size :]

    def read(self) -> bytes:
        """See `Device`."""
        if self._early:
            return self._early.pop(0)
        return _or_gone(self._line.recv(4096))[1:]

    def close(self) -> None:
        """See `Device`."""
        self._line.close()


def _or_gone(data: bytes) -> bytes:
    if not data:
        raise OSError(errno.ENODEV, "hung up")
    return data
