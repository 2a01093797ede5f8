"""Name look-ups that cannot starve: an event loop whose `getaddrinfo` runs in daemon threads of its own.

httpx (through httpcore and anyio), asyncio's own connections and whatever else runs on this loop ask here. Touches the
system's resolver and memory only. Must not decide what a failed look-up means, and never changes the name that TLS checks:
an address offered from memory is as strictly verified as a fresh one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from agent import aside

PATIENCE_S: Final = 1.5  # DESIGN section 6: without an answer after this the last good address is tried
MAX_ALIVE: Final = 6
MAX_ALIVE_PER_NAME: Final = 3  # a hung look-up of one host must leave threads for another

Address = tuple[Any, ...]
Question = tuple[str, Any, int, int, int, int]  # host, port, family, type, proto, flags


class Resolver:
    """Asks the system, shares answers among those who ask the same, and remembers the last good ones.

    ask: blocks; `socket.getaddrinfo` or a stand-in. One resolver belongs to one loop.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ask: Callable[..., list[Address]] = socket.getaddrinfo, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._loop = loop
        self.ask = ask
        self._patience_s = patience_s
        self._waiting: dict[Question, set[asyncio.Future[list[Address]]]] = {}
        self._alive: dict[Question, int] = {}
        self._queue: deque[Question] = deque()
        self._known: dict[Question, list[Address]] = {}
        self._good: dict[Question, list[Address]] = {}
        self.proven: dict[str, str] = {}  # host -> address; whoever keeps it across a restart hands it to `recall`

    @property
    def alive(self) -> int:
        """Threads that have not answered yet, abandoned ones included."""
        return sum(self._alive.values())

    def confirm(self, host: str, address: str) -> None:
        """A connection to this address was really `host`: it is what is offered, even if a later answer leads astray."""
        self.proven[host] = address
        for question, known in self._known.items():
            if question[0] == host and any(each[4][0] == address for each in known):
                self._good[question] = sorted(known, key=lambda each: each[4][0] != address)

    def recall(self, host: str, address: str) -> None:
        """An address that was proven before a restart: offered while nothing better is known. Ignores what is no address."""
        if _is_address(address):
            self.proven.setdefault(host, address)

    def remembers(self, host: str) -> bool:
        """Whether there is any address to offer for it."""
        return host in self.proven or any(question[0] == host for question in self._known)

    async def resolve(self, question: Question) -> list[Address]:
        """An answer of now, else the last good one. Raises socket.gaierror when there is neither; waits as long as its caller does."""
        waiter: asyncio.Future[list[Address]] = self._loop.create_future()
        self._waiting.setdefault(question, set()).add(waiter)
        self._start(question)
        try:
            return await self._answer(question, waiter)
        finally:
            self._forget(question, waiter)

    async def _answer(self, question: Question, waiter: asyncio.Future[list[Address]]) -> list[Address]:
        try:
            if self._offer(question) is not None:
                await asyncio.wait({waiter}, timeout=self._patience_s)
                if not waiter.done():
                    return self._offer(question) or await waiter
            return await waiter
        except OSError:
            offer = self._offer(question)
            if offer is None:
                raise
            return offer

    def _offer(self, question: Question) -> list[Address] | None:
        """What was proven, else what was last answered, else what was proven in an earlier life."""
        return self._good.get(question) or self._known.get(question) or self._recalled(question)

    def _recalled(self, question: Question) -> list[Address] | None:
        host, port, family, kind, proto, _ = question
        address = self.proven.get(host)
        its_family = socket.AF_INET6 if address is not None and ":" in address else socket.AF_INET
        if address is None or family not in (socket.AF_UNSPEC, its_family):
            return None
        where = (address, port, 0, 0) if its_family is socket.AF_INET6 else (address, port)
        return [(its_family, kind or socket.SOCK_STREAM, proto, "", where)]

    def _start(self, question: Question) -> None:
        if self.alive < MAX_ALIVE and self._alive.get(question, 0) < MAX_ALIVE_PER_NAME:
            self._begin(question)
        elif question not in self._queue:
            self._queue.append(question)

    def _begin(self, question: Question) -> None:
        host, port, family, kind, proto, flags = question

        def look() -> list[Address]:
            return self.ask(host, port, family, kind, proto, flags)

        # Not parted: what the system looks names up with may keep a connection for all threads of the process.
        asked = aside.start(look, name=f"look-up {host}", loop=self._loop, parted=False)
        self._alive[question] = self._alive.get(question, 0) + 1
        asked.add_done_callback(lambda done: self._end(question, done))

    def _end(self, question: Question, done: asyncio.Future[list[Address]]) -> None:
        self._alive[question] -= 1
        if not self._alive[question]:
            del self._alive[question]
        error = done.exception()
        if error is None and done.result():
            self._known[question] = done.result()
            self._tell(question, lambda waiter: waiter.set_result(list(done.result())))
        else:
            failed = error if isinstance(error, OSError) else socket.gaierror(socket.EAI_FAIL, "the look-up failed")
            self._tell(question, lambda waiter: waiter.set_exception(failed))
        self._start_queued()

    def _tell(self, question: Question, how: Callable[[asyncio.Future[list[Address]]], None]) -> None:
        for waiter in self._waiting.get(question, ()):
            if not waiter.done():
                how(waiter)

    def _start_queued(self) -> None:
        for _ in range(len(self._queue)):
            question = self._queue.popleft()
            if any(not waiter.done() for waiter in self._waiting.get(question, ())):
                self._start(question)

    def _forget(self, question: Question, waiter: asyncio.Future[list[Address]]) -> None:
        if not waiter.cancel() and not waiter.cancelled():
            waiter.exception()  # seen, if it came too late: no complaint about one that nobody waited for
        self._waiting[question].discard(waiter)
        if not self._waiting[question]:
            del self._waiting[question]


class LookupLoop(asyncio.SelectorEventLoop):
    """The daemon's event loop: `asyncio.Runner(loop_factory=LookupLoop)`."""

    def __init__(self, *, ask: Callable[..., list[Address]] | None = None, patience_s: float = PATIENCE_S) -> None:
        super().__init__()
        self.resolver = Resolver(self, ask or _ask_system, patience_s=patience_s)

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's word
        proto: int = 0,
        flags: int = 0,
    ) -> list[Address]:
        """As `socket.getaddrinfo`, without ever blocking. Raises socket.gaierror."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name is None or _is_address(name):
            return socket.getaddrinfo(host, port, family, type, proto, flags)  # asks no one
        return await self.resolver.resolve((name, port, family, type, proto, flags))


def _ask_system(*question: Any) -> list[Address]:
    return list(socket.getaddrinfo(*question))  # looked up at the call, so that a test may stand in for the system


def confirm(host: str, address: str) -> None:
    """Tell the running loop, if it is ours, that this address proved to be `host`."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, LookupLoop):
        loop.resolver.confirm(host, address)


def proven(host: str) -> str | None:
    """The address that proved to be `host` last, if this is our loop and there is one."""
    loop = asyncio.get_running_loop()
    return loop.resolver.proven.get(host) if isinstance(loop, LookupLoop) else None


def recall(host: str, address: str) -> None:
    """Tell the running loop, if it is ours, which address proved to be `host` before a restart."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, LookupLoop):
        loop.resolver.recall(host, address)


def remembered(host: str) -> bool:
    """Whether a connection to this host would be tried though its name could not be looked up now."""
    loop = asyncio.get_running_loop()
    return _is_address(host) or (isinstance(loop, LookupLoop) and loop.resolver.remembers(host))


async def ask_anew(host: str, *, limit_s: float) -> bool:
    """Whether the system knows this name now, whatever is remembered. Apart from all other look-ups: they share no thread with it."""
    if _is_address(host):
        return True
    loop = asyncio.get_running_loop()
    ask = loop.resolver.ask if isinstance(loop, LookupLoop) else _ask_system
    try:
        return bool(await aside.run(lambda: ask(host, None), name=f"proof {host}", limit_s=limit_s, parted=False))  # see `Resolver._begin`
    except (OSError, UnicodeError):  # TimeoutError is one, too
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
