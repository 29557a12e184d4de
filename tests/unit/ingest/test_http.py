"""The HTTP client against a real server on loopback."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.errors import FatalSourceError, TransientSourceError
from ingest.http import AiohttpClient, Answer
from tests.unit.ingest.fakes import NOON

Get = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[Answer]]
SECRET = "a-secret-key"


@pytest.fixture
async def get() -> AsyncIterator[Get]:
    servers: list[TestServer] = []
    async with aiohttp.ClientSession() as session:
        client = AiohttpClient(session, timeout_seconds=1, now=lambda: NOON)

        async def fetch(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Answer:
            app = web.Application()
            app.router.add_get("/v1", handler)
            server = TestServer(app)
            await server.start_server()
            servers.append(server)
            return await client.get(f"http://127.0.0.1:{server.port}/v1", {"a": "b"}, {"X-CMC_PRO_API_KEY": SECRET})

        yield fetch
    for server in servers:
        await server.close()


def responding(**response: object) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(**response)  # type: ignore[arg-type]

    return handler


async def test_an_answer_has_its_body_and_the_venues_clock(get: Get) -> None:
    found = await get(responding(text='{"a":1}', headers={"Date": "Tue, 19 Mar 2024 22:06:29 GMT"}))
    found.check()
    assert found.body == '{"a":1}'
    assert found.venue_time() == dt.datetime(2024, 3, 19, 22, 6, 29, tzinfo=dt.UTC)


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Mar 2024 22:06:29 GMT"])
async def test_a_date_that_cannot_be_read_is_an_error_and_never_our_own_clock(get: Get, date: str) -> None:
    found = await get(responding(text="{}", headers={"Date": date}))
    with pytest.raises(TransientSourceError, match="expected a Date header with an HTTP date") as caught:
        found.venue_time()
    assert caught.value.kind == "no_date"


@pytest.mark.parametrize(
    ("status", "header", "kind", "retry_after"),
    [
        (429, {"Retry-After": "17"}, "rate_limited", 17),
        (429, {}, "rate_limited", None),
        (429, {"Retry-After": "soon"}, "rate_limited", None),
        (
            429,
            {"Retry-After": "Tue, 19 Mar 2024 22:07:00 GMT", "Date": "Tue, 19 Mar 2024 22:06:29 GMT"},
            "rate_limited",
            31,
        ),
        (418, {"Retry-After": "120"}, "banned", 120),
        (500, {}, "http_5xx", None),
        (503, {"Retry-After": "5"}, "http_5xx", 5),
    ],
)
async def test_a_status_that_may_pass_is_transient(
    get: Get, status: int, header: dict[str, str], kind: str, retry_after: float | None
) -> None:
    found = await get(responding(status=status, text="<html>", headers=header))
    with pytest.raises(TransientSourceError, match=f"expected status 200, found {status}$") as caught:
        found.check()
    assert (caught.value.kind, caught.value.retry_after) == (kind, retry_after)


@pytest.mark.parametrize(("status", "header"), [(401, {}), (404, {}), (301, {"Location": "http://127.0.0.1:1/"})])
async def test_a_status_that_will_not_pass_is_fatal(get: Get, status: int, header: dict[str, str]) -> None:
    found = await get(responding(status=status, headers=header))
    with pytest.raises(FatalSourceError, match=f"expected status 200, found {status}$"):
        found.check()


@pytest.mark.parametrize("response", [{"text": "\n<!doctype html>"}, {"text": "{}", "content_type": "text/html"}])
async def test_html_is_named(get: Get, response: dict[str, object]) -> None:
    found = await get(responding(**response))
    with pytest.raises(TransientSourceError, match=r"^http://127.0.0.1:\d+: expected JSON, found HTML$"):
        found.check()


async def refused(get: Get, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> tuple[str, str]:
    with pytest.raises(TransientSourceError) as caught:
        await get(handler)
    assert SECRET not in str(caught.value)
    assert "/v1" not in str(caught.value)
    return caught.value.kind, str(caught.value).split(": ", 1)[1]


async def test_a_venue_that_is_slow_times_out(get: Get) -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(2)
        return web.Response()

    assert await refused(get, slow) == ("timeout", "expected an answer within 1 s, found none")


async def test_a_body_that_is_cut_is_named(get: Get) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"data": [')
        assert request.transport is not None
        request.transport.close()
        return response

    assert await refused(get, cut) == ("cut", "expected a whole answer, found a cut one")


async def test_bytes_that_are_not_utf_8_are_named(get: Get) -> None:
    assert await refused(get, responding(body=b"\xff\xfe")) == ("encoding", "expected UTF-8, found other bytes")


async def test_a_venue_that_is_down_is_named_without_its_path_or_key() -> None:
    async with aiohttp.ClientSession() as session:
        client = AiohttpClient(session, timeout_seconds=1, now=lambda: NOON)
        with pytest.raises(TransientSourceError) as caught:
            await client.get("http://user:pw@127.0.0.1:1/v1?key=x", {}, {"X-CMC_PRO_API_KEY": SECRET})
    assert str(caught.value) == ("http://127.0.0.1:1: expected an answer, found no connection (ClientConnectorError)")
    assert caught.value.kind == "connection"
