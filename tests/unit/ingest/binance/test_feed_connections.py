"""Connections of a feed: silence, pings, handovers, subscriptions, and pushes that came on the wrong one."""

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from contracts.errors import TransientSourceError
from contracts.records import Kline, Record, Rejected
from ingest.sources.binance.connection import Patience
from ingest.sources.binance.feed import build_agg_trades, build_klines
from tests.unit.ingest.binance.stage import (
    KLINES,
    Venue,
    follow,
    frame,
    ids,
    minutes,
    newest_gaps,
    pushes,
    running,
    settled,
)
from tests.unit.ingest.binance.venue import kline_push, trade_push


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
