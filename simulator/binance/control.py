"""Control endpoints of Binance's own: how far its limits were used, and breaks of its connections on request."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from simulator.binance.streams import Streams


def limits_and_breaks(streams: Sequence[Streams]) -> list[web.RouteDef]:
    """List the routes below `/_simulator`; a break is one of all venues, or of the `venue` that the query names."""

    def asked(http: web.Request) -> list[Streams]:
        named = http.query.get("venue")
        return [one for one in streams if named in (None, one.venue)]

    async def limits(_: web.Request) -> web.Response:
        tallies = {one.venue: one.tally for one in streams}
        return web.Response(body=msgspec.json.encode(tallies), content_type="application/json")

    async def disconnect(http: web.Request) -> web.Response:
        for one in asked(http):
            one.break_off()
        return web.Response(status=204)

    async def shutdown(http: web.Request) -> web.Response:
        for one in asked(http):
            one.announce_shutdown()
        return web.Response(status=204)

    return [
        web.get("/_simulator/limits", limits),
        web.post("/_simulator/disconnect", disconnect),
        web.post("/_simulator/shutdown", shutdown),
    ]
