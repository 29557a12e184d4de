"""The whole feed against a venue that speaks its protocol: what is emitted equals the truth, each hole is on record."""

import asyncio
import contextlib
import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import AggTrade, Gap, Kline, Record, Rejected
from contracts.settings import IngestSettings
from ingest.clock import Clock
from ingest.source import Surroundings
from ingest.sources.binance.connection import Patience
from ingest.sources.binance.feed import Feed, Pace, build_agg_trades, build_klines
from ingest.sources.binance.parse import Listing, Receipt, parse_agg_trade_row, parse_kline_row
from ingest.sources.binance.refill import PAGES_WAITING
from ingest.web_socket import connector
from ingest.weight import WeightBudget
from ingest.wire_json import load
from tests.unit.ingest.binance.venue import FakeBinance, kline_push, kline_row, ms, trade, trade_push
from tests.unit.ingest.fakes import NOON, FakeTime, answer, at

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


async def test_a_kline_that_was_not_pushed_is_filled_over_rest_and_on_record() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(1), kline_push(4)))
    venue.rest.has_minutes(*range(6))
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(5))
    assert sorted(minutes(found)) == [0, 1, 2, 3, 4]
    gaps = [gap for gap in found if isinstance(gap, Gap)]
    assert [told(gap) for gap in gaps] == [(2, 4, True, False), (2, 4, True, True)]
    assert {(gap.venue, gap.symbol, gap.stream, gap.cause, gap.missed) for gap in gaps} == {
        ("binance", "BTCUSDT", "crypto_kline_data", "a push did not arrive", 2)
    }
    refilled = next(r for r in found if isinstance(r, Kline) and r.open_time == at(120))
    assert (refilled.event_time, refilled.closed) == (at(180) - dt.timedelta(milliseconds=1), True)


async def test_a_late_frame_closes_its_hole_before_rest_is_asked() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(2), kline_push(1), kline_push(3)))
    async with running(venue, build_klines) as feed:
        feed._pace = Pace(reorder_seconds=1, tick_seconds=0.01)
        found = await follow(feed, settled(4))
    assert minutes(found) == [0, 2, 1, 3]
    assert newest_gaps(found) == []
    assert [path for path, _ in venue.rest.requests] == ["exchangeInfo"]


async def test_an_answer_that_is_behind_its_date_gives_no_half_made_kline() -> None:
    half_made = kline_row(ms(at(120)), price="1.20")
    venue = Venue(pushes(kline_push(0), kline_push(4)))
    venue.rest.has_minutes(*range(6))
    venue.rest.instead["klines"] = [answer([kline_row(ms(at(60))), half_made], date=at(100_000))]
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(5))
    assert sorted(minutes(found)) == [0, 1, 2, 3, 4]
    assert {str(record.close) for record in found if isinstance(record, Kline)} == {"1.50"}
    assert [told(gap) for gap in newest_gaps(found)] == [(1, 4, True, True)]
    asked = [params["startTime"] for path, params in venue.rest.requests if path == "klines"]
    assert asked == [str(ms(at(60))), str(ms(at(120)))]


async def test_a_hole_is_asked_for_again_when_rest_is_back_after_a_long_outage() -> None:
    hurried = Clock(monotonic=lambda: time.monotonic() * 200, sleep=lambda seconds: asyncio.sleep(seconds / 200))
    venue = Venue(pushes(kline_push(0), kline_push(3)))
    venue.rest.has_minutes(*range(5))
    down = answer({}, status=503)
    venue.rest.instead["klines"] = [down] * 8
    async with running(venue, build_klines, clock=hurried, patience=Patience(10_000)) as feed:
        found = await follow(feed, settled(4))
    assert sorted(minutes(found)) == [0, 1, 2, 3]
    states = [(told(gap), "expected status 200, found 503" in gap.cause) for gap in found if isinstance(gap, Gap)]
    assert states == [
        ((1, 3, True, False), False),
        ((1, 3, True, False), True),
        ((1, 3, True, False), False),
        ((1, 3, True, True), False),
    ]


async def test_a_halt_is_on_record_with_its_exact_times_and_no_kline_is_invented() -> None:
    venue = Venue(pushes(kline_push(39), kline_push(120, closed=False, after=2)))
    venue.rest.has_minutes(39, 120, 121)
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(1, gaps=1))
        assert feed.whole
    [gap] = newest_gaps(found)
    assert told(gap) == (40, 120, False, False)
    assert gap.cause == "the venue has nothing for this time (a halt): there is nothing to refill"
    assert minutes(found) == [39]


async def test_a_hole_that_is_partly_a_halt_is_told_in_parts() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(9)))
    venue.rest.has_minutes(0, 1, 2, 7, 8, 9, 10)
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(6, gaps=3))
    assert sorted(minutes(found)) == [0, 1, 2, 7, 8, 9]
    assert [told(gap) for gap in newest_gaps(found)] == [(1, 3, True, True), (3, 7, False, False), (7, 9, True, True)]


async def test_what_is_older_than_the_limit_is_left_to_backfill_and_the_rest_is_filled() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(180)))
    venue.rest.has_minutes(*range(182))
    async with running(venue, build_klines, binance_refill_hours=1) as feed:
        found = await follow(
            feed, lambda found: len(minutes(found)) >= 61 and newest_gaps(found)[-1].repaired_at is not None
        )
    old, young = newest_gaps(found)
    assert told(old)[2:] == (True, False)
    assert old.cause.endswith('fill it with "coinlake backfill"')
    assert told(young)[2:] == (True, True)
    assert (old.from_time, young.to_time) == (at(60), at(180 * 60))
    assert old.to_time == young.from_time == at(121 * 60)
    assert sorted(minutes(found)) == [0, *range(121, 181)]


async def test_a_lost_connection_is_filled_up_and_names_its_cause() -> None:
    venue = Venue(
        pushes(kline_push(0), kline_push(1, closed=False, after=4), then="abort"),
        pushes(kline_push(3, closed=False, after=2), kline_push(3)),
    )
    venue.rest.has_minutes(*range(5))
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(4))
    assert sorted(minutes(found)) == [0, 1, 2, 3]
    [gap] = newest_gaps(found)
    assert told(gap) == (1, 3, True, True)
    assert "expected pushes, found a closed connection" in gap.cause


async def test_a_restart_takes_up_from_the_topic_and_finds_the_hole_within_it() -> None:
    first = Venue(pushes(kline_push(0), kline_push(1), kline_push(2), kline_push(4)))
    async with running(first, build_klines) as feed:
        before = [r for r in await follow(feed, lambda found: len(minutes(found)) == 4) if isinstance(r, Kline)]
    second = Venue(pushes(kline_push(7)))
    second.rest.has_minutes(*range(9))
    async with running(second, build_klines) as feed:
        feed.resume([kline for kline in before if kline.open_time != at(60)], [])
        assert feed.newest == at(300)
        found = await follow(feed, settled(5))
    assert sorted(minutes(found)) == [1, 3, 5, 6, 7]
    assert [(told(gap), gap.cause) for gap in newest_gaps(found)] == [
        ((1, 2, True, True), "generator was not running"),
        ((3, 4, True, True), "generator was not running"),
        ((5, 7, True, True), "generator was not running"),
    ]


def left_open(since: float, to: float, **fields: Any) -> Gap:
    """Build the Gap of a hole that an earlier run left on record, in seconds after noon."""
    said = {"venue": "binance", "symbol": "BTCUSDT", "stream": "crypto_kline_data", "cause": "as it was found"}
    times = {"event_time": at(since), "ingest_time": NOON, "from_time": at(since), "to_time": at(to)}
    return Gap(**{**said, **times, "recoverable": True, **fields})


def closed(*numbers: int) -> list[Record]:
    known = Receipt(at(100_000), dt.timedelta(days=1))
    rows = (load(json.dumps(kline_row(ms(at(60 * number))))) for number in numbers)
    klines: list[Record] = [parse_kline_row(row, LISTED, "1m", known) for row in rows]
    assert not any(isinstance(kline, Rejected) for kline in klines)
    return klines


async def test_a_restart_takes_up_holes_on_record_that_lie_before_the_end_of_the_topic() -> None:
    venue = Venue(pushes(kline_push(12)))
    venue.rest.has_minutes(*range(14))
    async with running(venue, build_klines) as feed:
        feed.resume(closed(10, 11), [left_open(120, 300), left_open(480, 540, repaired_at=NOON)])
        found = await follow(feed, settled(4))
    assert sorted(minutes(found)) == [2, 3, 4, 12]
    assert [(told(gap), gap.cause) for gap in newest_gaps(found)] == [((2, 5, True, True), "as it was found")]


async def test_a_restart_without_any_record_of_a_symbol_goes_on_from_its_hole_on_record() -> None:
    venue = Venue(pushes(kline_push(6)))
    venue.rest.has_minutes(*range(8))
    async with running(venue, build_klines) as feed:
        feed._pace = Pace(reorder_seconds=0.2, tick_seconds=0.01)
        feed.resume([], [left_open(120, 240)])
        found = await follow(feed, settled(5))
    assert sorted(minutes(found)) == [2, 3, 4, 5, 6]


async def test_a_restart_leaves_a_halt_on_record_as_it_is() -> None:
    venue = Venue(pushes(kline_push(10)))
    venue.rest.has_minutes(0, 9, 10, 11)
    async with running(venue, build_klines) as feed:
        feed._pace = Pace(reorder_seconds=0.2, tick_seconds=0.01)
        feed.resume(closed(0, 9), [left_open(60, 540, recoverable=False)])
        found = await follow(feed, settled(1))
        assert feed.whole
    assert (minutes(found), newest_gaps(found)) == ([10], [])


async def test_a_restart_takes_up_a_hole_in_trades_between_the_trades_that_its_gap_names() -> None:
    venue = Venue(pushes(trade_push(31)))
    venue.rest.has_trades(*range(1, 32))
    known = Receipt(at(100_000), dt.timedelta(days=1))
    before = [parse_agg_trade_row(load(json.dumps(trade(number))), LISTED, known) for number in (29, 30)]
    gap = left_open(1.2, 1.7, stream="binance_agg_trades")
    async with running(venue, build_agg_trades) as feed:
        feed.resume(before, [gap])
        found = await follow(
            feed,
            lambda found: len(ids(found)) >= 7 and all(gap.repaired_at for gap in newest_gaps(found)),
        )
    assert sorted(ids(found)) == [12, 13, 14, 15, 16, 17, 31]
    assert [(gap.from_time, gap.repaired_at is not None) for gap in newest_gaps(found)] == [(at(1.2), True)]


async def test_catching_up_passes_rows_on_as_they_come() -> None:
    venue = Venue(pushes())
    venue.rest.has_trades(*range(1, 20_001))
    known = Receipt(at(100_000), dt.timedelta(days=1))
    first = parse_agg_trade_row(load(json.dumps(trade(1))), LISTED, known)
    async with running(venue, build_agg_trades) as feed:
        feed.resume([first], [])
        async with contextlib.aclosing(feed.catch_up()) as records:
            async for record in records:
                if isinstance(record, AggTrade):
                    break
        assert sum(path == "aggTrades" for path, _ in venue.rest.requests) <= PAGES_WAITING + 3


async def test_a_push_of_another_symbol_or_interval_is_rejected_and_confuses_nothing() -> None:
    other = json.dumps({"stream": KLINES, "data": kline_push(40, symbol="ETHUSDT")})

    async def mixed_up(socket: web.WebSocketResponse, request: web.Request) -> None:
        for text in (frame(kline_push(0)), other, frame(kline_push(1))):
            await socket.send_str(text)
        await socket.send_bytes(b"123")
        await socket.receive()

    async with running(Venue(mixed_up), build_klines, binance_symbols=("BTCUSDT", "ETHUSDT")) as feed:
        found = await follow(feed, lambda found: len([r for r in found if isinstance(r, Rejected)]) == 2)
    assert (minutes(found), newest_gaps(found)) == ([0, 1], [])
    assert [r.reason for r in found if isinstance(r, Rejected)] == [
        "expected a push of btcusdt@kline_1m, found one of another",
        "expected a stream that was asked for, found a message that is no push",
    ]


async def test_trades_are_filled_by_id_and_a_hole_stands_between_the_trades_around_it() -> None:
    venue = Venue(pushes(*[trade_push(number) for number in (10, 11, 15, 13, 11, 16)]))
    venue.rest.has_trades(*range(1, 17))
    async with running(venue, build_agg_trades) as feed:
        found = await follow(
            feed, lambda found: len(ids(found)) >= 7 and all(gap.repaired_at for gap in newest_gaps(found))
        )
    assert sorted(ids(found)) == list(range(10, 17))
    assert [(gap.from_time, gap.to_time, gap.missed) for gap in newest_gaps(found)] == [
        (at(1.1), at(1.3), 1),
        (at(1.3), at(1.5), 1),
    ]


async def test_a_quiet_stream_is_asked_about_and_not_thought_dead() -> None:
    venue = Venue(pushes(trade_push(10), *[trade_push(n, symbol="ETHUSDT") for n in range(40)], pause=0.02))
    venue.rest.has_trades(10)
    patience = Patience(silence_seconds=0.2)
    async with running(venue, build_agg_trades, binance_symbols=("BTCUSDT", "ETHUSDT"), patience=patience) as feed:
        found = await follow(feed, lambda found: len(ids(found)) >= 41)
    assert len(venue.connections) == 1
    assert sum(path == "aggTrades" and asked["symbol"] == "BTCUSDT" for path, asked in venue.rest.requests) >= 3
    assert newest_gaps(found) == []


async def test_a_stream_that_is_dead_while_others_live_is_found_and_refilled() -> None:
    async def half_dead(socket: web.WebSocketResponse, request: web.Request) -> None:
        await socket.send_str(frame(kline_push(0)))
        for number in range(200):
            await socket.send_str(frame(kline_push(0, symbol="ETHUSDT", closed=False, after=number * 0.1)))
            await asyncio.sleep(0.02)

    venue = Venue(half_dead, pushes(kline_push(5, closed=False, after=2), kline_push(0, symbol="ETHUSDT")))
    venue.rest.has_minutes(*range(6))
    async with running(
        venue, build_klines, binance_symbols=("BTCUSDT", "ETHUSDT"), patience=Patience(silence_seconds=0.3)
    ) as feed:
        found = await follow(feed, settled(6, gaps=1))
    bitcoin = [r for r in found if isinstance(r, Kline) and r.symbol == "BTCUSDT"]
    assert sorted(minutes(bitcoin)) == [0, 1, 2, 3, 4]
    assert len(venue.connections) >= 2
    assert newest_gaps(found)[0].cause.startswith("the stream went silent")


async def test_a_connection_that_says_nothing_is_made_again() -> None:
    venue = Venue(pushes(), pushes(kline_push(0)))
    async with running(venue, build_klines, patience=Patience(5, ping_seconds=0.2)) as feed:
        found = await follow(feed, settled(1))
    assert minutes(found) == [0]
    assert len(venue.connections) == 2


async def test_a_quiet_venue_whose_pings_come_is_asked_about_and_not_left() -> None:
    pongs: list[bytes] = []

    async def halted(socket: web.WebSocketResponse, request: web.Request) -> None:
        await socket.send_str(frame(kline_push(0)))
        for number in range(12):
            await socket.ping(f"beat {number}".encode())
            message = await socket.receive()
            assert message.type is aiohttp.WSMsgType.PONG
            pongs.append(bytes(message.data))
            await asyncio.sleep(0.1)
        await socket.send_str(frame(kline_push(1)))
        await socket.receive()

    venue = Venue(halted)
    venue.rest.has_minutes(0)
    async with running(venue, build_klines, patience=Patience(0.3, ping_seconds=0.6)) as feed:
        found = await follow(feed, settled(2))
    assert (minutes(found), newest_gaps(found), len(venue.connections)) == ([0, 1], [], 1)
    assert pongs == [f"beat {number}".encode() for number in range(12)]
    assert sum(path == "klines" for path, _ in venue.rest.requests) >= 2


@pytest.mark.parametrize("why", ["age", "serverShutdown", "raw serverShutdown"])
async def test_a_connection_hands_over_to_the_next_and_loses_and_doubles_nothing(why: str) -> None:
    done = asyncio.Event()

    async def old(socket: web.WebSocketResponse, request: web.Request) -> None:
        if why == "serverShutdown":
            told = {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}
            await socket.send_str(json.dumps(told))
        elif why.startswith("raw"):
            await socket.send_str(json.dumps({"e": "serverShutdown", "E": 1}))
        for minute in range(60):
            await socket.send_str(frame(kline_push(minute)))
            await asyncio.sleep(0.01)
            if len(venue.connections) > 1:
                break
        for later in range(minute + 1, minute + 11):
            await socket.send_str(frame(kline_push(later)))
        venue.reached = minute  # type: ignore[attr-defined]
        done.set()
        await socket.receive()

    async def new(socket: web.WebSocketResponse, request: web.Request) -> None:
        await done.wait()
        for minute in range(venue.reached + 5, venue.reached + 31):  # type: ignore[attr-defined]
            await socket.send_str(frame(kline_push(minute)))
        await socket.receive()

    venue = Venue(old, new)
    life = 0.2 if why == "age" else 60
    async with running(venue, build_klines, patience=Patience(5, life_seconds=life, linger_seconds=0.1)) as feed:
        found: list[Record] = []
        async with contextlib.aclosing(feed.records()) as records, asyncio.timeout(8):
            async for record in records:
                found.append(record)
                if done.is_set() and minutes([record]) == [venue.reached + 30]:  # type: ignore[attr-defined]
                    break
    assert sorted(minutes(found)) == list(range(venue.reached + 31))  # type: ignore[attr-defined]
    assert len(minutes(found)) == len(set(minutes(found)))
    assert newest_gaps(found) == []
    assert len(venue.connections) == 2


async def test_many_streams_are_subscribed_in_messages_whose_answers_are_awaited() -> None:
    asked: list[dict[str, Any]] = []

    async def script(socket: web.WebSocketResponse, request: web.Request) -> None:
        while (
            not {"btcusdt@kline_1m"} <= {stream for message in asked for stream in message["params"]} or len(asked) < 3
        ):
            message = json.loads((await socket.receive()).data)
            asked.append(message)
            await asyncio.sleep(0.05)
            await socket.send_str(json.dumps({"result": None, "id": message["id"]}))
        await socket.send_str(frame(kline_push(0)))
        await socket.receive()

    venue = Venue(script)
    symbols = ("BTCUSDT", *(f"COIN{number}USDT" for number in range(259)))
    venue.rest.symbols.update({symbol: (symbol[:-4], "USDT") for symbol in symbols})
    venue.rest.all_symbols = symbols
    async with running(venue, build_klines, binance_symbols=symbols) as feed:
        found = await follow(feed, settled(1))
    assert venue.connections == ["/stream"]
    assert [len(message["params"]) for message in asked] == [100, 100, 60]
    assert len({message["id"] for message in asked}) == 3
    assert minutes(found) == [0]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param('{"code": 2, "msg": "Invalid request"}', id="an error without id"),
        pytest.param('{"error": {"code": 2, "msg": "Invalid request"}, "id": 1}', id="an error"),
        pytest.param("", id="nothing"),
    ],
)
async def test_a_subscription_that_is_not_acknowledged_fails_the_connection(answer: str) -> None:
    async def script(socket: web.WebSocketResponse, request: web.Request) -> None:
        await socket.receive()
        if answer:
            await socket.send_str(answer)
        await socket.receive()

    venue = Venue(script)
    symbols = tuple(f"COIN{number}USDT" for number in range(260))
    venue.rest.symbols.update({symbol: (symbol[:-4], "USDT") for symbol in symbols})
    venue.rest.all_symbols = symbols
    patience = Patience(5, ack_seconds=0.2)
    async with running(venue, build_klines, binance_symbols=symbols, patience=patience) as feed:
        with pytest.raises(TransientSourceError, match="answer to SUBSCRIBE") as caught:
            async for _ in feed.records():
                pass
    assert caught.value.kind == "subscribe"


async def test_an_update_that_is_older_than_another_or_than_the_closed_kline_is_not_emitted() -> None:
    def update(after: float) -> dict[str, Any]:
        return kline_push(0, closed=False, after=after)

    frames = [update(2), update(6), update(4), update(6), kline_push(0), update(8), kline_push(0), kline_push(1)]
    venue = Venue(pushes(*frames))
    async with running(venue, build_klines) as feed:
        found = [r for r in await follow(feed, settled(2)) if isinstance(r, Kline)]
    assert [(kline.event_time, kline.closed) for kline in found] == [
        (at(2), False),
        (at(6), False),
        (at(60), True),
        (at(120), True),
    ]


async def test_a_frame_that_is_no_record_is_rejected_and_its_kline_filled() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(1, o="NaN"), kline_push(2)))
    venue.rest.has_minutes(0, 1, 2)
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(3))
    assert [r.reason for r in found if isinstance(r, Rejected)] == ["open: expected a finite number, found NaN"]
    assert sorted(minutes(found)) == [0, 1, 2]


async def test_a_symbol_that_is_not_listed_ends_the_feed_and_names_the_setting() -> None:
    async with running(Venue(pushes()), build_klines, binance_symbols=("NOSUCH",)) as feed:
        with pytest.raises(FatalSourceError, match=r"code -1121\): check COINLAKE_BINANCE_SYMBOLS"):
            async for _ in feed.records():
                pass


async def test_catching_up_fills_what_was_missed_and_starts_with_the_newest_where_nothing_is_known() -> None:
    venue = Venue(pushes())
    venue.rest.has_minutes(*range(11))
    async with running(venue, build_klines) as feed:
        fresh = [record async for record in feed.catch_up()]
    assert (minutes(fresh), newest_gaps(fresh)) == ([9], [])
    venue.rest.has_minutes(*range(16))
    async with running(venue, build_klines) as feed:
        feed.resume(fresh, [])
        later = [record async for record in feed.catch_up()]
    assert minutes(later) == [10, 11, 12, 13, 14]
    assert [told(gap) for gap in newest_gaps(later)] == [(10, 15, True, True)]
    assert venue.connections == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_is_dropped_doubled_or_reordered_the_closed_klines_equal_the_truth(data: st.DataObject) -> None:
    truth = data.draw(st.sets(st.integers(1, 28)), label="minutes the venue has") | {0, 29, 30}
    kept = [m for m in sorted(truth) if m in {0, 30} or data.draw(st.booleans())]
    shuffled = [0, *data.draw(st.permutations([*kept[1:-1], *kept[1:-1:3]])), 30]
    cut = data.draw(st.integers(1, len(shuffled)), label="the connection is lost before")
    first = pushes(*map(kline_push, shuffled[:cut]), then="abort")
    venue = Venue(first, pushes(*map(kline_push, shuffled[cut:] or [30])))
    venue.rest.has_minutes(*truth)

    def accounted_for(found: list[Record]) -> bool:
        known = {minute for minute in minutes(found) if minute in shuffled} | set(on_record(found))
        return settled(len(truth))(found) and known == set(range(31))

    async def emitted() -> Sequence[Record]:
        async with running(venue, build_klines) as feed:
            return await follow(feed, accounted_for)

    found = asyncio.run(emitted())
    assert sorted(minutes(found)) == sorted(truth)
    for minute, gap in on_record(found).items():
        assert gap.recoverable == (minute in truth)
        assert (gap.repaired_at is not None) == (minute in truth)


@pytest.mark.parametrize(
    ("last", "standing"), [(8, [(0, 8, True)]), (4, [(0, 4, True), (4, 4, False)])], ids=["whole", "in part"]
)
async def test_a_refill_that_is_broken_off_leaves_on_record_how_far_it_came(
    last: int, standing: list[tuple[int, int, bool]]
) -> None:
    venue = Venue(pushes(trade_push(0), trade_push(9)))
    venue.rest.has_trades(*range(10))
    async with running(venue, build_agg_trades) as feed:
        records = feed.records()
        async for record in records:
            if isinstance(record, AggTrade) and record.agg_trade_id == last:
                break
        await records.aclose()
        gaps = list(feed.settle())
        assert list(feed.settle()) == []
    time_of = {number: trade_push(number)["T"] for number in range(10)}
    assert [(gap.from_time, gap.missed, gap.repaired_at is not None) for gap in gaps] == [
        (dt.datetime.fromtimestamp(time_of[before] / 1000, dt.UTC), missed, filled)
        for before, missed, filled in standing
    ]
