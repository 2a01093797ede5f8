"""The request log: what came in, when, and what it was answered with. Never a header, a query or a body.

The ASGI part watches only; it changes nothing on the way. Bodies it hears go to the witness alone, which decides what of them may
be kept (`transcript`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulator.codec import iso

KEPT = 2000
# Of a body; a longer one is not heard to its end.
MOST_BYTES = 256 * 1024


@dataclass(slots=True)
class Seen:
    """One request. status None: not answered (yet, or ever). connection: the client's port, tells connections apart."""

    number: int
    method: str
    path: str
    operation: str | None
    connection: int
    received_wall: float
    status: int | None = None
    took_s: float | None = None
    fault: str | None = None

    def tell(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "operation": self.operation,
            "connection": self.connection,
            "received": iso(self.received_wall),
            "status": self.status,
            "took_s": None if self.took_s is None else round(self.took_s, 4),
            "fault": self.fault,
        }


class Witness(Protocol):
    """Who is told of each request when it arrives and when it is over."""

    def arrived(self, operation: str | None) -> None:
        """A request is there."""

    def answered(self, seen: Seen, at: float, sent: bytes | None, told: bytes | None) -> None:
        """It is over. at: its arrival, monotonic s. sent, told: bodies as far as anybody read or wrote them, None: too long."""


class Traffic:
    """The last requests, oldest first. `total` counts on after older ones were dropped."""

    def __init__(self, witness: Witness) -> None:
        self._seen: deque[Seen] = deque(maxlen=KEPT)
        self.total = 0
        self.witness = witness

    def open(self, scope: Scope, operation: str | None, now: float) -> Seen:
        """Enter a request as it arrives."""
        self.total += 1
        port = (scope.get("client") or ("", 0))[1]
        seen = Seen(self.total, scope["method"], scope["path"], operation, port, now)
        self._seen.append(seen)
        self.witness.arrived(operation)
        return seen

    def since(self, number: int = 0) -> list[Seen]:
        """Requests with a higher number."""
        return [seen for seen in self._seen if seen.number > number]

    def clear(self) -> None:
        """Forget the requests, not the count."""
        self._seen.clear()


class _Heard:
    """The parts of one body as they pass by."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def add(self, message: Message) -> None:
        """One more ASGI message."""
        part = message.get("body", b"")
        self._length += len(part)
        if self._length <= MOST_BYTES:
            self._parts.append(part)

    def whole(self) -> bytes | None:
        """What passed by, None where it was too long."""
        return b"".join(self._parts) if self._length <= MOST_BYTES else None


class Watch:
    """ASGI: enters every request and what it was answered with. `told` hears of each change."""

    def __init__(self, app: ASGIApp, traffic: Traffic, name_of: Callable[[Scope], str | None], told: Callable[[Seen], None]) -> None:
        self._app = app
        self._traffic = traffic
        self._name_of = name_of
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        started = time.monotonic()
        seen = self._traffic.open(scope, self._name_of(scope), time.time())
        scope["simulator.seen"] = seen
        self._told(seen)
        asked, answered = _Heard(), _Heard()

        async def listening() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                asked.add(message)
            return message

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
            else:
                answered.add(message)
            await send(message)

        try:
            await self._app(scope, listening, watched)
        finally:
            seen.took_s = time.monotonic() - started
            self._told(seen)
            self._traffic.witness.answered(seen, started, asked.whole(), answered.whole())
