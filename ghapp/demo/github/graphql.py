"""The small part of GitHub's GraphQL API that checkrail and `gh` ask."""

from __future__ import annotations

from aiohttp import web

from .faults import Faults
from .limits import Meter
from .world import World


class Graphql:
    """Not yet."""

    def __init__(self, world: World, meter: Meter, faults: Faults) -> None:
        self.world, self.meter, self.faults = world, meter, faults

    async def endpoint(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"errors": [{"message": "not yet"}]})
