"""The source that docs/sources.md writes out is one: its text is run against a scripted venue."""

import asyncio
import contextlib
import dataclasses
import json
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.errors import TransientSourceError
from contracts.records import Gap, Liquidation, Record, Rejected
from contracts.settings import IngestSettings
from ingest.source import PushedSource
from ingest.web_socket import connector
from tests.unit.ingest.fakes import FakeHttp, FakeTime, at, surroundings

PAGE = Path(__file__).parents[3] / "docs" / "sources.md"
NOON_MS = 1_710_849_600_000


def written() -> SimpleNamespace:
    """Return the module that stands in the page."""
    (text,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "def build" in block)
    names: dict[str, Any] = {"__name__": "acme"}
    exec(compile(text, str(PAGE), "exec"), names)
    return SimpleNamespace(**names, names=names)


def told(**fields: Any) -> str:
    liquidated = {
        "contract": "BTC_USDT",
        "position": "LONG",
        "size": "0.5",
        "limit": "64000.1",
        "at": NOON_MS,
        **fields,
    }
    return json.dumps({"liquidated": liquidated})


@contextlib.asynccontextmanager
async def acme(*connections: list[str]) -> AsyncIterator[tuple[SimpleNamespace, PushedSource]]:
    """Serve connections that push their messages, then ping, then break off, and build the feed in front of them."""
    left = list(connections)

    async def answer(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for text in left.pop(0):
            await socket.send_str(text)
        await socket.ping(b"beat")
        await asyncio.sleep(0.05)
        await socket.close()
        return socket

    module, app, time = written(), web.Application(), FakeTime()
    app.router.add_get("/liquidations", answer)
    time.seconds = 5
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        module.names["URL"] = f"ws://127.0.0.1:{server.port}/liquidations"
        around = dataclasses.replace(surroundings(FakeHttp(), time), connect=connector(session, timeout_seconds=2))
        yield module, module.build(IngestSettings(_env_file=None), around)


async def until_lost(source: PushedSource) -> list[Record | None]:
    found: list[Record | None] = []
    with pytest.raises(TransientSourceError, match="acme: expected pushes, found a closed connection"):
        async for record in source.records():
            found.append(record)
    return found


async def test_the_written_source_takes_liquidations_once_and_puts_holes_on_record() -> None:
    async with acme([told(), told(), told(position="SHORT"), "{}"], [told(at=NOON_MS + 4_000)]) as (_, source):
        one, other, rejected, beat = await until_lost(source)
        gap, later, _ = await until_lost(source)
    assert isinstance(one, Liquidation)
    assert (one.venue, one.symbol, one.base, one.quote, one.side) == ("acme", "BTC_USDT", "BTC", "USDT", "long")
    assert (one.event_time, one.quantity, one.notional) == (at(0), Decimal("0.5"), Decimal("32000.05"))
    assert isinstance(other, Liquidation)
    assert other.side == "short"
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "liquidated: expected an object, found nothing"
    assert beat is None
    assert isinstance(gap, Gap)
    assert (gap.venue, gap.from_time, gap.to_time, gap.recoverable) == ("acme", at(-2), at(6), False)
    assert isinstance(later, Liquidation)


async def test_the_written_source_notices_silence() -> None:
    async def silent(url: str) -> Any:
        return SimpleNamespace(receive=asyncio.Event().wait, close=_nothing)

    async with acme([]) as (module, source):
        module.names["SILENCE_SECONDS"] = 0.05
        source.around = dataclasses.replace(source.around, connect=silent)  # type: ignore[attr-defined]
        with pytest.raises(
            TransientSourceError, match=r"expected a ping every 10 s, found nothing for 0\.05 s"
        ) as caught:
            await anext(source.records())
    assert caught.value.kind == "silent_stream"


async def _nothing() -> None:
    return None
