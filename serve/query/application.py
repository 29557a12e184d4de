"""The routes of the query API."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from serve.access import Access
from serve.query.errors import (
    FaultError,
    NoTokenError,
    QueryError,
    RefusedQueryError,
    UnknownQueryError,
    WrongHostError,
)
from serve.query.formats import CSV, wants_csv
from serve.query.listing import listing_of
from serve.query.metrics import NO_KEY, Metrics
from serve.query.openapi import openapi_of
from serve.query.parameters import read_values
from serve.query.queries import RESERVED, Named, StoreName
from serve.query.query_file import QueryFile
from serve.query.result import csv_of, json_of
from serve.query.settings import QuerySettings
from serve.query.store import Store

PAGE = Path(__file__).parent / "page"
LIVE_PAGE = Path(__file__).parent.parent / "live" / "page"
_SHARED = ("early_theme.js", "theme.js", "icon.svg")
"""What our page has of the live chart's."""

_LEFT = 499
"""What is counted for a client that left before it had its answer; the word of nginx, and never sent."""

Route = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Parts:
    """What the routes work with."""

    settings: QuerySettings
    file: QueryFile
    stores: Mapping[StoreName, Store]
    metrics: Metrics


def application(parts: Parts) -> web.Application:
    """Build the routes. The page and /healthz are open to all, data to those who know the token."""
    routes = _Routes(parts)
    app = web.Application(middlewares=[routes.refusing])
    app.router.add_get("/", routes.index, allow_head=False)
    app.router.add_get("/docs", routes.index, allow_head=False)
    app.router.add_static("/page", PAGE)
    for name in _SHARED:
        app.router.add_get(f"/shared/{name}", _file(LIVE_PAGE / name), allow_head=False)
    app.router.add_get("/healthz", routes.healthz, allow_head=False)
    app.router.add_get("/metrics", routes.reader(routes.metrics), allow_head=False)
    app.router.add_get("/openapi.json", routes.reader(routes.openapi), allow_head=False)
    app.router.add_get("/api/q", routes.reader(routes.listing), allow_head=False)
    app.router.add_get("/api/q/{key}", routes.reader(routes.ask), allow_head=False)
    app.on_response_prepare.append(_secure)
    return app


class _Routes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        settings = parts.settings
        self._token = settings.query_token.get_secret_value()
        self._access = Access(host=settings.query_host, token=self._token, origins=settings.query_origins)

    async def index(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE / "index.html")

    async def healthz(self, _: web.Request) -> web.StreamResponse:
        """Say that we run. A broken edit of the file of queries is told and is no reason to be started again."""
        queries, problem = self._parts.file.queries(), self._parts.file.problem
        told = {} if problem is None else {"refused": True}  # to all: what the file says is told to readers
        return web.json_response({"healthy": True, "queries": len(queries), **told})

    async def metrics(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=self._parts.metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, _: web.Request) -> web.StreamResponse:
        return _json(
            openapi_of(
                self._parts.file.queries().values(),
                most_characters=self._parts.settings.query_max_parameter_characters,
                with_token=bool(self._token),
            )
        )

    async def listing(self, _: web.Request) -> web.StreamResponse:
        queries, problem = self._parts.file.queries(), self._parts.file.problem
        return _json(listing_of(queries.values(), None if problem is None else str(problem)))

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Answer one question, and count it."""
        began, key = time.perf_counter(), request.match_info["key"]
        status = 500
        try:
            response = await self._answer(key, request, began)
            status = response.status
            return response
        except QueryError as error:
            status = error.status
            raise
        except asyncio.CancelledError:
            status = _LEFT
            raise
        finally:
            known = key if key in self._parts.file.queries() else NO_KEY
            self._parts.metrics.asked(known, status, time.perf_counter() - began)

    async def _answer(self, key: str, request: web.Request, began: float) -> web.Response:
        named = self._named(key)
        as_csv = wants_csv(request.query.getall("format", []), request.headers.get("Accept", "*/*"))
        given = [(name, text) for name, text in request.query.items() if name not in RESERVED]
        values = read_values(named.query.parameters, given, self._parts.settings.query_max_parameter_characters)
        result = await self._parts.stores[named.query.store].answer(named, values)
        self._parts.metrics.answered(key, len(result.rows), truncated=result.truncated)
        seconds = time.perf_counter() - began
        headers = {"X-Row-Count": str(len(result.rows)), "X-Truncated": str(result.truncated).lower(), "Vary": "Accept"}
        if as_csv:
            headers["Content-Disposition"] = f'attachment; filename="{key}.csv"'
            return web.Response(body=csv_of(result), content_type=CSV, charset="utf-8", headers=headers)
        return web.Response(body=json_of(key, result, seconds), content_type="application/json", headers=headers)

    def _named(self, key: str) -> Named:
        queries, problem = self._parts.file.queries(), self._parts.file.problem
        if problem is not None and problem.key == key and key not in queries:
            raise RefusedQueryError(
                f"query {key}: the file of queries is refused", expected="a query that can be run", found=str(problem)
            )
        if key not in queries:
            near = get_close_matches(key[:64], queries, 3, 0.4)
            raise UnknownQueryError(
                "unknown query",
                expected=f"a key such as {', '.join(near)}" if near else "a key that GET /api/q lists",
                found=repr(key[:64]),
            )
        return queries[key]

    def reader(self, route: Route) -> Route:
        """Let only those through who know the token, and who call us by a name of ours."""

        async def checked(request: web.Request) -> web.StreamResponse:
            if not self._access.allows_host(request.host):
                raise WrongHostError("this server has another name: see COINLAKE_QUERY_ORIGINS")
            if not self._access.allows_reader(request.query, request.headers.get("Authorization")):
                raise NoTokenError("a token is needed: ?token=..., or Authorization: Bearer ...")
            response = await route(request)
            if self._token:
                response.headers["Cache-Control"] = "no-store"
            return response

        return checked

    @web.middleware
    async def refusing(self, request: web.Request, handler: Route) -> web.StreamResponse:
        """Make every refusal a body of JSON, those of aiohttp and what nobody foresaw too."""
        try:
            return await handler(request)
        except QueryError as error:
            return _refusal(error)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            return _json({"error": error.reason, "kind": "http"}, status=error.status, headers=allow)
        except Exception as error:  # noqa: BLE001 -- the outermost: whoever asks is answered all the same
            structlog.get_logger().exception("query_fault", path=request.path, fault=type(error).__name__)
            return _refusal(FaultError("a fault of the server: its log says which"))


def _refusal(error: QueryError) -> web.Response:
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "2"}}
    return _json(error.problem, status=error.status, headers=headers.get(error.status))


def _file(path: Path) -> Route:
    async def served(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    return served


def _json(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    """Let the page load what is ours and nothing else, and let nobody frame it or learn its address with the token."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "no-cache")
