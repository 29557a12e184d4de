"""Faults of Binance's streams, asked for one by one: each strikes the frames of its time and no others."""

import datetime as dt
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from simulator.binance.streams import StreamRules
from simulator.config import SimulatorConfig
from simulator.faults import Fault, FaultKind
from simulator.server import Listening, running

SPEED = 3_600.0
TRADES = "/ws/btcusdt@aggTrade"
Start = Callable[..., Awaitable[Listening]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start simulators on which some faults lie."""
    async with AsyncExitStack() as stack:

        async def start_one(*faults: Fault, **rules: Any) -> Listening:
            config = SimulatorConfig(speed=SPEED, faults=faults, streams=StreamRules(**rules))
            return await stack.enter_async_context(running(config))

        yield start_one


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def fault(kind: FaultKind, **fields: Any) -> Fault:
    return Fault(venue="binance", kind=kind, **fields)


def ws(server: Listening, path: str) -> str:
    return server.url("binance").replace("http", "ws", 1) + path


async def received(socket: aiohttp.ClientWebSocketResponse) -> Any:
    return json.loads((await socket.receive(timeout=20)).data)


async def trades(session: aiohttp.ClientSession, server: Listening, count: int) -> list[dict[str, Any]]:
    async with session.ws_connect(ws(server, TRADES)) as socket:
        return [await received(socket) for _ in range(count)]


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [trade["a"] for trade in found]


async def test_as_many_frames_are_dropped_as_asked_for_from_their_time_on(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(fault(FaultKind.WS_DROP, count=3, after_seconds=600))
    found = await trades(session, server, 200)
    missing = sorted(set(range(found[0]["a"], found[-1]["a"])) - set(numbers(found)))
    assert missing == list(range(missing[0], missing[0] + 3))
    before = next(trade for trade in found if trade["a"] == missing[0] - 1)
    assert 500_000 < before["T"] - found[0]["T"] < 620_000
    assert numbers(found) == sorted(numbers(found))


async def test_frames_are_struck_by_the_time_they_bear_however_late_they_are(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(fault(FaultKind.WS_DROP, after_seconds=120, for_seconds=60))
    found = numbers(await trades(session, server, 60))
    clock = await (await session.get(f"{server.control}/clock")).json()
    begin = dt.datetime.fromisoformat(clock["started_at"]).timestamp() * 1000 + 120_000
    query = {"symbol": "BTCUSDT", "fromId": found[0], "limit": found[-1] - found[0] + 1}
    whole = await (await session.get(server.url("binance") + "/api/v3/aggTrades", params=query)).json()
    assert found == [one["a"] for one in whole if not begin <= one["T"] < begin + 60_000]
    assert len(found) < len(whole)


async def test_as_many_frames_are_doubled_as_asked_for(start: Start, session: aiohttp.ClientSession) -> None:
    server = await start(fault(FaultKind.WS_DOUBLE, count=2, after_seconds=60))
    found = numbers(await trades(session, server, 100))
    assert found == sorted(found)
    assert set(found) == set(range(found[0], found[-1] + 1))
    assert len(found) - len(set(found)) == 2


async def test_frames_are_reordered_in_their_time_within_the_window_and_none_is_lost(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(fault(FaultKind.WS_REORDER, for_seconds=600, after_seconds=300, window=3))
    found = await trades(session, server, 300)
    ids = numbers(found)
    assert sorted(ids) == list(range(min(ids), max(ids) + 1))
    moved = [place for place, number in enumerate(ids) if number - ids[0] != place]
    assert len(moved) > 20
    assert max(abs(ids[place] - ids[0] - place) for place in moved) <= 3
    assert all(200_000 < found[place]["T"] - found[0]["T"] < 920_000 for place in moved)


async def test_connection_breaks_off_without_a_word_once(start: Start, session: aiohttp.ClientSession) -> None:
    server = await start(fault(FaultKind.WS_DISCONNECT, after_seconds=60))
    async with session.ws_connect(ws(server, TRADES)) as socket:
        while (message := await socket.receive(timeout=20)).type is WSMsgType.TEXT:
            pass
        assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR)
        assert socket.close_code == 1006
    assert len(await trades(session, server, 50)) == 50


async def test_silenced_connection_still_answers_and_another_one_delivers(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(fault(FaultKind.WS_SILENCE))
    async with session.ws_connect(ws(server, TRADES)) as silent:
        with pytest.raises(TimeoutError):
            await silent.receive(timeout=0.5)
    async with session.ws_connect(ws(server, TRADES)) as socket:
        await received(socket)
    await session.post(f"{server.control}/faults", json={"venue": "binance", "kind": "ws_silence"})
    async with session.ws_connect(ws(server, TRADES)) as silent:
        with pytest.raises(TimeoutError):
            await silent.receive(timeout=0.5)
        await silent.send_str('{"method":"LIST_SUBSCRIPTIONS","id":1}')
        assert await received(silent) == {"result": ["btcusdt@aggTrade"], "id": 1}


async def test_shutdown_is_announced_on_each_connection_which_then_goes_on_until_it_is_closed(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(fault(FaultKind.SERVER_SHUTDOWN, count=2, after_seconds=60), notice_seconds=0.2)
    for _ in range(2):
        async with session.ws_connect(ws(server, "/stream?streams=btcusdt@aggTrade")) as socket:
            found = []
            while (message := await socket.receive(timeout=20)).type is WSMsgType.TEXT:
                found.append(json.loads(message.data))
            assert message.type is WSMsgType.CLOSE
        notices = [place for place, one in enumerate(found) if one["stream"] == "!serverShutdown"]
        assert len(notices) == 1
        assert found[notices[0]]["data"]["e"] == "serverShutdown"
        assert 0 < notices[0] < len(found) - 5
        ids = [one["data"]["a"] for one in found if one["stream"] != "!serverShutdown"]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(await trades(session, server, 50)) == 50


async def test_in_a_halt_nothing_is_pushed_and_rest_has_nothing_either(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(fault(FaultKind.HALT, after_seconds=300, for_seconds=1_200), updates=1)
    async with session.ws_connect(ws(server, "/stream?streams=btcusdt@aggTrade/btcusdt@kline_1m")) as socket:
        found = [(await received(socket))["data"] for _ in range(500)]
    pushed = [one for one in found if one["e"] == "aggTrade"]
    ids = numbers(pushed)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    quiet = max(after["T"] - before["T"] for before, after in itertools.pairwise(pushed))
    assert 1_200_000 <= quiet <= 1_220_000
    closed = [one["k"] for one in found if one["e"] == "kline" and one["k"]["x"]]
    opens = [one["t"] for one in closed]
    assert max(after - before for before, after in itertools.pairwise(opens)) in (1_200_000, 1_260_000)
    url = server.url("binance") + "/api/v3/"
    query = {"symbol": "BTCUSDT", "interval": "1m", "startTime": opens[0], "endTime": opens[-1], "limit": 1000}
    rows = await (await session.get(url + "klines", params=query)).json()
    assert [[row[0], row[4], row[5], row[8]] for row in rows] == [[k["t"], k["c"], k["v"], k["n"]] for k in closed]
    by_id = await (
        await session.get(url + "aggTrades", params={"symbol": "BTCUSDT", "fromId": ids[0], "limit": len(ids)})
    ).json()
    assert [row["T"] for row in by_id] == [one["T"] for one in pushed]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"venue": "binance", "kind": "halt"}, "halt: expected for_seconds"),
        ({"venue": "wallex", "kind": "ws_drop"}, "expected a venue with streams"),
        ({"venue": "binance", "kind": "ws_reorder", "window": 0}, "window: expected 1 or more"),
    ],
)
async def test_fault_that_makes_no_sense_is_refused(
    start: Start, session: aiohttp.ClientSession, body: dict[str, Any], expected: str
) -> None:
    server = await start()
    response = await session.post(f"{server.control}/faults", json=body)
    assert response.status == 400
    assert expected in (await response.json())["error"]


async def test_stream_fault_is_not_used_up_by_requests_nor_a_request_fault_by_streams(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(fault(FaultKind.WS_DOUBLE), fault(FaultKind.SERVER_ERROR))
    await session.get(server.url("wallex") + "/v1/markets")
    assert (await session.get(server.url("binance") + "/api/v3/ping")).status == 503
    assert (await session.get(server.url("binance") + "/api/v3/ping")).status == 200
    found = numbers(await trades(session, server, 10))
    assert len(found) - len(set(found)) == 1
