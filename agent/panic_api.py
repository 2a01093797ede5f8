"""The Panic API over one connection of its own: every operation returns an Outcome.

Touches the network through `line`, tokens through `credentials`. Must not raise for what the network does, must not retry
beyond one renewed token (lanes do), must not outlive the deadline it is given, and must not let a code, a token or a position
into a repr, a text or a log. Each lane has an instance; all share one TLS context and one Credentials.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

from agent import bodies, delivery
from agent.credentials import Credentials
from agent.line import Body, Failure, Line
from agent.model import Asked, CalloutId, Fix, Meaning, Outcome, Place, SafeCode
from agent.wire import Token

SCOPE_EVERY_S: Final = 300.0  # DESIGN section 6: a route that refuses a fresh token costs a renewal this often, no more
NO_SUCH_PATH: Final = frozenset({404, 405})


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where dispatch is and who we are to it, as configured. Paths are relative to base_url.

    drill_classification_id: of a raise that is a drill; None: the usual one (whoever drills has made sure that it may).
    return_callout_path: last segment of the location call that returns the callout; empty: the plain one.
    predefined_location: the external reference of a site known to dispatch.
    """

    base_url: str
    customer_id: int
    classification_id: int | None = None
    drill_classification_id: int | None = None
    active_callouts_path: str = "/customers/{customer_id}/callouts"
    return_callout_path: str = ""
    predefined_location: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request. body: encoded JSON, see `Line.exchange`; it may hold a code or a position."""

    asked: Asked
    method: str
    path: str
    body: Body = field(default=None, repr=False)
    callout_id: CalloutId | None = None
    shape: str | None = None


@dataclass(slots=True)
class Progress:
    """What an attempt waits for, in case its deadline passes."""

    renewing: bool = False


class PanicApi:
    """`ports.Dispatch`. One request at a time; a second one waits for the first, within its own deadline."""

    def __init__(
        self,
        service: Service,
        credentials: Credentials,
        tls: ssl.SSLContext,
        *,
        proxy: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._credentials = credentials
        self._line = Line(tls, proxy=proxy)
        self._wall = wall
        self._event_shape = delivery.EVENT_SHAPES[0]  # the one that dispatch last took
        self._return_path = service.return_callout_path.strip("/")
        self._scoped_at: dict[Asked, float] = {}  # when a fresh token was refused on this route
        self._served: set[Asked] = set()  # routes on which dispatch has taken a token of ours: a 401 is no matter of scope there

    # --- operations -----------------------------------------------------------------------------------------------------

    async def raise_callout(
        self, place: Place | None, *, response_type_id: int, shape: str, deadline_s: float, drill: bool = False
    ) -> Outcome:
        """Raise in one of the documented shapes. Raises ValueError for another one, or "predefined" without a configured site."""
        service = self._service
        drilled = drill and service.drill_classification_id is not None
        body = bodies.raise_body(
            shape,
            place,
            response_type_id=response_type_id,
            classification_id=service.drill_classification_id if drilled else service.classification_id,
            customer_id=service.customer_id,
            drill=drill,
        )
        return await self._send(Call(Asked.RAISE, "POST", self._raise_path(shape), bodies.encoded(body), shape=shape), deadline_s)

    async def locate(self, callout_id: CalloutId, newest: Callable[[], Fix], *, deadline_s: float) -> Outcome:
        """Post one position; with a return_callout_path by that, or by the plain path where dispatch knows no such thing."""
        first = _position(newest())
        if first is None:
            return delivery.lost(Asked.LOCATION, callout_id, "odd", "not a position on Earth; nothing was sent")
        call = Call(Asked.LOCATION, "POST", _of(callout_id, "location"), lambda: _position(newest()) or first, callout_id)
        if not self._return_path:
            return await self._send(call, deadline_s)
        until_at = time.monotonic() + deadline_s
        outcome = await self._send(replace(call, path=_of(callout_id, self._return_path)), deadline_s)
        if outcome.http_status not in NO_SUCH_PATH:
            return outcome
        plain = await self._send(call, until_at - time.monotonic())
        if plain.meaning is Meaning.ACCEPTED:
            self._return_path = ""
        return plain

    async def read(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """Read a callout."""
        return await self._send(Call(Asked.READ, "GET", _of(callout_id), callout_id=callout_id), deadline_s)

    async def look_up(self, *, deadline_s: float) -> Outcome:
        """List the customer's active callouts."""
        path = "/" + self._service.active_callouts_path.lstrip("/").replace("{customer_id}", str(self._service.customer_id))
        return await self._send(Call(Asked.LOOK_UP, "GET", path), deadline_s)

    async def cancel(self, callout_id: CalloutId, code: SafeCode | None, *, deadline_s: float) -> Outcome:
        """Ask dispatch to cancel: with the code exactly as typed, or unconditionally for None and nothing else."""
        body = bodies.encoded(bodies.cancel_body(None if code is None else code.typed()))
        return await self._send(Call(Asked.CANCEL, "POST", _of(callout_id, "cancel"), body, callout_id), deadline_s)

    async def tell(self, callout_id: CalloutId, text: str, *, deadline_s: float) -> Outcome:
        """Add one message to the event stream: in the shape that worked last, once in the other if that is refused."""
        until_at = time.monotonic() + deadline_s
        outcome = await self._tell(callout_id, text, self._event_shape, deadline_s)
        if outcome.http_status not in delivery.REFUSED_SHAPE:
            return outcome
        other = delivery.other_event_shape(self._event_shape)
        outcome = await self._tell(callout_id, text, other, until_at - time.monotonic())
        if outcome.meaning is Meaning.ACCEPTED:
            self._event_shape = other
        return outcome

    async def events(self, callout_id: CalloutId, *, deadline_s: float) -> Outcome:
        """Read the event stream."""
        return await self._send(Call(Asked.EVENTS, "GET", _of(callout_id, "events"), callout_id=callout_id), deadline_s)

    async def aclose(self) -> None:
        """Drop the connection."""
        await self._line.aclose()

    async def _tell(self, callout_id: CalloutId, text: str, shape: str, deadline_s: float) -> Outcome:
        body = bodies.encoded(bodies.event_body(shape, text))
        return await self._send(Call(Asked.EVENT, "POST", _of(callout_id, "events"), body, callout_id), deadline_s)

    def _raise_path(self, shape: str) -> str:
        if shape == "legacy":
            return "/callouts"
        if shape != "predefined":
            return f"/customers/{self._service.customer_id}/callouts"
        if self._service.predefined_location is None:
            raise ValueError("no predefined location is configured")
        return f"/predefinedLocations/externalRef/{quote(self._service.predefined_location, safe='')}/callouts"

    # --- one request ----------------------------------------------------------------------------------------------------

    async def _send(self, call: Call, deadline_s: float) -> Outcome:
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
            self._scoped_at.pop(call.asked, None)
            if outcome.meaning is not Meaning.RETRY:
                self._served.add(call.asked)
            return outcome
        if not urgent and time.monotonic() - self._scoped_at.get(call.asked, float("-inf")) < SCOPE_EVERY_S:
            return replace(outcome, cause="scope")
        return await self._renewed(call, token, outcome, progress, urgent=urgent)

    async def _renewed(self, call: Call, refused: Token, outcome: Outcome, progress: Progress, *, urgent: bool) -> Outcome:
        progress.renewing = True
        token = await self._credentials.newer(refused, urgent=urgent)
        progress.renewing = False
        if token is None:
            return outcome if self._credentials.trouble is None else self._tokenless(call, "it was refused", http_status=401)
        outcome = await self._once(call, token)
        if outcome.meaning is Meaning.UNAUTHORISED and call.asked in self._served:
            return replace(outcome, text=f"{outcome.text}, with a new token too, where it was taken before")
        if outcome.meaning is Meaning.UNAUTHORISED:
            self._scoped_at[call.asked] = time.monotonic()
            return replace(outcome, cause="scope", text=f"{outcome.text}, with a new token too")
        return outcome

    async def _once(self, call: Call, token: Token) -> Outcome:
        answer = await self._line.exchange(call.method, self._service.base_url.rstrip("/") + call.path, bearer=token.value, body=call.body)
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


def _position(fix: Fix) -> bytes | None:
    body = bodies.position_body(fix.latitude, fix.longitude, fix.accuracy_m)
    return None if body is None else bodies.encoded(body)


def _of(callout_id: CalloutId, *segments: str) -> str:
    return "/".join(("/callouts", quote(str(callout_id), safe=""), *segments))
