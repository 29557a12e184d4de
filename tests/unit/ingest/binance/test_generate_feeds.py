"""The generator with a pushed feed, real sockets and a real Kafka client, over a restart."""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.records import AggTrade, Gap, Kline
from tests.unit.ingest.binance.test_feed import Venue, ids, minutes, newest_gaps, pushes, told
from tests.unit.ingest.binance.venue import kline_push, trade_push
from tests.unit.ingest.fakes import at
from tests.unit.ingest.test_generate import World, cluster, world  # noqa: F401

HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"


@contextlib.asynccontextmanager
async def serving(venue: Venue) -> AsyncIterator[dict[str, object]]:
    """Serve a venue, and give the settings that point to it."""

    async def rest(request: web.Request) -> web.StreamResponse:
        told_us = await venue.rest.get(f"x{request.path}", dict(request.query), {})
        assert told_us.date is not None
        return web.Response(
            text=told_us.body,
            status=told_us.status,
            content_type="application/json",
            headers={"Date": told_us.date.strftime(HTTP_DATE)},
        )

    app = web.Application()
    app.router.add_get("/api/v3/{path:.*}", rest)
    app.router.add_get("/{path:.*}", venue.answer)
    server = TestServer(app)
    await server.start_server()
    yield {
        "binance_url": f"http://127.0.0.1:{server.port}",
        "binance_stream_url": f"ws://127.0.0.1:{server.port}",
        "binance_symbols": ("BTCUSDT",),
        "poll_seconds": 1,
    }
    await server.close()


async def test_a_restart_in_the_middle_of_everything_loses_no_kline(world: World) -> None:  # noqa: F811
    first, second = Venue(pushes(*map(kline_push, (0, 1, 3)))), Venue(pushes(*map(kline_push, (8, 9))))
    first.rest.has_minutes(0, 1, 3, 4)
    second.rest.has_minutes(*range(11))
    async with serving(first) as pointed:
        assert await world.run("binance_klines", polls=1, **pointed) == 0
    async with serving(second) as pointed:
        assert await world.run("binance_klines", polls=4, **pointed) == 0
    assert sorted(minutes(await world.records(Kline))) == list(range(10))
    gaps = newest_gaps(await world.records(Gap))
    assert {told(gap)[2:] for gap in gaps} <= {(True, True)}
    assert max(gap.to_time for gap in gaps if gap.to_time) == at(480)


async def test_trades_go_on_where_the_run_before_ended(world: World) -> None:  # noqa: F811
    first = Venue(pushes(*map(trade_push, range(5, 9))))
    second = Venue(pushes(trade_push(20)))
    first.rest.has_trades(*range(5, 9))
    second.rest.has_trades(*range(1, 21))
    async with serving(first) as pointed:
        await world.run("binance_agg_trades", polls=1, **pointed)
    async with serving(second) as pointed:
        await world.run("binance_agg_trades", polls=4, **pointed)
    found = ids(await world.records(AggTrade))
    assert sorted(found) == list(range(5, 21))


async def test_once_fills_up_to_now_and_ends(world: World) -> None:  # noqa: F811
    venue = Venue(pushes())
    venue.rest.has_minutes(*range(4))
    async with serving(venue) as pointed:
        assert await world.run("binance_klines", polls=1, once=True, **pointed) == 0
        venue.rest.has_minutes(*range(8))
        assert await world.run("binance_klines", polls=1, once=True, **pointed) == 0
    assert minutes(await world.records(Kline)) == [2, 3, 4, 5, 6]
    assert venue.connections == []
