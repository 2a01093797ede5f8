"""Any call that a thread makes on the files of one directory can be made to fail, by the kernel's own word.

Touches seccomp: a thread gives itself a filter under which the kernel asks a supervisor (the parent process) before each call that may
concern a file; the supervisor lets it happen, or has it return an error instead. Needs neither root nor a library, and catches SQLite,
the C library and the interpreter alike. Must not decide which call fails: `Fault` is told.

Left alone are `close` (the kernel closes a file even where it returns an error, and that cannot be played) and locks, which are no
matter of a disk.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Name, number on x86_64 and aarch64 (None: there is none), and the argument that tells the file: a descriptor, a path, or a directory's
# descriptor followed by a path that may be empty. From the kernel's tables of system calls.
_CALLS: tuple[tuple[str, int | None, int | None, str], ...] = (
    ("read", 0, 63, "fd0"),
    ("write", 1, 64, "fd0"),
    ("open", 2, None, "path0"),
    ("stat", 4, None, "path0"),
    ("fstat", 5, 80, "fd0"),
    ("lstat", 6, None, "path0"),
    ("lseek", 8, 62, "fd0"),
    ("mmap", 9, 222, "fd4"),
    ("pread", 17, 67, "fd0"),
    ("pwrite", 18, 68, "fd0"),
    ("access", 21, None, "path0"),
    ("sendfile", 40, 71, "fd1"),
    ("fsync", 74, 82, "fd0"),
    ("fdatasync", 75, 83, "fd0"),
    ("truncate", 76, 45, "path0"),
    ("ftruncate", 77, 46, "fd0"),
    ("rename", 82, None, "path0"),
    ("mkdir", 83, None, "path0"),
    ("unlink", 87, None, "path0"),
    ("readlink", 89, None, "path0"),
    ("fchmod", 91, 52, "fd0"),
    ("fchown", 93, 55, "fd0"),
    ("statfs", 137, 43, "path0"),
    ("fstatfs", 138, 44, "fd0"),
    ("getdents", 217, 61, "fd0"),
    ("open", 257, 56, "at0"),
    ("mkdir", 258, 34, "at0"),
    ("stat", 262, 79, "at0"),
    ("unlink", 263, 35, "at0"),
    ("rename", 264, 38, "at0"),
    ("access", 269, 48, "at0"),
    ("fallocate", 285, 47, "fd0"),
    ("rename", 316, 276, "at0"),
    ("stat", 332, 291, "at0"),
    ("access", 439, 439, "at0"),
)
_MACHINE = platform.machine()
_COLUMN = {"x86_64": 1, "aarch64": 2}.get(_MACHINE)
_BY_NUMBER: dict[int, tuple[str, str]] = (
    {} if _COLUMN is None else {int(row[_COLUMN]): (row[0], row[3]) for row in _CALLS if row[_COLUMN] is not None}  # type: ignore[arg-type]
)

# linux/seccomp.h, linux/filter.h, linux/prctl.h
_SECCOMP = {"x86_64": 317, "aarch64": 277}.get(_MACHINE)
_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3
_LOAD_NUMBER, _JUMP_IF_EQUAL, _RETURN = (0x20, 0, 0, 0), 0x15, 0x06
_ASK, _ALLOW = 0x7FC00000, 0x7FFF0000
_NO_NEW_PRIVILEGES = 38
_RECEIVE, _SEND, _GO_ON = 0xC0502100, 0xC0182101, 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # id, thread, flags, number, architecture, instruction, arguments
_REPLY = struct.Struct("=QqiI")  # id, value, error, flags
_LISTENER = b"listener"
_PAGE = 4096
_INT = 0xFFFFFFFF


def watch_this_thread(supervisor: socket.socket) -> None:
    """From here on the supervisor at the other end of this socket is asked. For this thread, those that it starts, and for good.

    Raises OSError where the kernel has no such thing or does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    rules = [_LOAD_NUMBER, *((_JUMP_IF_EQUAL, len(_BY_NUMBER) - n, 0, call) for n, call in enumerate(_BY_NUMBER))]
    rules += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ASK)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *rule) for rule in rules))
    program = struct.pack("@HP", len(rules), ctypes.addressof(code))
    if _SECCOMP is None or libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError("no filter for calls on this machine")
    listener = libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, ctypes.c_char_p(program))
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no filter for calls")
    socket.send_fds(supervisor, [_LISTENER], [listener])
    os.close(listener)


@dataclass
class Fault:
    """Which calls fail: the `first`-th (from 1) and, if it lasts, all after it until `over`. kind: of one name only (None: of all).

    calls: the names of those that came by, in order. failed: how many of them failed.
    """

    first: int
    error: int
    lasts: bool = False
    kind: str | None = None
    over: bool = False
    failed: int = 0
    calls: list[str] = field(default_factory=list)

    def judge(self, name: str) -> int:
        """The error that this call returns instead of being done; 0: none."""
        if self.kind not in (None, name):
            return 0
        self.calls.append(name)
        here = len(self.calls)
        if self.over or here < self.first or (here > self.first and not self.lasts):
            return 0
        self.failed += 1
        return self.error


class Supervisor:
    """Answers for the calls of a child's threads on the files below `directory`, by `judge`, while it waits for the child's words."""

    def __init__(self, child: socket.socket) -> None:
        self._child = child
        self._listeners: list[int] = []
        self.directory = Path("/nowhere")
        self.judge: Callable[[str], int] = lambda _name: 0

    def hear(self, limit_s: float) -> bytes:
        """The child's next message. Raises TimeoutError, EOFError when the child has ended."""
        while True:
            poll = select.poll()
            for handle in (self._child.fileno(), *self._listeners):
                poll.register(handle, select.POLLIN)
            ready = poll.poll(limit_s * 1000)
            if not ready:
                raise TimeoutError("the child does nothing and says nothing")
            for handle, event in ready:
                if handle == self._child.fileno():
                    said, listeners, *_ = socket.recv_fds(self._child, 2**17, 1)
                    self._listeners += listeners
                    if not said:
                        raise EOFError("the child has ended")
                    if said != _LISTENER:
                        return said
                elif event & select.POLLIN:
                    self._answer(handle)
                else:  # its threads have ended
                    self._listeners.remove(handle)
                    os.close(handle)

    def close(self) -> None:
        """Whoever still asks gets an error."""
        for handle in self._listeners:
            os.close(handle)
        self._listeners.clear()

    def _answer(self, listener: int) -> None:
        note = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, note)
        except FileNotFoundError:
            return  # who asked is gone
        number, thread, _, call, _, _, *arguments = _NOTIFICATION.unpack(note)
        name, where = _BY_NUMBER[call]
        error = self.judge(name) if self._is_ours(thread, where, arguments) else 0
        try:
            fcntl.ioctl(listener, _SEND, _REPLY.pack(number, 0, -error, 0 if error else _GO_ON))
        except FileNotFoundError:
            return

    def _is_ours(self, thread: int, where: str, arguments: list[int]) -> bool:
        kind, index = where[:-1], int(where[-1])
        path = ""
        if kind != "fd":
            path = _read_text(thread, arguments[index + (kind == "at")])
        if not path:
            try:
                path = str(Path(f"/proc/{thread}/fd/{arguments[index] & _INT}").readlink())
            except OSError:
                return False
        return path.startswith(str(self.directory))


def _read_text(thread: int, address: int) -> str:
    """A text of another process."""
    text = b""
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - a file of the kernel's
        while b"\0" not in text:
            memory.seek(address + len(text))
            text += memory.read(_PAGE - (address + len(text)) % _PAGE)
    return os.fsdecode(text.partition(b"\0")[0])
