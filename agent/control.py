"""The control socket, both ends: one JSON object a line over a Unix socket.

The server half hands requests to the daemon and knows who asks (SO_PEERCRED); the client half is what the command line uses
and needs no asyncio. Neither end interprets what a request means, and neither ever logs one: it may hold a safe code.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")

MAX_LINE = 65_536  # a request is a few hundred bytes
MAX_ANSWER = 8 * 1024 * 1024  # a status document is some thousands, a report or a picture of dispatch up to four millions
MOST = 32  # conversations at once; descriptors belong to lanes and receivers first
MOST_UNREAD = 16 * 1024 * 1024  # bytes of answers, all together, that nobody has read yet: memory belongs to the track first
IDLE_S = 30.0  # without a request, or without the asker reading its answer
GROUP = "callout-agent"  # who may raise, say, cancel with a code and read status


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks, by the kernel's word."""

    pid: int
    uid: int

    @property
    def root(self) -> bool:
        """May cancel unconditionally (if allowed), forget, and see the inner state."""
        return self.uid == 0


Handle = Callable[[dict[str, Any], Peer], Awaitable[dict[str, Any]]]
Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]  # to a peer that is known


class InUseError(Exception):
    """Another daemon answers on this socket."""


class Talks:
    """The conversations of now: few, little unread, and one request begun in each pass of the loop, or a crowd would delay a press."""

    def __init__(self) -> None:
        self._writers: dict[asyncio.StreamWriter, int] = {}
        self._turn = asyncio.Lock()

    def begin(self, writer: asyncio.StreamWriter, uid: int) -> None:
        """Of whoever has the most conversations the oldest makes room: an operator is neither turned away nor crowded out by another."""
        if len(self._writers) >= MOST:
            crowd = Counter([*self._writers.values(), uid])
            oldest = max(self._writers, key=lambda each: crowd[self._writers[each]])  # of equals the first, and these are in order
            self.end(oldest)
            oldest.transport.abort()
        self._writers[writer] = uid

    def end(self, writer: asyncio.StreamWriter) -> None:
        """It is over."""
        self._writers.pop(writer, None)

    async def turn(self) -> None:
        """Wait for one's turn to be answered."""
        async with self._turn:
            await asyncio.sleep(0)

    def make_room(self, size: int) -> None:
        """For so many bytes: who does not read loses the answer, whoever leaves the most unread before the others."""
        while (unread := self._unread()).total() + size > MOST_UNREAD:
            of_most = [each for each, uid in self._writers.items() if unread[uid] == max(unread.values())]
            first = next((each for each in of_most if each.transport.get_write_buffer_size()), None)
            if first is None:
                return
            self.end(first)
            first.transport.abort()

    def _unread(self) -> Counter[int]:
        """Bytes, by who has not read them."""
        unread: Counter[int] = Counter()
        for each, uid in self._writers.items():
            unread[uid] += each.transport.get_write_buffer_size()
        return unread


async def serve(path: Path, handle: Handle) -> None:
    """Answer until cancelled. Raises InUseError if a living daemon has the socket, OSError if it cannot be made."""
    await _clear(path)
    talks = Talks()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer(writer)
        talks.begin(writer, peer.uid)
        try:
            await _converse(reader, writer, lambda request: handle(request, peer), talks)
        finally:
            talks.end(writer)

    server = await asyncio.start_unix_server(converse, sock=_bound(path), limit=MAX_LINE, start_serving=False)
    try:
        await server.start_serving()
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()
        path.unlink(missing_ok=True)


def _bound(path: Path) -> socket.socket:
    """The socket, with its mode before anybody can connect. Raises OSError."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(0o660)
        with contextlib.suppress(KeyError, PermissionError):  # no such group, or not ours to give: then only our own user may ask
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
    except BaseException:
        listening.close()
        raise
    return listening


async def _clear(path: Path) -> None:
    """Remove the socket of a daemon that died; leave that of one that lives."""
    if not path.exists():
        return
    try:
        async with asyncio.timeout(1.0):  # not `wait_for`: it swallows a cancel that comes with the answer, and the daemon could not end
            _, writer = await asyncio.open_unix_connection(path)
    except (ConnectionRefusedError, FileNotFoundError):
        path.unlink(missing_ok=True)
        return
    except TimeoutError:
        pass
    else:
        writer.close()
    raise InUseError(f"{path}: another daemon answers on this socket")


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handle: Answer, talks: Talks) -> None:
    try:
        while line := await _within(IDLE_S, reader.readline()):
            await talks.turn()
            answer = _encoded(await _answer(line, handle))
            talks.make_room(len(answer))
            writer.write(answer)
            await _within(IDLE_S, writer.drain())
    except (OSError, ValueError, TimeoutError):  # the asker went away, fell silent, or its line was too long
        return
    finally:
        writer.close()


async def _within(seconds: float, work: Awaitable[_T]) -> _T:
    """Not `wait_for`, see `_clear`."""
    async with asyncio.timeout(seconds):
        return await work


def _encoded(reply: dict[str, Any]) -> bytes:
    """One line. What dispatch says is passed on, and may be no JSON, or more of it than anybody reads."""
    try:
        line = json.dumps(reply, allow_nan=False).encode() + b"\n"
    except (ValueError, RecursionError):
        return _encoded(refusal("the answer holds what cannot be passed on"))
    return line if len(line) <= MAX_ANSWER else _encoded(refusal(f"the answer is longer than {MAX_ANSWER // 2**20} MiB"))


async def _answer(line: bytes, handle: Answer) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return refusal("the request is not JSON", "one JSON object a line")
    if not isinstance(request, dict):
        return refusal("the request is not an object", 'for example {"do": "status"}')
    try:
        return await handle(request)
    except RecursionError:
        return refusal("the request is nested too deep", 'for example {"do": "status"}')


def refusal(error: str, hint: str = "") -> dict[str, Any]:
    """The reply to what cannot be done."""
    return {"ok": False, "error": error, "hint": hint}


def _peer(writer: asyncio.StreamWriter) -> Peer:
    sock = writer.get_extra_info("socket")
    pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return Peer(pid, uid)


# --- the asking end --------------------------------------------------------------------------------------------------------


class NotRunningError(Exception):
    """No daemon answers on the socket."""


class NotAllowedError(Exception):
    """The socket is there, but not for this user."""


def ask(path: Path, request: dict[str, Any], *, timeout_s: float = 5.0) -> dict[str, Any]:
    """One question, one answer. Raises NotRunningError, NotAllowedError, or TimeoutError when the daemon does not answer in time."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(str(path))
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as lines:
                line = lines.readline(MAX_ANSWER)
    except PermissionError as error:
        raise NotAllowedError(f"{path}: not allowed; join the group {GROUP} or use sudo") from error
    except TimeoutError:
        raise
    except OSError as error:
        raise NotRunningError(f"no daemon answers on {path}") from error
    if not line:
        raise NotRunningError(f"the daemon on {path} closed the connection")
    try:
        reply = json.loads(line)
    except ValueError as error:
        raise TimeoutError(f"the answer of the daemon on {path} broke off") from error
    return reply if isinstance(reply, dict) else {}
