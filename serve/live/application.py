"""The routes of the live chart's server."""

import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web
from prometheus_client import CONTENT_TYPE_LATEST

from contracts.settings import MovingAverageSettings
from serve.access import Access
from serve.live.broadcast import Broadcast
from serve.live.client import Shared
from serve.live.clock import Clock
from serve.live.conversation import CLOSE_SECONDS, Conversation
from serve.live.feed import Feed
from serve.live.history import History
from serve.live.messages import Hello, hello
from serve.live.metrics import Metrics
from serve.live.settings import LiveSettings
from serve.live.socket import WebSocket

PAGE = Path(__file__).parent / "page"
_NEVER_WAITS = 2**62
_TOKEN_NEEDED = "a token is needed: ?token=..., or Authorization: Bearer ..."
_HOST = re.compile(r"^[A-Za-z0-9.\-_\[\]:]+$")


class SymbolRow(msgspec.Struct, frozen=True):
    """One symbol of /api/symbols; `newest` is the newest event in ms, `sequence` that of its record."""

    symbol: str
    base: str
    quote: str
    points: int
    newest: int
    sequence: int


@dataclass(frozen=True)
class Parts:
    """What the routes work with."""

    settings: LiveSettings
    window: MovingAverageSettings
    feed: Feed
    broadcast: Broadcast
    metrics: Metrics
    clock: Clock
    chart_library: Path

    @classmethod
    def make(
        cls, settings: LiveSettings, window: MovingAverageSettings, feed: Feed, chart_library: Path, clock: Clock
    ) -> "Parts":
        """Make the parts of one server, which belong together."""
        length_ms = history_ms(settings)
        metrics = Metrics()
        history = History(
            length_ms=length_ms,
            max_points=length_ms // window.live_slide_ms + 1,
            max_symbols=settings.live_max_symbols,
        )
        broadcast = Broadcast(Shared(history, metrics, clock, settings.live_max_pending), settings)
        metrics.watch(clients=lambda: len(broadcast), kafka_readable=lambda: feed.problem is None)
        return cls(settings, window, feed, broadcast, metrics, clock, chart_library)


def history_ms(settings: LiveSettings) -> int:
    """Return how much is remembered, in ms."""
    return round(settings.live_history_seconds * 1000)


def application(parts: Parts) -> web.Application:
    """Build the routes. The page and /healthz are open to all, data to those who know the token."""
    routes = _Routes(parts)
    app = web.Application()
    app.router.add_get("/", routes.index)
    app.router.add_static("/page", PAGE)
    app.router.add_get("/vendor/lightweight-charts.js", routes.library)
    app.router.add_get("/healthz", routes.healthz)
    app.router.add_get("/api/symbols", routes.reader(routes.symbols))
    app.router.add_get("/metrics", routes.reader(routes.metrics))
    app.router.add_get("/ws", routes.live)
    app.on_response_prepare.append(_secure)
    app.on_shutdown.append(routes.close_all)
    return app


Route = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Routes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        settings = parts.settings
        self._access = Access(
            host=settings.live_host, token=settings.live_token.get_secret_value(), origins=settings.live_origins
        )
        self._open: set[web.WebSocketResponse] = set()

    async def index(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / "index.html")

    async def library(self, _: web.Request) -> web.StreamResponse:
        # A browser runs no module of another type, and the name of the file need not say this one.
        return web.FileResponse(self._parts.chart_library, headers={"Content-Type": "text/javascript; charset=utf-8"})

    async def healthz(self, _: web.Request) -> web.StreamResponse:
        problem = self._parts.feed.problem
        body = {"healthy": problem is None} if problem is None else {"healthy": False, "reason": problem}
        return web.json_response(body, status=200 if problem is None else 503)

    async def symbols(self, _: web.Request) -> web.StreamResponse:
        rows = [
            SymbolRow(newest.symbol, newest.base, newest.quote, points, newest.event, newest.sequence)
            for newest, points in self._parts.broadcast.history.symbols()
        ]
        return web.Response(body=msgspec.json.encode({"symbols": rows}), content_type="application/json")

    async def metrics(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=self._parts.metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def reader(self, route: Route) -> Route:
        """Let only those through who know the token."""

        async def checked(request: web.Request) -> web.StreamResponse:
            if not self._knows_token(request):
                return _refusal(401, _TOKEN_NEEDED)
            return await route(request)

        return checked

    async def live(self, request: web.Request) -> web.StreamResponse:
        """Open a WebSocket and talk until it ends."""
        refused = self._refused(request)
        if refused is not None:
            return refused
        settings = self._parts.settings
        response = web.WebSocketResponse(
            timeout=CLOSE_SECONDS,
            heartbeat=settings.live_ping_seconds,
            autoping=False,
            compress=False,
            max_msg_size=settings.live_max_message_bytes,
            writer_limit=_NEVER_WAITS,
            decode_text=False,
        )
        self._open.add(response)
        try:
            writer = await response.prepare(request)
            await self._talk(response, WebSocket(response, request, writer))
        except ConnectionError:
            pass  # it left while it came
        finally:
            self._open.discard(response)
        return response

    async def _talk(self, response: web.WebSocketResponse, socket: WebSocket) -> None:
        parts = self._parts
        client = parts.broadcast.join(socket)
        try:
            await client.write(
                hello(
                    Hello(
                        window_ms=parts.window.live_window_ms,
                        slide_ms=parts.window.live_slide_ms,
                        history_ms=history_ms(parts.settings),
                        heartbeat_ms=round(parts.settings.live_heartbeat_seconds * 1000),
                        time=int(parts.clock.wall_ms()),
                    )
                )
            )
            await Conversation(client, parts.broadcast, parts.metrics, parts.settings, parts.clock).run(response)
        finally:
            parts.broadcast.leave(client)

    async def close_all(self, _: web.Application) -> None:
        """Tell every client that the server goes away; none is waited for."""
        for response in list(self._open):
            if response.prepared and not response.closed:
                with contextlib.suppress(ConnectionError):  # it leaves as we do
                    await response.send_frame(WSCloseCode.GOING_AWAY.to_bytes(2, "big"), WSMsgType.CLOSE)

    def _refused(self, request: web.Request) -> web.Response | None:
        most = self._parts.settings.live_max_clients
        if not self._access.allows_origin(request.headers.get("Origin"), request.host):
            reason, answer = "origin", _refusal(403, "a page of this origin may not read: see COINLAKE_LIVE_ORIGINS")
        elif not self._knows_token(request):
            reason, answer = "token", _refusal(401, _TOKEN_NEEDED)
        elif len(self._open) >= most:
            reason, answer = "full", _refusal(503, f"{most} clients are connected, and no more may be")
        else:
            return None
        self._parts.metrics.refused(reason)
        return answer

    def _knows_token(self, request: web.Request) -> bool:
        return self._access.allows_reader(request.query, request.headers.get("Authorization"))


def _refusal(status: int, reason: str) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return web.json_response({"reason": reason}, status=status, headers=headers)


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    """Let the page load what is ours and nothing else, and let nobody frame it or learn its address with the token."""
    sockets = f" ws://{request.host} wss://{request.host}" if _HOST.match(request.host) else ""
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; connect-src 'self'{sockets}; img-src 'self' data:; object-src 'none'; base-uri 'none';"
        " frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-cache"
