"""A dispatch service to hold in the hand: it opens one callout at a time, keeps what it was told, and fails as it is told to.

Stands in for the network where a test is about lanes; the client itself is tested against a real TLS server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.model import Asked, Callout, CalloutId, Event, Fix, Help, Meaning, Outcome, Place, SafeCode


class Service:
    """One dispatch service, shared by the connections of all lanes.

    fault: asked before each request is answered; an Outcome to answer instead, None to go on. lose: like fault, but the
    request is processed and only its answer is lost. hold: asyncio.Event per kind; requests of that kind wait for it.
    """

    def __init__(self) -> None:
        self.callouts: dict[CalloutId, str] = {}
        self.positions: list[tuple[CalloutId, float]] = []  # (callout, `at` of the fix), in order of arrival
        self.events: list[tuple[CalloutId, str]] = []
        self.stream: list[Event] = []  # what the event stream lists
        self.help = Help()  # what a read tells of the responder
        self.cancels: list[tuple[CalloutId, str | None]] = []
        self.asked: list[Asked] = []
        self.shapes: list[str] = []
        self.types: list[int] = []  # asked for by each raise
        self.unknown_type: int | None = None  # a raise that asks for it is refused
        self.fault: Callable[[Asked], Outcome | None] = lambda _: None
        self.lose: Callable[[Asked], Outcome | None] = lambda _: None
        self.hold: dict[Asked, asyncio.Event] = {}
        self.heard = asyncio.Event()
        self.open_lines = 0
        self._next = 100

    def open_callout(self) -> CalloutId | None:
        """The one that is open."""
        return next((each for each, status in self.callouts.items() if status != "closed"), None)

    def close(self, callout_id: CalloutId) -> None:
        """Dispatch ends it."""
        self.callouts[callout_id] = "closed"

    def connect(self) -> Line:
        """A connection; open until it is closed."""
        self.open_lines += 1
        return Line(self)

    async def answer(self, asked: Asked, callout_id: CalloutId | None, process: Callable[[], Outcome]) -> Outcome:
        """Process a request, or fail as told."""
        self.asked.append(asked)
        self.heard.set()
        try:
            if asked in self.hold:
                await self.hold[asked].wait()
            await asyncio.sleep(0)
            failed = self.fault(asked)
            if failed is not None:
                return failed
            outcome = process()
            return self.lose(asked) or outcome
        finally:
            self.heard.set()

    def raise_one(self, shape: str) -> Outcome:
        """An open callout is returned, not duplicated."""
        self.shapes.append(shape)
        callout_id = self.open_callout()
        if callout_id is None:
            self._next += 1
            callout_id = self._next
            self.callouts[callout_id] = "created"
        return Outcome(
            Asked.RAISE, Meaning.ACCEPTED, "ok", http_status=200, callout=Callout(callout_id, self.callouts[callout_id]), shape=shape
        )


def gone(asked: Asked, callout_id: CalloutId) -> Outcome:
    """285."""
    return Outcome(asked, Meaning.CLOSED, "closed", callout_id=callout_id, http_status=285)


def lost(asked: Asked, cause: str = "timeout") -> Outcome:
    """No answer came."""
    return Outcome(asked, Meaning.RETRY, cause)


class Line:
    """`agent.ports.Dispatch` on a Service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def raise_callout(
        self, place: Place | None, *, response_type_id: int, shape: str, deadline_s: float, drill: bool = False
    ) -> Outcome:
        service = self._service
        service.types.append(response_type_id)
        refused = Outcome(Asked.RAISE, Meaning.REJECTED, "http_400", http_status=400, shape=shape)
        known = response_type_id != service.unknown_type
        return await service.answer(Asked.RAISE, None, lambda: service.raise_one(shape) if known else refused)

    async def locate(self, callout_id: CalloutId, newest: Callable[[], Fix], *, deadline_s: float) -> Outcome:
        fix = newest()  # its connections are open at once

        def process() -> Outcome:
            if self._service.callouts.get(callout_id) == "closed":
                return gone(Asked.LOCATION, callout_id)
            self._service.positions.append((callout_id, fix.at))
            return Outcome(Asked.LOCATION, Meaning.ACCEPTED, "ok", callout_id=callout_id, http_status=200)

        return await self._service.answer(Asked.LOCATION, callout_id, process)

    async def read(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        callout = Callout(callout_id, self._service.callouts.get(callout_id), help=self._service.help)
        return await self._service.answer(
            Asked.READ,
            callout_id,
            lambda: Outcome(Asked.READ, Meaning.ACCEPTED, "ok", callout_id=callout_id, http_status=200, callout=callout),
        )

    async def look_up(self, *, deadline_s: float) -> Outcome:
        def process() -> Outcome:
            callout_id = self._service.open_callout()
            listed = () if callout_id is None else (Callout(callout_id, self._service.callouts[callout_id]),)
            return Outcome(Asked.LOOK_UP, Meaning.ACCEPTED, "ok", http_status=200, callouts=listed)

        return await self._service.answer(Asked.LOOK_UP, None, process)

    async def cancel(self, callout_id: CalloutId, code: SafeCode | None, *, deadline_s: float) -> Outcome:
        def process() -> Outcome:
            self._service.cancels.append((callout_id, None if code is None else code.typed()))
            return Outcome(Asked.CANCEL, Meaning.ACCEPTED, "ok", callout_id=callout_id, http_status=200)

        return await self._service.answer(Asked.CANCEL, callout_id, process)

    async def tell(self, callout_id: CalloutId, text: str, *, deadline_s: float) -> Outcome:
        def process() -> Outcome:
            self._service.events.append((callout_id, text))
            return Outcome(Asked.EVENT, Meaning.ACCEPTED, "ok", callout_id=callout_id, http_status=200)

        return await self._service.answer(Asked.EVENT, callout_id, process)

    async def events(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        def process() -> Outcome:
            listed = tuple(self._service.stream)
            return Outcome(Asked.EVENTS, Meaning.ACCEPTED, "ok", callout_id=callout_id, http_status=200, events=listed)

        return await self._service.answer(Asked.EVENTS, callout_id, process)

    async def aclose(self) -> None:
        """Drop the connection."""
        self._service.open_lines -= 1
