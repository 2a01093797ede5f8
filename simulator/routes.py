"""HTTP for the operations: who calls, the body, refusals as JSON with a `message`.

Decides nothing about callouts. What went wrong inside a handler is a defect and becomes a 500 by the server.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Match, Route, compile_path
from starlette.types import Scope

from simulator import bodies, strictness
from simulator.operations import BACKEND, OPERATIONS, Call, Door, Operation, Reply, Unauthorised, path_of
from simulator.settings import Settings
from simulator.simulation import PREFIX, Simulation
from simulator.state import Refusal, Refused
from simulator.tokens import Token
from simulator.wrong_answers import BODILESS

STATUS = {Refusal.BAD: 400, Refusal.UNKNOWN: 404, Refusal.NOT_ALLOWED: 403, Refusal.CONFLICT: 409}


def answer(document: Any, status: int = 200) -> Response:
    """JSON, ASCII only: a lone surrogate that came in must not break the answer. None, or a status that has none: no body."""
    if document is None or status in BODILESS:
        return Response(b"", status)
    return Response(json.dumps(document).encode("ascii"), status, media_type="application/json")


def stream(request: Request, frames: AsyncIterator[str]) -> Response:
    """Server-sent events. A HEAD gets the headers alone: a body that nobody hears would hold up what follows on its connection."""
    headers = {"Cache-Control": "no-store"}
    if request.method == "HEAD":
        return Response(b"", media_type="text/event-stream", headers=headers)
    return StreamingResponse(frames, media_type="text/event-stream", headers=headers)


def refuse(refused: Refused) -> Response:
    """A refusal as its status and message."""
    return answer({"message": refused.message}, STATUS[refused.why])


async def read_body(request: Request) -> bytes:
    """The raw body, bounded. Raises Refused BAD where it is too large or not announced as JSON."""
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > bodies.MAX_BYTES:
            bodies.bad("Body is too large")
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if raw and kind != "application/json":
        bodies.bad("Content-Type must be application/json")
    return bytes(raw)


def bearer(request: Request) -> str:
    """The bearer's text, empty without one."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def since(request: Request) -> int:
    """What `?since=N` asks for: 0 where there is none, and where it is no number of a length that anything can have."""
    text = request.query_params.get("since", "")
    return int(text) if text.isdecimal() and len(text) <= 15 else 0


def same(left: str, right: str) -> bool:
    """Compare keys in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def _authorise(sim: Simulation, operation: Operation, request: Request) -> Token | None:
    """The token of the call. Raises Unauthorised."""
    if operation.door is Door.OPEN:
        return None
    if operation.door is Door.KEY:
        if not same(bearer(request), sim.settings.device_key):
            raise Unauthorised("Unknown device key")
        return None
    if (token := sim.tokens.find(bearer(request), sim.now())) is None:
        raise Unauthorised("Missing, unknown or expired token")
    scoped = token.customer_id is not None
    if scoped and (operation.door is Door.SERVER or operation.name not in sim.settings.scope):
        raise Unauthorised("Token does not cover this operation")
    return token


def keep(sim: Simulation) -> Response | None:
    """End a step; what is to be answered instead where it could not be kept. It is kept with the next one then."""
    try:
        sim.publish()
    except sqlite3.Error as trouble:
        return answer({"message": f"The state file cannot be written ({trouble})"}, 500)
    return None


def _endpoint(sim: Simulation, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            told, whole_at = await _carry_out(sim, operation, request)
        finally:
            unkept = keep(sim)
        if operation.even_s:
            await asyncio.sleep(whole_at + operation.even_s - time.monotonic())
        return unkept or told

    return serve


async def _carry_out(sim: Simulation, operation: Operation, request: Request) -> tuple[Response, float]:
    """The answer, and when the request was whole, monotonic s."""
    whole_at = time.monotonic()
    try:
        token = _authorise(sim, operation, request)
        told = operation.method in ("POST", "PUT")
        raw = await read_body(request) if told else b""
        whole_at = time.monotonic()
        body = bodies.parse(raw, optional=operation.optional_body) if told else {}
        call = Call(sim, request.path_params, body, token, sim.now())
        if sim.settings.refuse_unknown:
            strictness.require_known(operation.name, body, new=call.new)
        return _say(operation.act(call)), whole_at
    except Refused as refused:
        return refuse(refused), whole_at
    except Unauthorised as refused:
        return answer({"message": str(refused)}, 401), whole_at
    except ClientDisconnect:  # before the request was whole: nobody hears this
        return answer({"message": "The request broke off"}, 400), whole_at


def _say(reply: Reply) -> Response:
    if reply.kind == "application/json":
        return answer(reply.body, reply.status)
    return Response(reply.body, reply.status, headers={"Content-Type": reply.kind})


class Following(Route):
    """A route of the Panic API that is where the settings of the moment say, or nowhere."""

    def __init__(self, sim: Simulation, operation: Operation) -> None:
        self._sim = sim
        self._operation = operation
        super().__init__(PREFIX + operation.path, _endpoint(sim, operation), methods=[operation.method], name=operation.name)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any route, at the path of the moment."""
        if (path := path_of(self._operation, self._sim.settings)) is None:
            return Match.NONE, {}
        if self.path != PREFIX + path:
            self.path = PREFIX + path
            self.path_regex, self.path_format, self.param_convertors = compile_path(self.path)
        if "{" in path and scope["path"] in literal_paths(self._sim.settings):
            return Match.NONE, {}
        return super().matches(scope)


@lru_cache(maxsize=8)
def literal_paths(settings: Settings) -> frozenset[str]:
    """Paths without a parameter: there nothing else is served, whatever pattern they fit."""
    paths = (path_of(each, settings) for each in OPERATIONS)
    return frozenset(PREFIX + path for path in paths if path is not None and "{" not in path)


def routes(sim: Simulation) -> list[Route]:
    """Every operation as a route."""
    backend = [Route(each.path, _endpoint(sim, each), methods=[each.method], name=each.name) for each in BACKEND]
    return [*(Following(sim, each) for each in OPERATIONS), *backend]


def name_of(table: list[Route], scope: Scope) -> str | None:
    """Which operation a request is for."""
    return next((route.name for route in table if route.matches(scope)[0] is Match.FULL), None)


async def misrouted(request: Request, error: Exception) -> Response:
    """404 and 405 in the service's own shape; a 405 says what is allowed, which several routes of the same path have between them."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return answer({"message": "No such route"}, 404)
    here = [each for each in request.app.routes if isinstance(each, Route) and each.matches(request.scope)[0] is not Match.NONE]
    told = answer({"message": "Method not allowed"}, status)
    told.headers["Allow"] = ", ".join(sorted({method for each in here if each.path == here[0].path for method in each.methods or ()}))
    return told
