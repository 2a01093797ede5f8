"""GET /openapi.json: the document of what is served now, in the generation and with the paths of the moment.

Reads the simulation; changes nothing.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.openapi import document
from simulator.operations import OPERATIONS
from simulator.routes import answer
from simulator.simulation import PREFIX, Simulation


def routes(sim: Simulation) -> list[Route]:
    """One route."""

    async def serve(_: Request) -> Response:
        sites = {reference: site.id for reference, site in sim.state.sites.items()}
        return answer(document(sim.settings, sim.root_url + PREFIX, OPERATIONS, sites))

    return [Route("/openapi.json", serve)]
