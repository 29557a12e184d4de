"""Binance's futures: routes that push and routes that do not, orders that are sampled, and a recording played."""

import asyncio
import datetime as dt
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from contracts.errors import NoDataError, SettingsError
from simulator.binance.liquidations_generated import GeneratedOrders
from simulator.binance.streams import StreamRules
from simulator.config import SimulatorConfig
from simulator.faults import Fault, FaultKind
from simulator.import_binance import import_liquidations
from simulator.market import Market
from simulator.recording import Pushed, read_file
from simulator.server import Listening, running

Start = Callable[[SimulatorConfig], Awaitable[Listening]]
BEGIN = dt.datetime(2025, 12, 27, 14, 30, tzinfo=dt.UTC)
BEGIN_MS = int(BEGIN.timestamp() * 1000)
DAY_MS = 86_400_000
ORDERS, HEARTBEAT = "!forceOrder@arr", "btcusdt@markPrice"
BOTH = f"/market/stream?streams={ORDERS}/{HEARTBEAT}"
ALWAYS = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start simulators whose clock moves: frames come with time."""
    async with AsyncExitStack() as stack:

        async def start_one(config: SimulatorConfig) -> Listening:
            return await stack.enter_async_context(running(config))

        yield start_one


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def ws(server: Listening, path: str) -> str:
    return server.url("binance_futures").replace("http", "ws", 1) + path


async def frames(session: aiohttp.ClientSession, url: str, count: int) -> list[Any]:
    async with session.ws_connect(url) as socket:
        return [json.loads((await socket.receive(timeout=20)).data) for _ in range(count)]


def forced(seconds: float, symbol: str) -> dict[str, Any]:
    traded = BEGIN_MS + round(seconds * 1000)
    order = {"s": symbol, "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.10", "p": "3.100", "ap": "3.2000"}
    order |= {"X": "FILLED", "l": "0.10", "z": "0.10", "T": traded}
    return {"e": "forceOrder", "E": traded + 1005, "o": order}


def write_snapshot(data: Path, name: str, *pushed: dict[str, Any]) -> None:
    folder = data / "binance/force_orders"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"stream": ORDERS, "data": frame}) for frame in pushed]
    (folder / f"{name}.frames.jsonl").write_text("\n".join(lines) + "\n")


async def test_orders_and_mark_prices_are_pushed_on_the_market_route(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(SimulatorConfig(speed=600))
    found = await frames(session, ws(server, BOTH), 300)
    orders = [frame["data"] for frame in found if frame["stream"] == ORDERS]
    prices = [frame["data"] for frame in found if frame["stream"] == HEARTBEAT]
    assert len(orders) + len(prices) == 300
    assert {frame["e"] for frame in orders} == {"forceOrder"}
    assert {after["E"] - before["E"] for before, after in itertools.pairwise(prices)} == {3_000}
    assert {(frame["e"], frame["s"]) for frame in prices} == {("markPriceUpdate", "BTCUSDT")}
    times = [frame["data"]["E"] for frame in found]
    assert times == sorted(times)


@pytest.mark.parametrize("path", [f"/stream?streams={ORDERS}/{HEARTBEAT}", f"/ws/{ORDERS}", f"/public/ws/{HEARTBEAT}"])
async def test_other_routes_connect_and_acknowledge_and_push_nothing(
    start: Start, session: aiohttp.ClientSession, path: str
) -> None:
    server = await start(SimulatorConfig(speed=600))
    async with session.ws_connect(ws(server, path)) as socket:
        await socket.send_str(json.dumps({"method": "SUBSCRIBE", "params": [ORDERS], "id": 7}))
        assert json.loads((await socket.receive(timeout=5)).data) == {"result": None, "id": 7}
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=0.7)  # 7 minutes of the market


async def test_the_stream_of_a_symbol_pushes_its_orders_raw_and_one_of_nobody_is_silent(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(SimulatorConfig(speed=3_600, liquidations_a_minute=300))
    found = await frames(session, ws(server, "/market/ws/btcusdt@forceOrder"), 30)
    assert {frame["o"]["s"] for frame in found} == {"BTCUSDT"}
    async with session.ws_connect(ws(server, "/market/ws/nopeusdt@markPrice")) as socket:
        with pytest.raises(asyncio.TimeoutError):
            await socket.receive(timeout=0.5)


def day_of_orders(seed: int = 1, a_minute: int = 200) -> list[tuple[int, dict[str, Any]]]:
    orders = GeneratedOrders(Market(seed), a_minute)
    begin = BEGIN_MS // DAY_MS * DAY_MS
    return [(ms, dict(payload)) for ms, payload in orders.between(begin, begin + 3_600_000)]


def test_of_a_symbol_one_order_a_second_is_pushed_about_a_second_after_it_was_traded() -> None:
    pushed = day_of_orders(a_minute=3_000)
    last: dict[str, int] = {}
    for ms, frame in pushed:
        symbol = frame["o"]["s"]
        assert ms == frame["E"]
        assert ms - last.get(symbol, 0) >= 1_000
        assert 5 <= ms - frame["o"]["T"] <= 1_005
        last[symbol] = ms
    # Of some 100 orders of the largest in a minute, 30 to 60 windows of a second are left.
    assert 60 * 20 < sum(frame["o"]["s"] == "BTCUSDT" for _, frame in pushed) < 60 * 58


def test_generated_orders_are_plausible_and_the_same_whoever_asks() -> None:
    pushed = day_of_orders()
    assert 0.8 * 60 * 200 < len(pushed) <= 1.2 * 60 * 200
    assert pushed == day_of_orders()
    assert pushed != day_of_orders(seed=2)
    half = GeneratedOrders(Market(1), 200)
    begin = pushed[0][0]
    assert [frame for _, frame in half.between(begin, begin + 90_000)] == [
        frame for ms, frame in pushed if begin < ms <= begin + 90_000
    ]
    for _, frame in pushed:
        order = frame["o"]
        price, average = float(order["p"]), float(order["ap"])
        assert (price < average) == (order["S"] == "SELL")
        assert abs(price / average - 1) < 0.02
        assert 0 < float(order["l"]) <= float(order["q"]) == float(order["z"])
    assert len({frame["o"]["s"] for _, frame in pushed}) > 15
    assert {frame["o"]["S"] for _, frame in pushed} == {"SELL", "BUY"}


def test_a_market_without_liquidations_has_none() -> None:
    assert day_of_orders(a_minute=0) == []


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (FaultKind.WS_DOUBLE, lambda times: len(times) - len(set(times)) == 3),
        (FaultKind.WS_DROP, lambda times: len(times) == len(set(times)) and max(_steps(times)) == 12_000),
        (FaultKind.WS_REORDER, lambda times: times != sorted(times) and len(times) == len(set(times))),
    ],
)
async def test_faults_strike_the_venue_they_name(
    start: Start, session: aiohttp.ClientSession, kind: FaultKind, check: Callable[[list[int]], bool]
) -> None:
    faults = (
        Fault(venue="binance_futures", kind=kind, count=3, after_seconds=20),
        Fault(venue="binance", kind=FaultKind.WS_DISCONNECT),
    )
    server = await start(SimulatorConfig(speed=600, liquidations_a_minute=0, faults=faults))
    found = await frames(session, ws(server, BOTH), 30)
    assert check([frame["data"]["E"] for frame in found])


def _steps(times: list[int]) -> list[int]:
    return [after - before for before, after in itertools.pairwise(times)]


async def test_a_connection_is_broken_off_by_fault_and_by_request_of_its_venue_alone(
    start: Start, session: aiohttp.ClientSession
) -> None:
    faults = (Fault(venue="binance_futures", kind=FaultKind.WS_DISCONNECT),)
    server = await start(SimulatorConfig(speed=600, faults=faults))
    async with session.ws_connect(ws(server, BOTH)) as socket:
        assert (await socket.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    async with session.ws_connect(ws(server, BOTH)) as socket:
        await session.post(f"{server.control}/disconnect?venue=binance")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT
        await session.post(f"{server.control}/disconnect?venue=binance_futures")
        async with asyncio.timeout(5):
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
    limits = await (await session.get(f"{server.control}/limits")).json()
    assert (limits["binance_futures"]["connections"], limits["binance"]["connections"]) == (2, 0)


async def test_ten_messages_a_second_are_let_in_and_pings_come_when_asked_for(
    start: Start, session: aiohttp.ClientSession
) -> None:
    server = await start(SimulatorConfig(streams=StreamRules(ping_seconds=0.2)))
    async with session.ws_connect(ws(server, "/market/ws"), autoping=False) as socket:
        for number in range(11):
            await socket.send_str(f'{{"method":"LIST_SUBSCRIPTIONS","id":{number}}}')
        kinds = [(await socket.receive(timeout=5)).type for _ in range(11)]
    assert kinds == [aiohttp.WSMsgType.TEXT] * 10 + [aiohttp.WSMsgType.CLOSE]
    async with session.ws_connect(ws(server, "/market/ws"), autoping=False) as socket:
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.PING


async def test_rest_tells_the_time_and_no_liquidations(start: Start, session: aiohttp.ClientSession) -> None:
    server = await start(SimulatorConfig())
    base = server.url("binance_futures")
    told = await (await session.get(f"{base}/fapi/v1/time")).json()
    assert abs(told["serverTime"] / 1000 - dt.datetime.now(dt.UTC).timestamp() + 3 * 3600) < 5
    assert (await session.get(f"{base}/fapi/v1/allForceOrders")).status == 404


async def test_a_recording_is_imported_in_time_order_and_pushed_as_it_was(
    start: Start, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    pushed = [forced(second, symbol) for second, symbol in ((3, "ETHUSDT"), (40, "ZECUSDC"), (90, "币安人生USDT"))]
    write_snapshot(tmp_path, "b", pushed[1])
    write_snapshot(tmp_path, "c", pushed[0], pushed[2], forced(7_200, "LATER"))
    until = BEGIN + dt.timedelta(hours=1)
    assert import_liquidations(tmp_path, tmp_path / "out", BEGIN, until) == 3
    lines = read_file(tmp_path / "out/binance_futures.jsonl.gz")
    assert [json.loads(bytes(line.frame)) for line in lines if isinstance(line, Pushed)] == pushed
    server = await start(SimulatorConfig(recording=tmp_path / "out", begin=BEGIN - dt.timedelta(seconds=30), speed=60))
    found = await frames(session, ws(server, BOTH), 44)
    assert [frame["data"] for frame in found if frame["stream"] == ORDERS] == pushed
    assert [frame["stream"] for frame in found].count(HEARTBEAT) == 41


def test_an_import_of_what_is_no_frame_or_of_no_time_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="expected binance/force_orders"):
        import_liquidations(tmp_path, tmp_path / "out", *ALWAYS)
    write_snapshot(tmp_path, "a", forced(3, "ETHUSDT"))
    with pytest.raises(NoDataError, match="expected liquidations of 9000"):
        import_liquidations(tmp_path, tmp_path / "out", ALWAYS[1], ALWAYS[1])
    write_snapshot(tmp_path, "b", forced(3, "ETHUSDT"), {"e": "forceOrder"})
    with pytest.raises(SettingsError, match=r"b\.frames\.jsonl line 2: expected a message of a combined stream"):
        import_liquidations(tmp_path, tmp_path / "out", *ALWAYS)


async def test_a_recorded_frame_without_its_order_is_refused(tmp_path: Path) -> None:
    line = {"at": BEGIN.isoformat(), "stream": ORDERS, "frame": {"e": "forceOrder", "E": 1}}
    (tmp_path / "binance_futures.jsonl").write_text(json.dumps(line) + "\n")
    with pytest.raises(SettingsError, match="expected a frame of !forceOrder@arr, found one without 'o'"):
        async with running(SimulatorConfig(recording=tmp_path)):
            pass
