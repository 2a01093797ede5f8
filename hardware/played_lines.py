"""Our side of a played chip: lines over a Unix socket, as `hardware.played_chip` serves them.

Touches the socket. Trusts only a chip that is served by our own user or by root: whoever plays a button can raise a callout. After the
request it must not wait for the other side; it obeys the same rules as the kernel's lines.

One JSON document a line. Ours: {"request": ...}, then {"drive": {line: active}} and {"read": seqno}. Theirs: {"errno": n} or
{"levels": {line: active}}, then changes: {"line", "active", "at_ns", "edge", "line_seqno", "seqno", "dropped"}. `edge` is false where the
chip lost the interrupt and only the level is another; `dropped` is the last seqno that fell out of the chip's queue before we read it: the
socket holds more than the queue of a kernel would.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from hardware.lines import CONSUMER, Edge, Gone, Wish
from hardware.peer import require_own

_ANSWER_S = 1.0
_AT_ONCE = 65_536


async def request_played(wish: Wish) -> PlayedLines:
    """Ask a played chip for lines. Raises OSError: as a chip of the kernel would, EPERM for another user's, ETIMEDOUT for a mute one."""
    loop = asyncio.get_running_loop()
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        async with asyncio.timeout(_ANSWER_S):
            await loop.sock_connect(peer, wish.chip)
            require_own(peer)
            await loop.sock_sendall(peer, _line({"request": {**asdict(wish), "consumer": CONSUMER}}))
            return PlayedLines(wish, peer, await _first(peer))
    except TimeoutError as error:
        peer.close()
        raise OSError(errno.ETIMEDOUT, "the played chip does not answer") from error
    except BaseException:
        peer.close()
        raise


async def _first(peer: socket.socket) -> bytes:
    """The answer to a request, with the beginning of what follows it."""
    told = b""
    while b"\n" not in told:
        more = await asyncio.get_running_loop().sock_recv(peer, _AT_ONCE)
        if not more:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        told += more
    return told


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode() + b"\n"


class PlayedLines:
    """Lines of a played chip; see `hardware.lines.Lines`. Takes the peer over. Raises OSError with the errno that the chip answered."""

    played = True

    def __init__(self, wish: Wish, peer: socket.socket, told: bytes) -> None:
        self.wish = wish
        self._peer = peer
        self._seqnos = dict.fromkeys(wish.lines, 0)
        first, self._rest = told.split(b"\n", 1)
        self._levels = _granted(wish, first)

    def fileno(self) -> int:
        """See `Lines`."""
        return self._peer.fileno()

    def edges(self) -> list[Edge]:
        """See `Lines`."""
        changes, gone = self._read()
        dropped = max((change.dropped for change in changes), default=0)
        for change in changes:
            self._levels[change.line] = change.active
        edges = [self._edge(change) for change in changes if change.edge and change.seqno > dropped]
        if changes:
            with suppress(Gone):  # what was felt before the chip went still counts; the next call says that it is gone
                self._send({"read": changes[-1].seqno})
        if gone and not edges:
            raise Gone("the played chip hung up")
        return edges

    def _edge(self, change: _Change) -> Edge:
        lost = change.line_seqno - self._seqnos[change.line] - 1
        self._seqnos[change.line] = change.line_seqno
        return Edge(change.line, change.active, change.at_ns / 1e9, lost)

    def _read(self) -> tuple[list[_Change], bool]:
        """Everything there is to read, and whether the chip hung up."""
        gone = False
        try:
            while more := self._peer.recv(_AT_ONCE):
                self._rest += more
            gone = True
        except BlockingIOError:
            pass
        except OSError:
            gone = True
        *whole, self._rest = self._rest.split(b"\n")
        try:
            return [_Change(**json.loads(line)) for line in whole], gone
        except (TypeError, ValueError) as error:
            raise Gone("the played chip babbles") from error

    def active(self, line: int) -> bool:
        """See `Lines`. A debounced level changes with its edge, so what was told last is the level."""
        return self._levels[line]

    def drive(self, levels: Mapping[int, bool]) -> None:
        """See `Lines`."""
        self._send({"drive": {str(line): level for line, level in levels.items()}})

    def _send(self, document: Mapping[str, object]) -> None:
        line = _line(document)
        try:
            if self._peer.send(line) == len(line):
                return
        except OSError as error:
            raise Gone(str(error)) from error
        raise Gone("the played chip does not listen")

    def close(self) -> None:
        """See `Lines`."""
        self._peer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What a chip says of a line; see the module's docstring."""

    line: int
    active: bool
    at_ns: int
    edge: bool
    line_seqno: int
    seqno: int
    dropped: int


def _granted(wish: Wish, line: bytes) -> dict[int, bool]:
    """The levels at the request. Raises OSError: the chip's refusal, or EPROTO for what is no chip's answer."""
    try:
        answer = json.loads(line)
        refusal = answer.get("errno")
        if refusal is None:
            return {number: bool(answer["levels"][str(number)]) for number in wish.lines}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OSError(errno.EPROTO, "what answers is no played chip") from error
    raise OSError(refusal, os.strerror(refusal))
