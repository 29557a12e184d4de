"""Binance's WebSocket: what is pushed, what may be said, and how a connection lives and fails."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from simulator.binance.streams import StreamRules
from simulator.config import SimulatorConfig
from simulator.server import Listening, running

FAST = 3_600.0
Start = Callable[[SimulatorConfig], Awaitable[Listening]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start simulators whose clock moves: frames come with time."""
    async with AsyncExitStack() as stack:

        async def start_one(config: SimulatorConfig) -> Listening:
            return await stack.enter_async_context(running(config))

        yield start_one


def ws(server: Listening, path: str) -> str:
    return server.url("binance").replace("http", "ws", 1) + path


async def frames(session: aiohttp.ClientSession, url: str, count: int) -> list[Any]:
    async with session.ws_connect(url) as socket:
        return [json.loads((await socket.receive(timeout=20)).data) for _ in range(count)]


async def limits(session: aiohttp.ClientSession, server: Listening) -> Any:
    return (await (await session.get(f"{server.control}/limits")).json())["binance"]


async def test_klines_are_updated_then_closed_and_the_closed_ones_are_those_of_rest(start: Start) -> None:
    server = await start(SimulatorConfig(speed=FAST, streams=StreamRules(updates=2)))
    async with aiohttp.ClientSession() as session:
        pushed = await frames(session, ws(server, "/stream?streams=btcusdt@kline_1m"), 40)
        assert {frame["stream"] for frame in pushed} == {"btcusdt@kline_1m"}
        klines = [frame["data"]["k"] for frame in pushed]
        closed = [one for one in klines if one["x"]]
        query = {"symbol": "BTCUSDT", "interval": "1m", "startTime": closed[0]["t"], "limit": len(closed)}
        answer = await session.get(server.url("binance") + "/api/v3/klines", params=query)
        rows = {row[0]: row for row in await answer.json()}
    assert len(closed) >= 12
    assert [one["t"] for one in closed] == list(range(closed[0]["t"], closed[-1]["t"] + 1, 60_000))
    for one in closed:
        row = rows[one["t"]]
        assert [one[name] for name in "ohlcvqnVQ"] == [row[index] for index in (1, 2, 3, 4, 5, 7, 8, 9, 10)]
    times = [frame["data"]["E"] for frame in pushed]
    assert times == sorted(times)


async def test_raw_stream_has_no_wrapper_and_microseconds_are_given_where_asked_for(start: Start) -> None:
    server = await start(SimulatorConfig(speed=FAST))
    async with aiohttp.ClientSession() as session:
        trades = await frames(session, ws(server, "/ws/btcusdt@aggTrade?timeUnit=MICROSECOND"), 5)
    assert [trade["a"] for trade in trades] == list(range(trades[0]["a"], trades[0]["a"] + 5))
    assert all(trade["T"] > 10**15 for trade in trades)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ('{"method":"SUBSCRIBE","params":["nopeusdt@kline_1m"],"id":1}', {"result": None, "id": 1}),
        ('{"method":"LIST_SUBSCRIPTIONS","id":"three"}', {"result": ["btcusdt@trade"], "id": "three"}),
        ('{"method":"GET_PROPERTY","params":["combined"],"id":4}', {"result": False, "id": 4}),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":4}', {"code": 1, "id": 4}),
        ('{"method":"SET_PROPERTY","params":["colour",true],"id":5}', {"code": 0, "msg": "Unknown property", "id": 5}),
        ('{"method":"SUB","params":[],"id":6}', {"code": 2}),
        ("hello", {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}),
    ],
)
async def test_control_messages_are_answered_as_the_venue_does(
    start: Start, said: str, answer: dict[str, object]
) -> None:
    server = await start(SimulatorConfig())
    async with aiohttp.ClientSession() as session, session.ws_connect(ws(server, "/ws/btcusdt@trade")) as socket:
        await socket.send_str(said)
        found = json.loads((await socket.receive(timeout=5)).data)
    assert {name: found.get(name) for name in answer} == answer


async def test_more_than_five_messages_a_second_end_the_connection_and_are_counted(start: Start) -> None:
    server = await start(SimulatorConfig())
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(ws(server, "/ws")) as socket:
            for number in range(6):
                await socket.send_str(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
            kinds = [(await socket.receive(timeout=5)).type for _ in range(6)]
        found = await limits(session, server)
    assert kinds == [WSMsgType.TEXT] * 5 + [WSMsgType.CLOSE]
    assert (found["most_messages_per_second"], found["message_breaches"]) == (6, 1)


async def test_who_does_not_answer_a_ping_is_hung_up_on(start: Start) -> None:
    server = await start(SimulatorConfig(streams=StreamRules(ping_seconds=0.5, pong_seconds=2)))
    async with aiohttp.ClientSession() as session, session.ws_connect(ws(server, "/ws")) as answering:
        pongs = asyncio.create_task(answering.receive())
        silent = await session.ws_connect(ws(server, "/ws"), autoping=False)
        assert (await silent.receive(timeout=5)).type is WSMsgType.PING
        while (message := await silent.receive(timeout=5)).type is WSMsgType.PING:
            pass
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        done, _ = await asyncio.wait({pongs}, timeout=0.5)
        assert not done
        pongs.cancel()


async def test_pong_counts_only_with_the_payload_of_a_ping(start: Start) -> None:
    server = await start(SimulatorConfig(streams=StreamRules(ping_seconds=0.4, pong_seconds=1.5)))
    async with aiohttp.ClientSession() as session:
        socket = await session.ws_connect(ws(server, "/ws"), autoping=False)
        while (message := await socket.receive(timeout=5)).type is WSMsgType.PING:
            await socket.pong(b"unsolicited")
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        socket = await session.ws_connect(ws(server, "/ws"), autoping=False)
        for _ in range(5):
            message = await socket.receive(timeout=5)
            assert message.type is WSMsgType.PING
            await socket.pong(message.data)


async def test_client_that_reads_slowly_loses_nothing(start: Start) -> None:
    server = await start(SimulatorConfig(speed=100 * FAST, span_seconds=30 * 86_400, streams=StreamRules(updates=0)))
    async with aiohttp.ClientSession() as session:
        names = "/".join(f"{coin}usdt@kline_1m" for coin in ("btc", "eth"))
        async with session.ws_connect(ws(server, f"/stream?streams={names}"), max_msg_size=0) as socket:
            await asyncio.sleep(1)  # the venue's clock is days ahead by now
            began = time.monotonic()
            answer = await session.get(server.url("binance") + "/api/v3/ping")
            assert answer.status == 200
            assert time.monotonic() - began < 2
            found = [json.loads((await socket.receive(timeout=20)).data)["data"] for _ in range(6_000)]
    opens = [one["k"]["t"] for one in found if one["s"] == "BTCUSDT"]
    assert opens == list(range(opens[0], opens[0] + 3_000 * 60_000, 60_000))
    assert [one["E"] for one in found] == sorted(one["E"] for one in found)


async def test_connection_ends_after_its_life_and_a_shutdown_is_announced(start: Start) -> None:
    server = await start(SimulatorConfig(streams=StreamRules(life_seconds=0.3, notice_seconds=0.1)))
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(ws(server, "/ws")) as socket:
            assert (await socket.receive(timeout=5)).type is WSMsgType.CLOSE
        async with session.ws_connect(ws(server, "/stream?streams=btcusdt@trade")) as socket:
            await session.post(f"{server.control}/shutdown")
            notice = json.loads((await socket.receive(timeout=5)).data)
            assert (notice["stream"], notice["data"]["e"]) == ("!serverShutdown", "serverShutdown")
            assert (await socket.receive(timeout=5)).type is WSMsgType.CLOSE


async def test_chance_drops_doubles_and_reorders_by_its_seed_and_loses_nothing_else(start: Start) -> None:
    rules = StreamRules(seed=5, drop=0.1, double=0.1, reorder=0.1)
    server = await start(SimulatorConfig(speed=FAST, streams=rules))
    async with aiohttp.ClientSession() as session:
        found = [one["a"] for one in await frames(session, ws(server, "/ws/btcusdt@aggTrade"), 400)]
    whole = set(range(min(found), max(found) + 1))
    assert 10 < len(whole - set(found)) < 100
    assert 10 < len(found) - len(set(found)) < 100
    assert found != sorted(found)


async def test_silent_connection_is_acknowledged_and_says_nothing(start: Start) -> None:
    server = await start(SimulatorConfig(speed=FAST, streams=StreamRules(silent_connections=1)))
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(ws(server, "/ws/btcusdt@aggTrade")) as silent:
            with pytest.raises(TimeoutError):
                await silent.receive(timeout=0.5)
        assert len(await frames(session, ws(server, "/ws/btcusdt@aggTrade"), 3)) == 3
