"""The control room page and its files, served from the package; and the redirect behind a tracking url.

Reads package data only; the policy sent along forbids the page any other host.
"""

from __future__ import annotations

from importlib import resources

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from simulator.simulation import Simulation

KINDS = {
    "index.html": "text/html",
    "style.css": "text/css",
    "app.js": "text/javascript",
    "map.js": "text/javascript",
    "panels.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def serve(request: Request) -> Response:
    """One file of the page."""
    name = request.path_params.get("name", "index.html")
    if name not in KINDS:
        raise HTTPException(404)
    content = resources.files("simulator").joinpath("page", name).read_bytes()
    return Response(content, media_type=KINDS[name], headers=HEADERS)


def routes(sim: Simulation) -> list[Route]:
    """The page at /, its files under /page, tracking urls under /track."""

    async def track(request: Request) -> Response:
        for callout in sim.state.callouts.values():
            if callout.track_key == request.path_params["key"]:
                return RedirectResponse(f"/#{callout.id}")
        raise HTTPException(404)

    return [Route("/", serve), Route("/page/{name}", serve), Route("/track/{key}", track)]
