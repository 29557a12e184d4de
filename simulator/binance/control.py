"""Control endpoints of Binance's own: how far its limits were used, and breaks of its connections on request."""

import msgspec
from aiohttp import web

from simulator.binance.limits import Tally
from simulator.binance.streams import Streams


def limits_and_breaks(tally: Tally, streams: Streams) -> list[web.RouteDef]:
    """List the routes below `/_simulator`."""

    async def limits(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode({"binance": tally}), content_type="application/json")

    async def disconnect(_: web.Request) -> web.Response:
        streams.break_off()
        return web.Response(status=204)

    async def shutdown(_: web.Request) -> web.Response:
        streams.announce_shutdown()
        return web.Response(status=204)

    return [
        web.get("/_simulator/limits", limits),
        web.post("/_simulator/disconnect", disconnect),
        web.post("/_simulator/shutdown", shutdown),
    ]
