"""/healthz and /metrics, on loopback unless told otherwise."""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from contracts.errors import StackError
from ingest.metrics import Metrics

HOST = "127.0.0.1"
_FRESH_INTERVALS = 3


def application(metrics: Metrics, poll_seconds: float) -> web.Application:
    """Build the two routes; a venue is healthy while its last success is at most 3 intervals old."""

    async def healthz(_: web.Request) -> web.Response:
        venues = {
            venue: {
                "healthy": seconds is not None and seconds <= _FRESH_INTERVALS * poll_seconds,
                "seconds_since_last_success": None if seconds is None else round(seconds, 3),
            }
            for venue, seconds in metrics.seconds_since_success().items()
        }
        healthy = all(state["healthy"] for state in venues.values())
        return web.json_response({"healthy": healthy, "venues": venues}, status=200 if healthy else 503)

    async def prometheus(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", prometheus)
    return app


@contextlib.asynccontextmanager
async def health_server(metrics: Metrics, poll_seconds: float, port: int, host: str = HOST) -> AsyncIterator[int]:
    """Serve while the block runs and give the port, chosen by the system where `port` is 0.

    Raises:
        StackError: the port is in use.
    """
    runner = web.AppRunner(application(metrics, poll_seconds), access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            raise StackError(f"port {port} of {host} is in use: choose another one with COINLAKE_HEALTH_PORT") from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
