"""A GPIO chip that is played by a test or a trial, served on a Unix socket to any process of the same user.

Touches: the socket, and a thread of its own, so that the chip goes on while the process that uses it is blocked or stopped. It must not be
kinder than the kernel: it debounces, queues and drops, counts and stamps edges as the kernel does, knows who holds which line, and vanishes
without a farewell. Only in one thing it is: a script happens at its own times, however busy the machine. What is said over the socket is
described in `hardware.played_lines`.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from hardware.press import Debounce

_PATIENCE_S = 5.0
_QUEUE_PER_LINE = 16

T = TypeVar("T")


@dataclass(slots=True)
class _Line:
    """driven: what the world outside connects it to, None: nothing. history: of an output, (monotonic s, level)."""

    driven: bool | None = None
    bias: str = "as-is"
    output: bool | None = None
    holder: _Holder | None = None
    consumer: str | None = None
    deaf: bool = False
    history: list[tuple[float, bool]] = field(default_factory=list)

    @property
    def level(self) -> bool:
        """The voltage: high or low. Undriven, the bias decides; without one it floats, here to low."""
        if self.output is not None:
            return self.output
        return self.bias == "pull-up" if self.driven is None else self.driven


@dataclass(slots=True)
class _Holder:
    """One granted request: the kernel's side of it."""

    writer: asyncio.StreamWriter
    lines: tuple[int, ...]
    driven: bool
    active_low: bool
    debounce_s: float
    queue: deque[int]
    debounces: dict[int, Debounce] = field(default_factory=dict)
    line_seqnos: dict[int, int] = field(default_factory=dict)
    seqno: int = 0
    dropped: int = 0


class PlayedChip:
    """A chip of so many lines at `path`, served while the context lasts.

    contact: the level that a pressed button connects its line to (False: ground, for active = "low"). refuses: what its driver cannot do,
    of "debounce", "bias", "edges". Every method may be called from any thread and has taken effect when it returns.
    """

    def __init__(self, path: Path | str, lines: int = 32, *, contact: bool = False, refuses: Sequence[str] = ()) -> None:
        self._path = Path(path)
        self._contact = contact
        self._refuses = frozenset(refuses)
        self._lines = [_Line() for _ in range(lines)]
        self._holders: list[_Holder] = []
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="played chip", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._serve())
        return self

    def __exit__(self, *_: object) -> None:
        self._await(self._vanish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)
        self._loop.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def press(self, line: int) -> None:
        """Close the contact of a button."""
        self.drive(line, self._contact)

    def release(self, line: int) -> None:
        """Open it: the bias decides."""
        self.drive(line, None)

    def drive(self, line: int, level: bool | None) -> None:  # noqa: FBT001 - a voltage
        """Connect a line to high or low, or cut its wire (None)."""
        self._do(lambda: self._set(line, level, time.monotonic()))

    def bounce(self, line: int, at_ms: Sequence[float]) -> None:
        """Let the contact open and close by itself, from the other state than now, at these milliseconds from now. Returns at once."""

        def script() -> None:
            closed, began = self._lines[line].driven == self._contact, time.monotonic()
            for number, each_ms in enumerate(at_ms):
                level = self._contact if closed == bool(number % 2) else None
                at = began + each_ms / 1e3
                self._loop.call_at(at, self._set, line, level, at)

        self._do(script)

    def deafen(self, line: int) -> None:
        """Lose the line's interrupts from now on: its level changes, and no edge is told."""
        self._do(lambda: setattr(self._lines[line], "deaf", True))

    @property
    def levels(self) -> list[bool]:
        """The voltage of every line, high or low."""
        return self._do(lambda: [line.level for line in self._lines])

    def history(self, line: int) -> list[tuple[float, bool]]:
        """What was driven on this line, as (monotonic s, level), from the first request on."""
        return self._do(lambda: list(self._lines[line].history))

    def holder(self, line: int) -> str | None:
        """Who holds this line."""
        return self._do(lambda: self._lines[line].consumer)

    def unplug(self) -> None:
        """Pull the chip: its node is gone, everyone who held a line is hung up on."""
        self._await(self._vanish())

    def replug(self) -> None:
        """Put it back, under the same name. What is connected to its lines stays connected."""
        self._await(self._serve())

    def _do(self, act: Callable[[], T]) -> T:
        async def acting() -> T:
            return act()

        return self._await(acting())

    def _await(self, task: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(task, self._loop).result(_PATIENCE_S)

    async def _serve(self) -> None:
        """Nobody can connect before the socket is ours alone: it listens only after its mode is set."""
        self._path.unlink(missing_ok=True)
        node = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        node.bind(str(self._path))
        self._path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._answer, sock=node)

    async def _vanish(self) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for holder in tuple(self._holders):
            self._free(holder)
        ending = [task for task in self._connections.values() if task is not None]
        for writer in self._connections:
            writer.transport.abort()
        if ending:
            await asyncio.wait(ending)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One process that opened the node, until it closes it."""
        self._connections[writer] = asyncio.current_task()
        holder: _Holder | None = None
        try:
            while line := await reader.readline():
                asked = json.loads(line)
                if holder is None:
                    holder = self._request(asked["request"], writer)
                elif "read" in asked:
                    while holder.queue and holder.queue[0] <= asked["read"]:
                        holder.queue.popleft()
                else:
                    self._output(holder, asked["drive"])
        except ConnectionError:
            pass
        finally:
            if holder is not None:
                self._free(holder)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            del self._connections[writer]

    def _request(self, wish: dict[str, Any], writer: asyncio.StreamWriter) -> _Holder | None:
        refusal = self._refusal(wish)
        if refusal:
            _tell(writer, {"errno": refusal})
            return None
        lines = tuple(wish["lines"])
        holder = _Holder(
            writer=writer,
            lines=lines,
            driven=wish["driven"],
            active_low=wish["active_low"],
            debounce_s=wish["debounce_s"],
            queue=deque(maxlen=_QUEUE_PER_LINE * len(lines)),
        )
        for number in lines:
            line = self._lines[number]
            line.holder, line.consumer = holder, wish["consumer"]
            if holder.driven:
                self._show(line, holder.active_low)
            else:
                line.output, line.bias = None, wish["bias"]
                holder.debounces[number] = Debounce(holder.debounce_s, active=line.level)
        self._holders.append(holder)
        _tell(writer, {"levels": {str(number): self._lines[number].level != holder.active_low for number in lines}})
        return holder

    def _refusal(self, wish: dict[str, Any]) -> int:
        """The errno that the kernel would answer with; 0: granted."""
        if any(not 0 <= number < len(self._lines) for number in wish["lines"]):
            return errno.EINVAL
        if any(self._lines[number].holder for number in wish["lines"]):
            return errno.EBUSY
        if "edges" in self._refuses and not wish["driven"]:
            return errno.ENXIO
        if ("debounce" in self._refuses and wish["debounce_s"]) or ("bias" in self._refuses and wish["bias"] != "as-is"):
            return errno.EINVAL
        return 0

    def _free(self, holder: _Holder) -> None:
        """As the kernel does when a request ends: the lines are free, an output stays as it is."""
        if holder not in self._holders:
            return
        self._holders.remove(holder)
        for number in holder.lines:
            self._lines[number].holder = self._lines[number].consumer = None

    def _output(self, holder: _Holder, levels: dict[str, bool]) -> None:
        for number, active in levels.items():
            self._show(self._lines[int(number)], active != holder.active_low)

    def _show(self, line: _Line, level: bool) -> None:  # noqa: FBT001
        if line.output != level or not line.history:
            line.history.append((time.monotonic(), level))
        line.output = level

    def _set(self, number: int, level: bool | None, at: float) -> None:  # noqa: FBT001
        line = self._lines[number]
        before = line.level
        line.driven = level
        holder = line.holder
        if holder is None or holder.driven or line.level == before:
            return
        self._settle(holder, number, holder.debounces[number].edge(line.level, at))
        due = holder.debounces[number].due
        if due is not None:
            self._loop.call_at(due, self._look, holder, number, due)

    def _look(self, holder: _Holder, number: int, at: float) -> None:
        if holder in self._holders:
            self._settle(holder, number, holder.debounces[number].look(at))

    def _settle(self, holder: _Holder, number: int, changes: list[tuple[bool, float]]) -> None:
        """The level has been stable for long enough: an edge, stamped with that moment."""
        for level, at in changes:
            deaf = self._lines[number].deaf
            if not deaf:
                self._enqueue(holder, number)
            told = {
                "line": number,
                "active": level != holder.active_low,
                "at_ns": int(at * 1e9),
                "edge": not deaf,
                "line_seqno": holder.line_seqnos.get(number, 0),
                "seqno": holder.seqno,
                "dropped": holder.dropped,
            }
            _tell(holder.writer, told)

    def _enqueue(self, holder: _Holder, number: int) -> None:
        holder.seqno += 1
        holder.line_seqnos[number] = holder.line_seqnos.get(number, 0) + 1
        if len(holder.queue) == holder.queue.maxlen:
            holder.dropped = holder.queue[0]
        holder.queue.append(holder.seqno)


def _tell(writer: asyncio.StreamWriter, document: dict[str, Any]) -> None:
    writer.write(json.dumps(document).encode() + b"\n")
