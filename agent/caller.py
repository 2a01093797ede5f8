"""One authorised request to dispatch within a deadline: every one returns an Outcome.

Touches the network through `line`, tokens through `credentials`. Must not raise for what the network does, must not retry
beyond one renewed token and one other shape (lanes do), must not outlive the deadline it is given, and must not let a code, a token or
a position into a repr, a text or a log. Each lane has an instance; all share one TLS context and one Credentials.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from agent import bodies, delivery
from agent.bodies import Bodies
from agent.credentials import Credentials
from agent.line import MAX_BODY_BYTES, Body, Failure, Line
from agent.model import Asked, CalloutId, Meaning, Outcome
from agent.wire import Token

# What may honestly be long: the events of a callout that lasted for hours, and a map as base64.
LONG_BYTES: Final = 4 * 1024 * 1024
LONG: Final = frozenset({Asked.EVENTS, Asked.REPORT, Asked.MAP})


@dataclass(frozen=True, slots=True)
class Call:
    """One request. body: encoded JSON, see `Line.exchange`; it may hold a code or a position."""

    asked: Asked
    method: str
    path: str
    body: Body = field(default=None, repr=False)
    callout_id: CalloutId | None = None
    shape: str | None = None

    @property
    def route(self) -> str:
        """What a refused token is remembered by: the operation; of a probe the path, which is all that it is about."""
        return f"{self.asked} {self.path}" if self.asked is Asked.PROBE else str(self.asked)


@dataclass(slots=True)
class Progress:
    """What an attempt waits for, in case its deadline passes."""

    renewing: bool = False


class Caller:
    """Sends calls. One request at a time; a second one waits for the first, within its own deadline."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        tls: ssl.SSLContext,
        *,
        proxy: str | None,
        wall: Callable[[], float],
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._line = Line(tls, proxy=proxy)
        self._wall = wall
        self._old: set[tuple[Asked, str | None]] = set()  # what dispatch last took in the older documentation's keys
        self._scoped_at: dict[str, float] = {}  # when a fresh token was refused on this route
        self._served: set[str] = set()  # routes on which dispatch has taken a token of ours: a 401 is no matter of scope there

    async def send(self, call: Call, deadline_s: float) -> Outcome:
        """One request within a total deadline: look-up, connect, TLS, reply and a renewal if need be are all in it."""
        progress = Progress()
        try:
            async with asyncio.timeout(max(0.0, deadline_s)):
                return await self._authorised(call, progress)
        except TimeoutError:
            if progress.renewing:
                return self._tokenless(call, f"the token service did not answer within {deadline_s:.3g} s")
            text = f"no reply to {call.asked} within {deadline_s:.3g} s ({self._line.stage})"
            return delivery.lost(call.asked, call.callout_id, "timeout", text, shape=call.shape)

    async def send_either(self, call: Call, body: Bodies, deadline_s: float) -> Outcome:
        """The call with its body in the keys that dispatch took last, the newer ones at first; once in the others if those are refused.

        What is refused in both is rejected as the first said: it is not the keys that it lacks.
        """
        if body.old is None:
            return await self.send(replace(call, body=bodies.encoded(body.new)), deadline_s)
        until_at = time.monotonic() + deadline_s
        new = replace(call, body=bodies.encoded(body.new), shape=call.shape or "new")
        old = replace(call, body=bodies.encoded(body.old), shape=call.shape or "old")
        kind = (call.asked, call.shape)
        first, other = (old, new) if kind in self._old else (new, old)
        refused = await self.send(first, deadline_s)
        if refused.http_status not in delivery.REFUSED_SHAPE:
            return refused
        outcome = await self.send(other, until_at - time.monotonic())
        if outcome.meaning is Meaning.ACCEPTED:
            (self._old.add if other is old else self._old.discard)(kind)
        return refused if outcome.http_status in delivery.REFUSED_SHAPE else outcome

    async def aclose(self) -> None:
        """Drop the connection."""
        await self._line.aclose()

    async def _authorised(self, call: Call, progress: Progress) -> Outcome:
        """With the newest token, whatever is believed of it; after a 401 once more with a newer one."""
        urgent = call.asked is Asked.RAISE
        progress.renewing = True
        token = await self._credentials.current(urgent=urgent)
        progress.renewing = False
        if token is None:
            return self._tokenless(call, "there is none")
        outcome = await self._once(call, token)
        if outcome.meaning is not Meaning.UNAUTHORISED:
            self._scoped_at.pop(call.route, None)
            if outcome.meaning is not Meaning.RETRY:
                self._served.add(call.route)
            return outcome
        if not urgent and time.monotonic() - self._scoped_at.get(call.route, float("-inf")) < delivery.SCOPE_EVERY_S:
            return replace(outcome, cause="scope")
        return await self._renewed(call, token, outcome, progress, urgent=urgent)

    async def _renewed(self, call: Call, refused: Token, outcome: Outcome, progress: Progress, *, urgent: bool) -> Outcome:
        progress.renewing = True
        token = await self._credentials.newer(refused, urgent=urgent)
        progress.renewing = False
        if token is None:
            return outcome if self._credentials.trouble is None else self._tokenless(call, "it was refused", http_status=401)
        outcome = await self._once(call, token)
        if outcome.meaning is Meaning.UNAUTHORISED and call.route in self._served:
            return replace(outcome, text=f"{outcome.text}, with a new token too, where it was taken before")
        if outcome.meaning is Meaning.UNAUTHORISED:
            self._scoped_at[call.route] = time.monotonic()
            return replace(outcome, cause="scope", text=f"{outcome.text}, with a new token too")
        return outcome

    async def _once(self, call: Call, token: Token) -> Outcome:
        limit_bytes = LONG_BYTES if call.asked in LONG else MAX_BODY_BYTES
        url = self._base_url + call.path
        answer = await self._line.exchange(call.method, url, bearer=token.value, body=call.body, limit_bytes=limit_bytes)
        if isinstance(answer, Failure):
            return delivery.lost(call.asked, call.callout_id, answer.cause, f"{answer.text} ({self._line.stage})", shape=call.shape)
        return delivery.outcome_of(call.asked, call.callout_id, answer, now_wall=self._wall(), shape=call.shape)

    def _tokenless(self, call: Call, why: str, http_status: int | None = None) -> Outcome:
        trouble = self._credentials.trouble
        text = why if trouble is None or not trouble.text else f"{why}; {trouble.text}"
        # A clock that keeps the token service away is the trouble itself: whoever mends it must not look for a key.
        clock = http_status is None and trouble is not None and trouble.cause == "tls.clock"
        cause = "tls.clock" if clock else "no_token"
        return replace(delivery.lost(call.asked, call.callout_id, cause, text, shape=call.shape), http_status=http_status)
