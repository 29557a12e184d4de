"""The feed of liquidations: silence of the route, lost connections, hand-overs and restarts, each hole on record."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.errors import SettingsError, TransientSourceError
from contracts.records import Gap, Liquidation, Record, Rejected, replace
from contracts.settings import IngestSettings
from ingest.clock import Clock
from ingest.source import Surroundings
from ingest.sources.binance.connection import Patience
from ingest.sources.binance.liquidations import HEARTBEAT, ORDERS, LiquidationFeed
from ingest.sources.binance.parse import Receipt
from ingest.sources.binance.parse_liquidation import parse_liquidation_push
from ingest.web_socket import connector
from ingest.weight import WeightBudget
from ingest.wire_json import load
from tests.unit.ingest.binance.stage import Script, Venue
from tests.unit.ingest.binance.test_parse_liquidation import force_order
from tests.unit.ingest.binance.venue import ms
from tests.unit.ingest.fakes import NOON, FakeHttp, at


def order(seconds: float, **fields: Any) -> str:
    return json.dumps({"stream": ORDERS, "data": force_order(seconds, **fields)})


def beat(seconds: float) -> str:
    price = {"s": "BTCUSDT", "p": "64000.10", "i": "64000.1", "P": "64000.1", "r": "0.0001", "T": ms(at(28_800))}
    return json.dumps({"stream": HEARTBEAT, "data": {"e": "markPriceUpdate", "E": ms(at(seconds)), **price}})


def pushes(*texts: str, then: str = "wait") -> Script:
    """Push texts, then wait for the client to leave, or close, or abort."""

    async def script(socket: web.WebSocketResponse, request: web.Request) -> None:
        for text in texts:
            await socket.send_str(text)
        if then == "abort":
            assert request.transport is not None
            request.transport.abort()
        elif then == "close":
            await socket.close(code=1001)
        else:
            await socket.receive()

    return script


@contextlib.asynccontextmanager
async def listening(venue: Venue, *, silence: float = 15, clock: Clock | None = None) -> AsyncIterator[LiquidationFeed]:
    app = web.Application()
    app.router.add_get("/{path:.*}", venue.answer)
    server = TestServer(app)
    await server.start_server()
    settings = IngestSettings(
        _env_file=None,
        binance_futures_stream_url=f"ws://127.0.0.1:{server.port}",
        binance_futures_silence_seconds=silence,
    )
    clock = clock or Clock()
    async with aiohttp.ClientSession() as session:
        around = Surroundings(
            http=FakeHttp(),
            now=venue.time.now,
            max_ahead=dt.timedelta(seconds=60),
            count_stale=lambda *_: None,
            clock=clock,
            connect=connector(session, timeout_seconds=2),
            weight=WeightBudget(3000, clock.monotonic),
            attempts=WeightBudget(55, clock.monotonic),
            x_requests=WeightBudget(450, clock.monotonic),
        )
        try:
            yield LiquidationFeed(settings, around)
        finally:
            await server.close()


async def taken(records: AsyncGenerator[Record | None, None], count: int) -> list[Record | None]:
    """Return the first so many of what a feed yields."""
    found: list[Record | None] = []
    async with contextlib.aclosing(records), asyncio.timeout(5):
        async for record in records:
            found.append(record)
            if len(found) == count:
                break
    return found


async def until_lost(feed: LiquidationFeed) -> tuple[list[Record | None], TransientSourceError]:
    """Return what a feed yields until it fails, and why it does."""
    found: list[Record | None] = []
    with pytest.raises(TransientSourceError) as caught:
        async with contextlib.aclosing(feed.records()) as records, asyncio.timeout(5):
            async for record in records:
                found.append(record)
    return found, caught.value


def told(record: Record | None) -> tuple[float, float | None, str]:
    assert isinstance(record, Gap)
    assert (record.symbol, record.stream, record.recoverable) == ("*", "alt_liquidations", False)
    to = None if record.to_time is None else (record.to_time - NOON).total_seconds()
    return (record.from_time - NOON).total_seconds(), to, record.cause


def moments(found: list[Record | None]) -> list[float]:
    return [(r.event_time - NOON).total_seconds() for r in found if isinstance(r, Liquidation)]


def kept(seconds: float, *, received: float = 600, **fields: Any) -> Liquidation:
    """Return an order as an earlier run has left it in the topic."""
    found = parse_liquidation_push(load(json.dumps(force_order(seconds, **fields))), Receipt(at(received)))
    assert isinstance(found, Liquidation)
    return found


def gap(seconds: float, cause: str) -> Gap:
    times = {"event_time": at(seconds), "ingest_time": at(seconds), "from_time": at(seconds)}
    names = {"venue": "binance_futures", "symbol": "*", "stream": "alt_liquidations", "cause": cause}
    return Gap(**times, **names, recoverable=False)  # type: ignore[arg-type]


async def test_orders_and_mark_prices_are_asked_for_on_the_market_route() -> None:
    venue = Venue(pushes(order(1), beat(3)))
    async with listening(venue) as feed:
        found = await taken(feed.records(), 2)
    assert venue.connections == ["/market/stream?streams=!forceOrder@arr/btcusdt@markPrice"]
    assert (moments(found), found[1]) == ([1.0], None)


async def test_a_route_that_acknowledges_and_pushes_nothing_is_named_and_left_after_the_silence() -> None:
    venue = Venue(pushes())
    async with listening(venue, clock=Clock(monotonic=venue.time.monotonic)) as feed:
        following = asyncio.create_task(until_lost(feed))
        await asyncio.sleep(0.6)
        assert (len(venue.connections), following.done()) == (1, False)
        venue.time.seconds += 15.1
        found, error = await following
    assert found == []
    assert error.kind == "silent_stream"
    assert str(error).endswith(
        "/market/stream: expected a mark price every 3 s, found nothing pushed for 15 s"
        " (the old routes /ws and /stream acknowledge and push nothing)"
    )


async def test_waiting_for_a_connection_is_no_silence_of_the_route() -> None:
    venue = Venue(pushes(beat(3)))
    async with listening(venue, clock=Clock(monotonic=venue.time.monotonic)) as feed:
        connect = feed.around.connect

        async def late(url: str) -> aiohttp.ClientWebSocketResponse:
            for _ in range(3):
                venue.time.seconds += 10
                await asyncio.sleep(0.3)
            return await connect(url)

        feed.around = dataclasses.replace(feed.around, connect=late)
        assert await taken(feed.records(), 1) == [None]


async def test_a_market_without_liquidations_is_no_silence() -> None:
    async def quiet(socket: web.WebSocketResponse, request: web.Request) -> None:
        for number in range(5):
            await socket.send_str(beat(3 * number))
            venue.time.seconds += 3
            await asyncio.sleep(0.4)
        await socket.receive()

    venue = Venue(quiet)
    async with listening(venue, silence=5, clock=Clock(monotonic=venue.time.monotonic)) as feed:
        assert await taken(feed.records(), 5) == [None] * 5
        assert feed.newest == at(10)
    assert len(venue.connections) == 1


async def test_a_lost_connection_is_a_gap_that_holds_all_that_may_be_missing_before_the_first_frame_after() -> None:
    venue = Venue(pushes(order(1), beat(30), then="abort"), pushes(beat(60), order(59.5), order(61)))
    async with listening(venue) as feed:
        before, error = await until_lost(feed)
        assert (moments(before), error.kind, feed.whole, feed.newest) == ([1.0], "closed", False, at(28))
        after = await taken(feed.records(), 4)
    assert told(after[0]) == (28.0, 62.0, str(error))
    assert moments(after) == [59.5, 61.0]
    assert feed.whole


async def test_a_hole_that_outlives_several_tries_is_one_gap_with_its_first_cause() -> None:
    venue = Venue(pushes(beat(30), then="abort"), pushes(then="close"), pushes(order(90)))
    async with listening(venue) as feed:
        _, first = await until_lost(feed)
        _, second = await until_lost(feed)
        assert str(first) != str(second)
        after = await taken(feed.records(), 2)
    assert told(after[0]) == (28.0, 92.0, str(first))
    assert moments(after) == [90.0]


async def test_the_first_start_of_all_leaves_no_gap_and_one_that_fails_begins_at_our_clock() -> None:
    venue = Venue(pushes(beat(30)))
    async with listening(venue) as feed:
        feed.resume([], [])
        assert await taken(feed.records(), 1) == [None]
    venue = Venue(pushes(then="abort"), pushes(beat(100_030)))
    async with listening(venue) as feed:
        await until_lost(feed)
        [found, _] = await taken(feed.records(), 2)
        assert told(found)[:2] == (100_000.0, 100_032.0)


async def test_after_the_first_frame_the_clock_is_that_of_the_venue() -> None:
    venue = Venue(pushes(then="abort"), pushes(beat(50)))
    async with listening(venue) as feed:
        await until_lost(feed)
        [found, _] = await taken(feed.records(), 2)
        assert (told(found)[:2], feed.newest) == ((100_000.0, 100_000.0), at(48))


async def test_an_order_says_that_all_has_come_which_was_traded_two_seconds_before_it() -> None:
    async with listening(Venue(pushes(order(30), order(29), then="abort"), pushes(beat(40)))) as feed:
        await until_lost(feed)
        [found, _] = await taken(feed.records(), 2)
    assert told(found)[:2] == (28.0, 42.0)


async def test_an_order_that_ends_a_gap_may_be_older_than_one_that_was_pushed_before_it_and_lost() -> None:
    async with listening(Venue(pushes(beat(30), then="abort"), pushes(order(40)))) as feed:
        await until_lost(feed)
        [found, _] = await taken(feed.records(), 2)
    # Order 40 is pushed as late as 41.012, and one traded at 41.007 as early as 41.012.
    assert told(found)[:2] == (28.0, 42.0)


async def test_orders_that_overtake_each_other_are_all_taken_and_repeats_are_not() -> None:
    swapped = [order(5, symbol="ETHUSDT"), order(3), order(5, symbol="ETHUSDT"), order(3), order(3, S="BUY")]
    async with listening(Venue(pushes(*swapped, beat(9)))) as feed:
        found = await taken(feed.records(), 4)
    assert [(r.symbol, r.side) for r in found if isinstance(r, Liquidation)] == [
        ("ETHUSDT", "long"),
        ("BTCUSDT", "long"),
        ("BTCUSDT", "short"),
    ]


async def test_an_order_told_anew_with_other_numbers_is_no_repeat() -> None:
    async with listening(Venue(pushes(order(3), order(3, z="0.014")))) as feed:
        found = await taken(feed.records(), 2)
    assert [str(r.filled_quantity) for r in found if isinstance(r, Liquidation)] == ["0.010", "0.014"]


async def test_a_hand_over_doubles_nothing_and_is_no_gap() -> None:
    async def old(socket: web.WebSocketResponse, request: web.Request) -> None:
        for number in range(10):
            await socket.send_str(order(number))
        await socket.send_str(json.dumps({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}))
        await socket.receive()

    venue = Venue(old, pushes(*(order(number) for number in range(5, 15)), beat(20)))
    async with listening(venue) as feed:
        feed._patience = Patience(5, linger_seconds=0.05)
        found = await taken(feed.records(), 16)
    assert moments(found) == [float(number) for number in range(15)]
    assert [record for record in found if isinstance(record, Gap)] == []


async def test_a_connection_that_dies_before_its_successor_is_open_is_a_gap() -> None:
    died = asyncio.Event()

    async def old(socket: web.WebSocketResponse, request: web.Request) -> None:
        await socket.send_str(beat(30))
        await socket.send_str(json.dumps({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}))
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.abort()
        died.set()

    venue = Venue(old, pushes(beat(60)))
    async with listening(venue) as feed:
        connect = feed.around.connect

        async def slow(url: str) -> aiohttp.ClientWebSocketResponse:
            if venue.connections:
                await died.wait()
                await asyncio.sleep(0.05)
            return await connect(url)

        feed.around = dataclasses.replace(feed.around, connect=slow)
        before, error = await until_lost(feed)
        after = await taken(feed.records(), 2)
    assert (before, error.kind) == ([None], "closed")
    assert told(after[0]) == (28.0, 62.0, str(error))
    assert [isinstance(record, Gap) for record in after] == [True, False]


async def test_bad_payloads_are_rejected_and_end_nothing() -> None:
    other = json.dumps({"stream": "btcusdt@aggTrade", "data": {"e": "aggTrade"}})
    venue = Venue(pushes("[1]", other, order(1, q="none"), '{"stream": "btcusdt@markPrice", "data": {}}', order(2)))
    async with listening(venue) as feed:
        found = await taken(feed.records(), 5)
    assert [record.reason for record in found if isinstance(record, Rejected)] == [
        "expected a stream that was asked for, found a message that is no push",
        "expected a stream that was asked for, found btcusdt@aggTrade",
        'quantity: expected a number, found "none"',
        "E: expected a whole number of at least 0, found nothing",
    ]
    assert moments(found) == [2.0]


async def test_a_restart_is_a_gap_since_all_that_was_surely_acknowledged_and_doubles_nothing() -> None:
    left = [
        kept(10, received=11),
        kept(40, received=42),
        kept(38, received=39.5),
        kept(9, received=60, symbol="ETHUSDT"),
    ]
    venue = Venue(pushes(beat(80), order(9, symbol="ETHUSDT"), order(90)))
    async with listening(venue) as feed:
        feed.resume(left, [])
        assert (feed.newest, feed.whole) == (at(7), False)
        found = await taken(feed.records(), 3)
    assert told(found[0]) == (7.0, 82.0, "generator was not running")
    assert (found[1], moments(found)) == (None, [90.0])


async def test_an_order_that_a_kill_loses_may_be_older_than_one_that_was_acknowledged() -> None:
    async with listening(Venue(pushes(beat(90)))) as feed:
        # Traded at 59.995 and pushed 5 ms later: of 58.990 is what comes 2 ms after it, and is lost.
        feed.resume([kept(59.995, received=60)], [])
        [found] = await taken(feed.records(), 1)
    assert told(found)[0] < 58.990


async def test_only_the_last_ten_seconds_before_the_end_may_have_been_half_acknowledged() -> None:
    async with listening(Venue(pushes(beat(90)))) as feed:
        feed.resume([kept(10, received=11), kept(38, received=39.5), kept(40, received=42)], [])
        found = await taken(feed.records(), 1)
    assert told(found[0]) == (36.0, 92.0, "generator was not running")


async def test_a_restart_without_any_record_left_is_a_gap_since_the_newest_one_on_record() -> None:
    ended = [replace(gap(12, "lost"), to_time=at(40)), replace(gap(50, "lost"), to_time=at(70)), gap(80, "of a coin")]
    async with listening(Venue(pushes(beat(90)))) as feed:
        feed.resume([], [ended[1], ended[0], replace(ended[2], symbol="BTCUSDT", to_time=at(85))])
        assert (feed.newest, feed.whole) == (at(70), False)
        found = await taken(feed.records(), 1)
    assert told(found[0]) == (70.0, 92.0, "generator was not running")


async def test_what_is_known_again_is_what_was_received_last_whatever_partition_it_is_in() -> None:
    last = kept(40, received=60)
    others = [kept(10, received=11, symbol=f"S{number}USDT") for number in range(10_000)]
    async with listening(Venue(pushes(order(40), beat(90)))) as feed:
        feed.resume([last, *others], [])
        found = await taken(feed.records(), 2)
    assert (moments(found), found[1]) == ([], None)


async def test_a_gap_that_an_earlier_run_left_open_is_closed_under_its_own_key() -> None:
    async with listening(Venue(pushes(beat(90)))) as feed:
        feed.resume([kept(10, received=11)], [gap(12, "venue: expected pushes, found a closed connection")])
        found = await taken(feed.records(), 1)
        cause = "venue: expected pushes, found a closed connection; then generator was not running"
        assert told(found[0]) == (12.0, 92.0, cause)
        feed.resume([], [replace(gap(12, cause))])
        assert told((await taken(feed.records(), 1))[0]) == (12.0, 92.0, cause)


async def test_catching_up_fetches_nothing_and_puts_what_is_missing_on_record() -> None:
    venue = Venue(pushes())
    async with listening(venue) as feed:
        assert [record async for record in feed.catch_up()] == []
        assert feed.whole
        feed.resume([kept(10)], [])
        [found] = [record async for record in feed.catch_up()]
        assert told(found) == (8.0, None, "generator was not running")
        assert not feed.whole
    assert venue.connections == []


@pytest.mark.parametrize("route", ["/ws", "/stream", "/market", "/market/stream", "/ws/", "/public"])
def test_an_address_with_a_route_is_refused_and_the_error_says_why(route: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINLAKE_BINANCE_FUTURES_STREAM_URL", f"wss://fstream.binance.com{route}")
    with pytest.raises(
        SettingsError, match=r"COINLAKE_BINANCE_FUTURES_STREAM_URL: expected .* without a route"
    ) as told:
        IngestSettings.load()
    assert "on the old routes, /ws and /stream, no liquidation is ever pushed" in str(told.value)


@pytest.mark.parametrize("host", ["wss://stream", "ws://market:9000", "ws://127.0.0.1:80/binance_futures"])
def test_an_address_that_only_looks_like_a_route_is_taken(host: str) -> None:
    settings = IngestSettings(_env_file=None, binance_futures_stream_url=host)
    assert settings.binance_futures_stream_url == host
