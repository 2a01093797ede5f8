"""The control room page, the page behind a tracking link, and their files, served from the package.

Reads package data only; the policy sent along forbids a page any other host. The tracking page and its stream show what
`desk.track_view` lists and nothing else: neither may say, or show by when it speaks, what only dispatch knows.
"""

from __future__ import annotations

from importlib import resources
from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.desk import Json, track_view
from simulator.live import Listener, Topic
from simulator.records import Callout
from simulator.routes import stream
from simulator.simulation import Simulation

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = resources.files("simulator").joinpath("page")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def serve(request: Request) -> Response:
    """One file of the pages."""
    return _file(request.path_params.get("name", "index.html"))


def _file(name: str) -> Response:
    kind = KINDS.get(PurePath(name).suffix)
    if kind is None or name not in {each.name for each in FILES.iterdir()}:
        raise HTTPException(404)
    return Response(FILES.joinpath(name).read_bytes(), media_type=kind, headers=HEADERS)


class Follower:
    """One open tracking page: hears of its callout only where something that it shows has changed."""

    def __init__(self, sim: Simulation, callout: Callout) -> None:
        self._sim = sim
        self._callout = callout
        self._shown: Json = {}
        self._positions = 0

    def wants(self, topic: Topic) -> bool:
        """What this page is rung for."""
        return topic in (("callout", self._callout.id), ("reset", None))

    def view(self, topic: Topic, _: Listener) -> Json | None:
        """What the page is told; None where it shows nothing new."""
        now = {"now": self._sim.now()}
        if self._sim.state.callouts.get(self._callout.id) is not self._callout:
            return {**now, "gone": True}
        if topic[0] == "beat":
            return now
        if topic[0] == "hello":
            self._shown, self._positions = {}, 0
        news = self._news()
        return news and {**now, "callout": news}

    def _news(self) -> Json | None:
        view = track_view(self._sim.state, self._callout, self._positions)
        shown = {key: value for key, value in view.items() if not key.startswith("positions")}
        if shown == self._shown and not view["positions"]:
            return None
        self._shown, self._positions = shown, len(self._callout.positions)
        return view


def routes(sim: Simulation) -> list[Route]:
    """The page at /, its files under /page, tracking links under /track."""

    def find(request: Request) -> Callout:
        for callout in sim.state.callouts.values():
            if callout.track_key == request.path_params["key"]:
                return callout
        raise HTTPException(404)

    async def track(request: Request) -> Response:
        find(request)
        return _file("track.html")

    async def live(request: Request) -> Response:
        follower = Follower(sim, find(request))
        return stream(request, sim.hub.stream(sim.stopping, follower.view, follower.wants))

    pages = [Route("/", serve), Route("/page/{name}", serve)]
    return [*pages, Route("/track/{key}", track), Route("/track/{key}/live", live)]
