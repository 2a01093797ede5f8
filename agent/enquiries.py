"""What the control socket may ask about callouts: who may, and about which one.

Law 5 rules here. Outwardly there is one callout, the one that is on; from the moment when a cancel is handed over there is none, in
the same words and the same time, whatever goes on inside. The inner view is for root and says that it is one. Asks over connections of
its own, few at a time, and none while a raise is outwardly on its way: an operator must never delay a lane. Logs nothing and keeps nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, Protocol

from agent.control import Peer
from agent.documents import NOTHING, REFUSED, UNREACHABLE, event_document, failure
from agent.lifecycle import raise_wanted
from agent.model import CalloutId, Event
from agent.operations import DEADLINE_S, perform
from agent.ports import Dispatch
from agent.signals import Phase, State

AT_ONCE: Final = 2  # connections to dispatch beside those of the lanes
MAX_WAIT_S: Final = 60.0
TOGETHER_S: Final = 0.1  # what dispatch told at once is answered at once
INNER_ONLY: Final = ("the inner view is for root only", "leave out --inner")
NO_CALLOUT: Final = ("no callout is on", "raise one first: `callout-agent raise`; root may ask about any with --inner ID")
RAISE_FIRST: Final = ("a raise is on its way, and goes before every question", "try again once dispatch has accepted it")
NOT_ACCEPTED: Final = ("dispatch has not accepted the callout yet", "try again once it has")
WHOLE_SOURCE: Final = ("the callouts of the whole source are not this device's business", "root may ask dispatch itself: --inner")
VERBS: Final = frozenset({"list", "show", "events", "map", "report", "reasons", "add_reason", "rating_items", "rate"})
WITHOUT_CALLOUT: Final = frozenset({"list", "rating_items"})


class Conversation(Protocol):
    """What was said about the callout that is on."""

    @property
    def events(self) -> tuple[Event, ...]:
        """Oldest first, both directions; empty in standby and while calm."""

    async def more(self) -> None:
        """Ends when there are more, the callout ended, or a cancel was handed over."""


class Rooms(Protocol):
    """What enquiries need of the daemon."""

    @property
    def state(self) -> State:
        """The lifecycle's state."""

    @property
    def conversation(self) -> Conversation:
        """What was said about the callout that is on."""

    def outwardly_calm(self) -> bool:
        """Whether a cancel was handed over, or may have been: the store has not told yet."""

    def open(self) -> Dispatch:
        """A connection of one's own."""

    async def changed(self) -> None:
        """Ends after the next step."""


class Enquiries:
    """One per daemon."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def handle(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """Answer one request; ValueError for what is wrong with it."""
        if request.get("inner") is True:
            return await self.inner(request, peer)
        if request["do"] in WITHOUT_CALLOUT:
            return await self._without_callout(request)
        if request["do"] == "events":
            return await self._events(request)
        return await self._of_the_callout(request)

    async def inner(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """Straight from dispatch, about any callout."""
        if not peer.root:
            return failure(REFUSED, *INNER_ONLY)
        state = self._rooms.state
        answer = await self._ask(about(request, state.callout_id, state.closed))
        return {**answer, "inner": True, "calm": self._rooms.state.calm}

    # --- outwardly ------------------------------------------------------------------------------------------------------

    async def _without_callout(self, request: dict[str, Any]) -> dict[str, Any]:
        """Asked of dispatch in any case, so that failures and durations look alike; while calm there is nothing to list."""
        if request.get("all") is True:
            return failure(REFUSED, *WHOLE_SOURCE)
        answer = await self._ask({**request, "url": False})
        return {"ok": True, "callouts": []} if self._rooms.outwardly_calm() and "callouts" in answer else answer

    async def _of_the_callout(self, request: dict[str, Any]) -> dict[str, Any]:
        on = self._on()
        refused = self._refused(request.get("id"), on)
        if refused is not None:
            return refused
        answer = await self._ask({**request, "id": on})
        if self._rooms.outwardly_calm():  # handed over meanwhile: dispatch may have answered what it came to
            return failure(NOTHING, *NO_CALLOUT)
        return answer

    async def _events(self, request: dict[str, Any]) -> dict[str, Any]:
        """What was said. follow: the callout of an earlier answer, which may be over; waits for more than its `mark` stands for."""
        wait_s, on, followed = _seconds(request, "wait_s"), self._on(), request.get("follow")
        if followed is not None and not _same(followed, on):
            return {"ok": True, "id": followed, "events": [], "mark": None, "over": True}
        refused = self._refused(request.get("id"), on)
        if refused is not None:
            return refused
        if followed is not None:
            await self._more(on, request.get("mark"), wait_s)
        over = not _same(on, self._on())
        events = () if over else self._rooms.conversation.events
        return {"ok": True, "id": on, "events": [event_document(each) for each in events], "mark": _mark(events), "over": over}

    async def _more(self, on: CalloutId | None, mark: object, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                while _same(on, self._on()) and _mark(self._rooms.conversation.events) == mark:
                    await self._rooms.conversation.more()
                    await asyncio.sleep(TOGETHER_S)
        except TimeoutError:
            return

    def _on(self) -> CalloutId | None:
        """The callout that is on, for everybody to know."""
        state = self._rooms.state
        return None if self._rooms.outwardly_calm() or state.phase is Phase.STANDBY else state.callout_id

    def _refused(self, given: object, on: CalloutId | None) -> dict[str, Any] | None:
        """Why nothing can be said of this one; in standby and while calm the same."""
        if given is not None and not _same(given, on):
            return elsewhere(given)
        if on is not None:
            return None
        raising = self._rooms.state.phase is not Phase.STANDBY and not self._rooms.outwardly_calm()
        return failure(NOTHING, *(NOT_ACCEPTED if raising else NO_CALLOUT))

    async def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Over a connection of its own, that is closed afterwards; waiting for a raise and for one's turn is in the deadline.

        A turn is free again only after as long as it was used: on a slow line nobody who asks and asks gets more than half of it.
        """
        clock = asyncio.get_running_loop()
        until_at = clock.time() + DEADLINE_S
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._turns.acquire()
                began_at = clock.time()
                try:
                    while self._raise_first():
                        await self._rooms.changed()
                    return await self._unless_raised(request, until_at - clock.time())
                finally:
                    clock.call_later(clock.time() - began_at, self._turns.release)
        except TimeoutError:
            told = RAISE_FIRST if self._raise_first() else (f"no answer within {DEADLINE_S:.0f} s", "try again")
            return failure(UNREACHABLE, *told)

    async def _unless_raised(self, request: Mapping[str, Any], left_s: float) -> dict[str, Any]:
        """Given up when a press comes between, and not asked again by itself: dispatch may have taken it."""
        asking, raised = asyncio.ensure_future(self._perform(request, left_s)), asyncio.ensure_future(self._raised())
        try:
            await asyncio.wait({asking, raised}, return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else failure(UNREACHABLE, *RAISE_FIRST)
        finally:
            for each in (asking, raised):
                each.cancel()
            await asyncio.gather(asking, raised, return_exceptions=True)

    async def _perform(self, request: Mapping[str, Any], left_s: float) -> dict[str, Any]:
        dispatch = self._rooms.open()
        try:
            return await perform(dispatch, request, left_s)
        finally:
            await dispatch.aclose()

    async def _raised(self) -> None:
        """Ends when a raise has become owed."""
        while not self._raise_first():
            await self._rooms.changed()

    def _raise_first(self) -> bool:
        """Whether a raise is to have the line to itself. Not behind a cancel: who has to wait then would know that it goes on (law 5)."""
        return raise_wanted(self._rooms.state) and not self._rooms.outwardly_calm()


def about(request: Mapping[str, Any], callout_id: CalloutId | None, closed: tuple[CalloutId, ...]) -> dict[str, Any]:
    """An inner request with an id: the given one, else the callout that the device is on, else the last one it knew."""
    known = callout_id if callout_id is not None else next(iter(closed), None)
    given = request.get("id")
    return {**request, "id": known if given is None else given}


def elsewhere(given: object) -> dict[str, Any]:
    """In words that do not depend on anything but the id that was given."""
    return failure(REFUSED, f"this device is not on callout {given}", f"root may ask dispatch itself: --inner {given}")


def _same(one: object, other: object) -> bool:
    """Ids come as numbers and as text."""
    return one is not None and other is not None and str(one) == str(other)


def _mark(events: tuple[Event, ...]) -> str:
    """Stands for what was said so far. Not a count: of a long conversation the oldest entries are dropped."""
    return sha256(repr(events).encode()).hexdigest()[:16]


def _seconds(request: Mapping[str, Any], key: str) -> float:
    value = request.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_WAIT_S:
        raise ValueError(f"{key} must be 0 to {MAX_WAIT_S:.0f} seconds")
    return float(value)
