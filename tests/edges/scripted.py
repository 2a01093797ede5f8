"""A real TLS server that answers what a test scripts, and what a test needs around it.

Speaks HTTP/1.1 by hand, so that it can also answer what no library would. Shares no code with the simulator or the agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import trustme

from agent.credentials import Credentials
from agent.model import Fix
from agent.panic_api import PanicApi, Service

Answer = Callable[["Seen", asyncio.StreamWriter], Awaitable[None]]
Wired = Callable[..., contextlib.AbstractAsyncContextManager["Rig"]]

CUSTOMER = 4711
NAME = "dispatch.test"


def ask(host: str, port: int, *rest: Any) -> list[Any]:
    """The system's look-up, for which our name is this machine."""
    return socket.getaddrinfo("127.0.0.1" if host == NAME else host, port, *rest)


# --- the server ---------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def bearer(self) -> str | None:
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None


class HangUpError(Exception):
    """An answer ends its connection."""


def reply(
    status: int = 200, document: Any = None, *, body: bytes | None = None, kind: str | None = "application/json", **headers: str
) -> Answer:
    """A complete reply. headers: with `_` for `-`."""

    async def answer(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        content = body if body is not None else b"" if document is None else json.dumps(document).encode()
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
        lines += [f"Content-Type: {kind}"] if kind and content else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        await writer.drain()

    return answer


def raw(content: bytes) -> Answer:
    """Exactly these bytes, then the end of the connection."""

    async def answer(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        raise HangUpError

    return answer


def hang() -> Answer:
    """The request is taken; no answer ever."""

    async def answer(_seen: Seen, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    return answer


def drip(every_s: float = 0.05) -> Answer:
    """A reply that never ends, a byte at a time: each read succeeds, the whole never does."""

    async def answer(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(every_s)  # the fault itself, not a wait for something

    return answer


def reset() -> Answer:
    """The connection is cut with a RST."""

    async def answer(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HangUpError

    return answer


class Server:
    """Scripted per route: answers are used in order, the last one for ever."""

    def __init__(self, context: ssl.SSLContext | None, name: str = NAME) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.open = 0
        self.arrived = asyncio.Condition()
        self._context = context
        self._name = name
        self._answers: dict[tuple[str, str], list[Any]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()

    def on(self, method: str, path: str, *answers: Any) -> None:
        """(Re)script a route; paths are below /v2, or whole with a leading `=`."""
        self._answers[method, path.removeprefix("=") if path.startswith("=") else "/v2" + path] = list(answers)

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://{self._name}:{self.port}/v2"

    def paths(self) -> list[str]:
        return [f"{seen.method} {seen.path.removeprefix('/v2')}" for seen in self.seen]

    async def until(self, count: int) -> None:
        """So many requests have arrived."""
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: len(self.seen) >= count)

    async def until_open(self, count: int) -> None:
        """At most so many connections are open."""
        async with asyncio.timeout(5):
            while self.open > count:  # noqa: ASYNC110 - nothing to wait on: the kernel tells the server of a close when it likes
                await asyncio.sleep(0.01)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        number = self.connections
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, HangUpError, asyncio.CancelledError):
            while True:
                await self._one(reader, writer, number)
        self.open -= 1
        self._tasks.discard(task)
        writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, path, _ = head.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        seen = Seen(method, path, headers, body, number)
        async with self.arrived:
            self.seen.append(seen)
            self.arrived.notify_all()
        answers = self._answers.get((method, path)) or [reply(404, {"message": "no such route"})]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answering = asyncio.ensure_future(answer(seen, writer))
        gone = asyncio.ensure_future(reader.read(1)) if answer.__qualname__.startswith(("hang", "drip")) else None
        try:
            await asyncio.wait({answering, gone} if gone else {answering}, return_when=asyncio.FIRST_COMPLETED)
            if gone and gone.done():
                raise HangUpError
            await answering
        finally:
            for each in (answering, *((gone,) if gone else ())):
                each.cancel()
            await asyncio.gather(answering, *((gone,) if gone else ()), return_exceptions=True)


# --- the client side ----------------------------------------------------------------------------------------------------


class Wall:
    """A clock that a test may move."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.wall_ahead_s = 0.0
        self.plausible = True

    def at(self) -> float:
        return time.monotonic() + self.ahead_s

    def wall(self) -> float:
        return time.time() + self.ahead_s + self.wall_ahead_s

    def trusted(self) -> bool:
        return self.plausible


@dataclass
class Rig:
    """Server, token service and one PanicApi on the way to them."""

    server: Server
    clock: Wall
    tls: ssl.SSLContext
    credentials: Credentials
    api: PanicApi
    service: Service
    told: list[Any]

    def another(self, **changes: Any) -> PanicApi:
        """One more lane's client, sharing context and credentials."""
        return PanicApi(Service(**{**SERVICE, "base_url": self.server.url, **changes}), self.credentials, self.tls)


SERVICE = {
    "base_url": "",
    "customer_id": CUSTOMER,
    "classification_id": 1,
    "drill_classification_id": 2,
    "predefined_location": "STORE 1/a",
}
TOKEN = {"accessToken": "first-token-value", "tokenType": "Bearer", "expiresIn": 3600}
TOKEN_2 = {"accessToken": "second-token-value", "tokenType": "Bearer", "expiresIn": 3600}
CALLOUT = {"message": "ok", "callout": {"id": 500123, "status": "created", "customerId": CUSTOMER, "url": "https://track.test/x"}}
FIX = Fix(at=1.0, wall=2.0, receiver="gps", latitude=-33.92491234567, longitude=18.42412345678, accuracy_m=6.04)


def server_context(authority: trustme.CA, *names: str, **terms: Any) -> ssl.SSLContext:
    """A server context with a certificate of the authority for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or (NAME, "localhost")), **terms).configure_cert(context)
    return context
