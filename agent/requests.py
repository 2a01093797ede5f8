"""What the control socket may ask of the daemon, checked and carried out.

Decides who may do what, and answers in words that do not depend on the inner state: a cancel is answered alike, in the same
time, whether the code is right, wrong, undelivered or nothing is on (law 5). Never keeps or logs a code.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from agent import enquiries
from agent.control import Peer, refusal
from agent.documents import NOTHING, REFUSED, failure
from agent.enquiries import Enquiries
from agent.lifecycle import may_drill
from agent.model import CalloutId, SafeCode
from agent.presses import Made
from agent.signals import CancelAsked, Forgotten, Happening, Phase

CANCEL_ANSWER_S = 0.75  # longer than any step waits for the store, so that all cases take the same time
DRILL_HINT = (
    "a press now is REAL. A drill starts only from a quiet standby: while a callout is on, once dispatch has closed it; "
    "after a cancel, once a real press was made and dispatch has closed that"
)
HANDED_OVER = "The cancel was handed over."
MAX_NOTE = 500
MOST_SAID, SAID_WITHIN_S = 30, 60.0  # messages; each waits in memory and on disk, and before the trail, until dispatch has it
REMEMBERED = 50  # presses whose fate may still be asked for
MAX_WAIT_S = 86_400.0
DRILL_OPEN_S = 600.0  # a window that is forgotten must not make a drill of tomorrow's emergency

BLANK_HINT = "type the code; it is 1 to 16 characters"


class Rooms(enquiries.Rooms, Protocol):
    """What requests need of the daemon."""

    @property
    def allow_unconditional(self) -> bool:
        """`[control] allow_unconditional`."""

    def decide(self, event: Happening) -> Awaitable[None]:
        """Queue an event."""

    def press(self, origin: str, *, note: str | None, drill: bool) -> Made:
        """Make a press: numbered, on tmpfs, in the inbox."""

    def tell(self, callout_id: CalloutId, text: str) -> None:
        """Queue a message for the event stream."""

    def document(self, *, inner: bool) -> dict[str, Any]:
        """The status document."""

    def forget_foreign(self, callout_id: CalloutId) -> bool:
        """Give up a stored callout of another base_url or customer; False if there is none of this id."""

    async def refuse_drill(self) -> str | None:
        """Why no drill may start now; None if it may. Looks for an active callout first."""

    def open_drill(self, seconds: float) -> str | None:
        """The next gesture at a button within so long is a drill. In words why not; None if it is."""

    async def changed(self) -> None:
        """Ends after the next step."""


class Requests:
    """One handler per `do`."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._made: dict[int, Made] = {}
        self._said_at: deque[float] = deque(maxlen=MOST_SAID)
        self._enquiries = Enquiries(rooms)
        self._drilling = asyncio.Lock()  # each look-up before a drill takes a connection of its own
        self._handlers: dict[str, Callable[[dict[str, Any], Peer], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "raise": self._raise,
            "settled": self._settled,
            "cancel": self._cancel,
            "say": self._say,
            "forget": self._forget,
            "drill": self._drill,
            **dict.fromkeys(enquiries.VERBS, self._enquiries.handle),
        }

    async def handle(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """Answer one request; never raises for what is in it."""
        handler = self._handlers.get(str(request.get("do")))
        if handler is None:
            return refusal("unknown request", "one of: " + ", ".join(self._handlers))
        try:
            return await handler(request, peer)
        except ValueError as error:
            return refusal(str(error))

    async def _status(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        inner = request.get("inner") is True
        if inner and not peer.root:
            return refusal("the inner state is for root only", "leave out --inner")
        return {"ok": True, "status": self._rooms.document(inner=inner)}

    async def _raise(self, request: dict[str, Any], _peer: Peer) -> dict[str, Any]:
        """Answered as soon as the press is safe; `settled` asks what became of it."""
        note, drill = request.get("note"), request.get("drill") is True
        note = note[:MAX_NOTE].strip() or None if isinstance(note, str) else None  # a press is never refused for its note
        if drill:
            refused = await self._refuse_drill()
            if refused is not None:
                return refusal(f"no drill now: {refused}", DRILL_HINT)
        made = self._rooms.press("cli", note=note, drill=drill)
        self._made[made.press.number] = made
        while len(self._made) > REMEMBERED:
            del self._made[min(self._made)]
        return {"ok": True, "press": made.press.number}

    async def _drill(self, request: dict[str, Any], _peer: Peer) -> dict[str, Any]:
        """Open the window in which a gesture at a button is a drill. Its rules are those of any drill."""
        open_s = _seconds(request, "open_s", DRILL_OPEN_S)
        if open_s <= 0:
            return refusal("how long?", "callout-agent drill --open 60")
        refused = await self._refuse_drill() or self._rooms.open_drill(open_s)
        if refused is not None:
            return refusal(f"no drill now: {refused}", DRILL_HINT)
        return {"ok": True, "text": f"The next gesture at a button within {open_s:.0f} s is a drill; a second one is a REAL emergency."}

    async def _settled(self, request: dict[str, Any], _peer: Peer) -> dict[str, Any]:
        """Wait for dispatch to accept a press, at most so long."""
        number, wait_s = request.get("press"), _seconds(request, "wait_s")
        made = self._made.get(number) if isinstance(number, int) else None
        if made is None:
            return refusal("no such press since the daemon started", "callout-agent status shows what dispatch says")
        accepted = await self._accepted(made, wait_s)
        state = self._rooms.state
        callout_id = state.callout_id if accepted else None
        return {"ok": True, "press": made.press.number, "accepted": accepted, "id": callout_id, "cancelled": state.calm}

    async def _refuse_drill(self) -> str | None:
        """Why not. While calm always in the same words, or a drill would find out whether the cancelled callout lives (law 5)."""
        async with self._drilling:
            if self._rooms.outwardly_calm():
                return "a cancel was handed over and nothing was raised since"
            if not may_drill(self._rooms.state):
                return "a callout or a press is on"
            return await self._rooms.refuse_drill()

    async def _accepted(self, made: Made, wait_s: float) -> bool:
        """Whether this very press was answered by a callout that is open. Its number may have changed, its moment has not.

        A cancel ends the wait: its end later would tell that the raise went on (law 5).
        """
        try:
            async with asyncio.timeout(wait_s):
                await asyncio.shield(asyncio.ensure_future(made.decided))
                while not self._rooms.state.calm and any(owed.at == made.press.at for owed in self._rooms.state.owed):
                    await self._rooms.changed()
        except TimeoutError:
            return False
        state = self._rooms.state
        return not state.calm and state.callout_id is not None and (state.drill or not made.press.drill)

    async def _cancel(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        code = self._code(request, peer)
        if isinstance(code, dict):
            return code
        await asyncio.gather(self._rooms.decide(CancelAsked(code)), asyncio.sleep(CANCEL_ANSWER_S))
        return {"ok": True, "text": HANDED_OVER}

    def _code(self, request: dict[str, Any], peer: Peer) -> SafeCode | dict[str, Any] | None:
        """The code, None for the unconditional form, or a refusal. A blank or absent code is never the unconditional form."""
        if "code" in request:
            typed = request["code"]
            if not isinstance(typed, str):
                return refusal("the code must be text", BLANK_HINT)
            try:
                return SafeCode(typed)
            except ValueError as error:
                return refusal(str(error), BLANK_HINT)
        if request.get("unconditional") is not True:
            return refusal("no code was given", BLANK_HINT)
        if not (peer.root and self._rooms.allow_unconditional):
            return refusal("an unconditional cancel is not allowed", "root may, if [control] allow_unconditional = true")
        return None

    async def _say(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """Outwardly queued for the event lane, which outlives a dead zone; the inner way speaks to dispatch at once."""
        text = _text(request, "text", 1_000)
        if text is None:
            return refusal("nothing to say", 'callout-agent say "TEXT"')
        if request.get("inner") is True:
            return await self._enquiries.inner(request, peer)
        state = self._rooms.state
        if state.calm or state.phase is Phase.STANDBY:
            return failure(NOTHING, *enquiries.NO_CALLOUT)
        if state.callout_id is None:
            return failure(NOTHING, *enquiries.NOT_ACCEPTED)
        now_at = asyncio.get_running_loop().time()
        if len(self._said_at) == MOST_SAID and now_at - self._said_at[0] < SAID_WITHIN_S:
            return failure(REFUSED, f"{MOST_SAID} messages within {SAID_WITHIN_S:.0f} s are enough", "say it in fewer, or wait a minute")
        self._said_at.append(now_at)
        self._rooms.tell(state.callout_id, text)
        return {"ok": True, "text": "The message is on its way."}

    async def _forget(self, request: dict[str, Any], peer: Peer) -> dict[str, Any]:
        if not peer.root:
            return refusal("only root may forget a callout")
        given = request.get("id")
        if not isinstance(given, int | str) or isinstance(given, bool):
            return refusal("which callout?", "callout-agent callout forget ID")
        if self._rooms.forget_foreign(given):
            return {"ok": True, "text": f"Callout {given} is forgotten."}
        if given != self._rooms.state.callout_id:
            return refusal(f"callout {given} is not the one this device is on")
        if not self._rooms.state.unknown:  # else a slip of root's hand would end an emergency (law 2)
            return refusal(f"dispatch has not lost callout {given}", "dispatch closes it; until then it is streamed to")
        await self._rooms.decide(Forgotten(given))
        return {"ok": True, "text": f"Callout {given} is forgotten."}


def _text(request: dict[str, Any], key: str, limit: int) -> str | None:
    value = request.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{key} must be text")  # noqa: TRY004 - one kind of refusal for whatever is wrong with a request
    if len(value) > limit:
        raise ValueError(f"{key} is longer than {limit} characters")
    return value.strip() or None


def _seconds(request: dict[str, Any], key: str, most_s: float = MAX_WAIT_S) -> float:
    value = request.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most_s:
        raise ValueError(f"{key} must be 0 to {most_s:.0f} seconds")
    return float(value)
