"""A keypad that is not there: a test or a trial types on it, an agent in any process reads it through a Unix socket.

Touches one socket. It must not be kinder than the kernel: one reader may grab it and the others get nothing from then on, a reader
that does not read loses events and is told so, held keys repeat, keys that it has not got are not felt, and unplugging hangs up.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Self

from hardware.input_device import (
    ANSWER,
    ANSWERED,
    ASKED,
    EV_KEY,
    EV_SYN,
    EVIOCGBIT_KEY,
    EVIOCGNAME,
    EVIOCGRAB,
    EVIOCSCLOCKID,
    RECORD,
    RECORDS,
    SYN_DROPPED,
    SYN_REPORT,
)

NAMES: Mapping[str, int] = MappingProxyType(
    {str(digit): 2 + (digit - 1) % 10 for digit in range(10)}
    | {f"pad {digit}": code for digit, code in enumerate((82, 79, 80, 81, 75, 76, 77, 71, 72, 73))}
    | {f"phone {digit}": 0x200 + digit for digit in range(10)}
    | {"enter": 28, "pad enter": 96, "#": 0x20B, "ok": 0x160, "select": 0x161}
    | {"clear": 0x163, "escape": 1, "backspace": 14, "delete": 111, "pad point": 83, "*": 0x20A, "cancel": 223}
    | {"a": 30, "numlock": 69, "volume up": 115}
)
MOUSE = frozenset({0x110, 0x111, 0x112})  # its left, right and middle button
_QUEUE = 64  # events, as in the kernel
_SOCKET_BYTES = 8192  # what a reader does not take soon waits in the queue, not in the socket
_REPEAT_AFTER_S = 0.25
_REPEAT_EVERY_S = 0.033

_Event = tuple[int, int, int]


class PlayedKeypad:
    """A keypad on a socket at `path`: `async with PlayedKeypad(path) as keypad: keypad.type("0042"); keypad.key("enter")`.

    clock_at: monotonic s, the times of its events; readers must share it. keys: the codes that it has (`MOUSE`: a mouse). `NAMES` are
    the keys' names. Everything that types is quick and does not wait for a reader; unplugged, it does nothing.
    """

    def __init__(self, path: Path | str, *, clock_at: Callable[[], float] = time.monotonic, keys: Iterable[int] = NAMES.values()) -> None:
        self.path = Path(path)
        self._clock_at = clock_at
        self._keys = frozenset(keys)
        self._down: dict[int, asyncio.TimerHandle] = {}
        self._readers: list[_Reader] = []
        self._server: socket.socket | None = None
        self._grab_changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.replug()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.unplug()

    @property
    def grabbed(self) -> bool:
        """Whether a reader has it for itself."""
        return any(reader.grabs for reader in self._readers)

    async def until_grabbed(self) -> None:
        """Wait for a reader that grabs it."""
        while not self.grabbed:
            self._grab_changed.clear()
            await self._grab_changed.wait()

    def type(self, digits: str) -> None:
        """Press and release each of these keys of the upper row."""
        for digit in digits:
            self.key(digit)

    def key(self, name: str) -> None:
        """Press and release a key. Raises KeyError for an unknown name."""
        self.press(name)
        self.release(name)

    def press(self, name: str) -> None:
        """Press a key and hold it: after a while it repeats. Raises KeyError for an unknown name."""
        code = NAMES[name]
        if self._server is None or code not in self._keys or code in self._down:
            return
        self._report((EV_KEY, code, 1))
        self._down[code] = asyncio.get_running_loop().call_later(_REPEAT_AFTER_S, self._repeat, code)

    def release(self, name: str) -> None:
        """Let go of a key. Raises KeyError for an unknown name."""
        timer = self._down.pop(NAMES[name], None)
        if timer is not None:
            timer.cancel()
            self._report((EV_KEY, NAMES[name], 0))

    def unplug(self) -> None:
        """Pull it: readers see a hang-up, the socket is gone. What was queued for them is lost."""
        for timer in self._down.values():
            timer.cancel()
        self._down.clear()
        if self._server is not None:
            asyncio.get_running_loop().remove_reader(self._server)
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)
        for reader in tuple(self._readers):
            reader.close()

    def replug(self) -> None:
        """Put it back; the socket of a player that died is replaced. Raises OSError if it cannot be made."""
        if self._server is not None:
            return
        if self.path.is_socket():
            self.path.unlink()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            server.bind(os.fspath(self.path))
            self.path.chmod(0o600)
            server.listen()
        except OSError:
            server.close()
            raise
        self._server = server
        asyncio.get_running_loop().add_reader(server, self._welcome)

    def _welcome(self) -> None:
        if self._server is None:
            return
        with suppress(BlockingIOError):
            line, _ = self._server.accept()
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            self._readers.append(_Reader(line, self))

    def _repeat(self, code: int) -> None:
        self._report((EV_KEY, code, 2))
        self._down[code] = asyncio.get_running_loop().call_later(_REPEAT_EVERY_S, self._repeat, code)

    def _report(self, event: _Event) -> None:
        at = self._clock_at()
        alone = [reader for reader in self._readers if reader.grabs]
        for reader in alone or tuple(self._readers):
            reader.tell(at, event, (EV_SYN, SYN_REPORT, 0))

    # what readers ask

    def asked(self, reader: _Reader, request: int, given: bytes) -> tuple[int, bytes]:
        """Answer an ioctl as the kernel does: an error number (0: none), and what it gives."""
        if request == EVIOCGRAB:
            return self._grab(reader, wanted=any(given)), b""
        if request == EVIOCGNAME:
            return 0, b"Played keypad\0"
        if request == EVIOCGBIT_KEY:
            bits = sum(1 << code for code in self._keys)
            return 0, bits.to_bytes(len(given), "little")
        # Its times are monotonic anyway: nothing to set.
        return (0 if request == EVIOCSCLOCKID else errno.EINVAL), b""

    def _grab(self, reader: _Reader, *, wanted: bool) -> int:
        if not wanted and not reader.grabs:
            return errno.EINVAL
        if wanted and self.grabbed:
            return errno.EBUSY
        reader.grabs = wanted
        self._grab_changed.set()
        return 0

    def left(self, reader: _Reader) -> None:
        """A reader is gone, and its grab with it."""
        self._readers.remove(reader)
        self._grab_changed.set()


class _Reader:
    """One open connection: its queue, and whether it has grabbed the keypad."""

    def __init__(self, line: socket.socket, keypad: PlayedKeypad) -> None:
        self.grabs = False
        self._line = line
        self._keypad = keypad
        self._queue: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        line.settimeout(0)
        self._loop.add_reader(line, self._asked)

    def tell(self, at: float, *events: _Event) -> None:
        """Queue events that happened at `at`. On overflow what was queued is dropped, and the reader is told that it was."""
        for kind, code, value in events:
            record = RECORD.pack(int(at), int(at % 1 * 1e6), kind, code, value)
            if len(self._queue) >= _QUEUE:
                self._queue.clear()
                self._queue.append(RECORD.pack(int(at), int(at % 1 * 1e6), EV_SYN, SYN_DROPPED, 0))
            self._queue.append(record)
        self._flush()

    def close(self) -> None:
        """Hang up."""
        self._loop.remove_reader(self._line)
        self._loop.remove_writer(self._line)
        self._line.close()
        self._keypad.left(self)

    def _flush(self) -> None:
        try:
            if self._queue:
                self._line.send(RECORDS + b"".join(self._queue))
                self._queue.clear()
            self._loop.remove_writer(self._line)
        except BlockingIOError:
            self._loop.add_writer(self._line, self._flush)
        except OSError:
            self.close()

    def _asked(self) -> None:
        try:
            message = self._line.recv(4096)
            if message:
                (request,) = ASKED.unpack_from(message)
                number, given = self._keypad.asked(self, request, message[ASKED.size :])
                self._line.send(ANSWER + ANSWERED.pack(number) + given)
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()
