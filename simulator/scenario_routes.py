"""/sim/scenario, /sim/scenarios and /sim/transcript: start, watch and stop a scenario; read what was said.

HTTP only: `scenario_reading` reads, `player` plays, `transcript` keeps. A name is one of the shipped scenarios, never a path.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from simulator import scenario_reading
from simulator.player import Player
from simulator.routes import answer, read_body, refuse, since
from simulator.simulation import Simulation
from simulator.state import Refusal, Refused

NONE = "No scenario was started"


class Rehearsal:
    """The handlers. desk: the routes of the simulator's own API, through which scenarios act."""

    def __init__(self, sim: Simulation, desk: Sequence[Route]) -> None:
        self._sim = sim
        self._player = Player(sim, Router(desk))

    async def progress(self, _: Request) -> Response:
        """How far it is; 404 where none was started."""
        return answer(self._told())

    async def start(self, request: Request) -> Response:
        """`{"name": a shipped one}` or `{"toml": text}`."""
        try:
            sent = json.loads(await read_body(request) or b"null")
        except (ValueError, RecursionError) as error:
            return answer({"message": str(error)}, 400)
        kind, text = _asked(sent)
        try:
            scenario = scenario_reading.read(scenario_reading.shipped_text(text) if kind == "name" else text)
        except scenario_reading.ScenarioError as error:
            return answer({"message": str(error), "problems": error.problems}, 400)
        self._player.start(scenario)
        return answer(self._told(), 201)

    async def stop(self, _: Request) -> Response:
        """End it where it is."""
        self._told()
        await self._player.stop()
        return answer(self._told())

    async def shipped(self, _: Request) -> Response:
        """The scenarios that can be started by name."""
        read = [(name, scenario_reading.read(scenario_reading.shipped_text(name))) for name in scenario_reading.shipped()]
        return answer([{"name": name, "title": each.title, "description": each.description} for name, each in read])

    async def transcript(self, request: Request) -> Response:
        """The newest entries; ?since=N leaves out older ones."""
        transcript = self._sim.transcript
        return answer({"trouble": transcript.trouble, "entries": transcript.tell(since(request))})

    def _told(self) -> Any:
        if self._player.progress is None:
            raise Refused(Refusal.UNKNOWN, NONE)
        return self._player.progress.tell(time.monotonic())


def routes(sim: Simulation, desk: Sequence[Route], foreign: Callable[[Request], bool]) -> list[Route]:
    """These routes. foreign: whether a page of another origin is behind a request that changes something."""
    room = Rehearsal(sim, desk)

    def guarded(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            if foreign(request):
                return answer({"message": "Not from another origin"}, 403)
            try:
                return await handler(request)
            except Refused as refused:
                return refuse(refused)

        return serve

    return [
        Route("/sim/scenario", guarded(room.progress), methods=["GET"]),
        Route("/sim/scenario", guarded(room.start), methods=["POST"]),
        Route("/sim/scenario", guarded(room.stop), methods=["DELETE"]),
        Route("/sim/scenarios", guarded(room.shipped), methods=["GET"]),
        Route("/sim/transcript", guarded(room.transcript), methods=["GET"]),
    ]


def _asked(sent: Any) -> tuple[str, str]:
    """Raises Refused BAD."""
    if isinstance(sent, dict) and len(sent) == 1:
        ((kind, text),) = sent.items()
        if kind in ("name", "toml") and isinstance(text, str):
            return kind, text
    raise Refused(Refusal.BAD, 'Send {"name": NAME} of a shipped scenario, or {"toml": TEXT}')
