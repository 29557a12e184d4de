"""A venue that pushes by script and knows the truth over REST, a feed in front of it, and what is read of the feed."""

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.errors import TransientSourceError
from contracts.records import AggTrade, Gap, Kline, Record
from contracts.settings import IngestSettings
from ingest.clock import Clock
from ingest.source import Surroundings
from ingest.sources.binance.feed import Feed, Pace
from ingest.sources.binance.parse import Listing
from ingest.web_socket import connector
from ingest.weight import WeightBudget
from tests.unit.ingest.binance.venue import FakeBinance
from tests.unit.ingest.fakes import NOON, FakeTime

KLINES = "btcusdt@kline_1m"
TRADES = "btcusdt@aggTrade"
LISTED = Listing("BTCUSDT", "BTC", "USDT")
Script = Callable[[web.WebSocketResponse, web.Request], Awaitable[None]]


class Venue:
    """WebSocket scripts, one for each connection in turn, beside REST that knows the truth."""

    def __init__(self, *scripts: Script) -> None:
        self.time = FakeTime()
        self.time.seconds = 100_000
        self.rest = FakeBinance(self.time)
        self.scripts = list(scripts)
        self.connections: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.connections.append(request.path_qs)
        script = self.scripts[min(len(self.connections), len(self.scripts)) - 1]
        with contextlib.suppress(ConnectionError):
            await script(socket, request)
        return socket


def frame(data: dict[str, Any]) -> str:
    kind = f"kline_{data['k']['i']}" if data["e"] == "kline" else "aggTrade"
    return json.dumps({"stream": f"{data['s'].lower()}@{kind}", "data": data})


def pushes(*frames: dict[str, Any], then: str = "wait", pause: float = 0) -> Script:
    """Push frames, then wait for the client to leave, or `close` or `abort`."""

    async def script(socket: web.WebSocketResponse, request: web.Request) -> None:
        for data in frames:
            await socket.send_str(frame(data))
            if pause:
                await asyncio.sleep(pause)
        if then == "close":
            await socket.close(code=1001)
        elif then == "abort":
            assert request.transport is not None
            request.transport.abort()
        else:
            await socket.receive()

    return script


@contextlib.asynccontextmanager
async def running(
    venue: Venue, build: Callable[[IngestSettings, Surroundings], Any], **changed: Any
) -> AsyncIterator[Feed]:
    app = web.Application()
    app.router.add_get("/{path:.*}", venue.answer)
    server = TestServer(app)
    await server.start_server()
    chosen = {"binance_symbols": ("BTCUSDT",), "binance_silence_seconds": 5, **changed}
    patience, clock = chosen.pop("patience", None), chosen.pop("clock", Clock())
    ingest = IngestSettings(_env_file=None, binance_stream_url=f"ws://127.0.0.1:{server.port}", **chosen)
    async with aiohttp.ClientSession() as session:
        around = Surroundings(
            http=venue.rest,
            now=venue.time.now,
            max_ahead=dt.timedelta(days=365),
            count_stale=lambda *_: None,
            clock=clock,
            connect=connector(session, timeout_seconds=2),
            weight=WeightBudget(3000, clock.monotonic),
            attempts=WeightBudget(55, clock.monotonic),
            x_requests=WeightBudget(450, clock.monotonic),
        )
        feed = build(ingest, around)
        feed._pace = Pace(reorder_seconds=0.03, tick_seconds=0.01)
        if patience:
            feed._patience = patience
        try:
            yield feed
        finally:
            await server.close()


async def follow(feed: Feed, done: Callable[[list[Record]], bool], *, seconds: float = 8) -> list[Record]:
    """Follow as the runner does, over lost connections, until enough has come."""
    found: list[Record] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(TransientSourceError):
                    async with contextlib.aclosing(feed.records()) as records:
                        async for record in records:
                            found.append(record)
                            if done(found):
                                return found
                await asyncio.sleep(0.01)
    pytest.fail(f"expected more within {seconds} s, found {len(found)}, at last {found[-3:]}")


def minutes(records: Iterable[Record]) -> list[int]:
    return [
        int((record.open_time - NOON).total_seconds() // 60)
        for record in records
        if isinstance(record, Kline) and record.closed
    ]


def ids(records: Iterable[Record]) -> list[int]:
    return [record.agg_trade_id for record in records if isinstance(record, AggTrade)]


def newest_gaps(records: Iterable[Record]) -> list[Gap]:
    """Return each Gap as it stands in the end."""
    gaps = {(gap.symbol, gap.from_time): gap for gap in records if isinstance(gap, Gap)}
    return [gaps[key] for key in sorted(gaps)]


def told(gap: Gap) -> tuple[float, float, bool, bool]:
    assert gap.to_time is not None
    since, to = ((moment - NOON).total_seconds() / 60 for moment in (gap.from_time, gap.to_time))
    return since, to, gap.recoverable, gap.repaired_at is not None


def on_record(found: Iterable[Record]) -> dict[int, Gap]:
    """Return the minutes that Gaps tell of."""
    return {minute: gap for gap in newest_gaps(found) for minute in range(*map(int, told(gap)[:2]))}


def settled(count: int, gaps: int = 0) -> Callable[[list[Record]], bool]:
    """Say whether so many klines and Gaps have come and every Gap is repaired or lost."""
    return lambda found: (
        len(minutes(found)) >= count
        and len(newest_gaps(found)) >= gaps
        and all(gap.repaired_at or not gap.recoverable for gap in newest_gaps(found))
    )
