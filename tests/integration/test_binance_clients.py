"""Clients that others wrote meet simulated Binance with nothing but the base URL changed, and see the venue.

ccxt and Binance's own connector are not of the project: `tests/clients/requirements.lock` pins them.
"""

import importlib
import json
import queue
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.packages import ensure_clients
from tests.integration.conftest import simulator

MINUTE_MS = 60_000
SPEED = 60


@pytest.fixture(scope="module", autouse=True)
def packages() -> Iterator[None]:
    """Let the clients be imported, behind our own packages."""
    folder = str(ensure_clients())
    sys.path.append(folder)
    yield
    sys.path.remove(folder)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("clients")
    with simulator(folder, "--speed", str(SPEED), "--span", "6h") as url:
        yield f"{url}/binance"


@pytest.fixture(scope="module")
def exchange(base: str) -> Any:
    """Give ccxt's Binance; its markets of other kinds and its private currencies have hosts of their own."""
    client = importlib.import_module("ccxt").binance({"options": {"fetchMarkets": ["spot"]}})
    client.urls["api"]["public"] = f"{base}/api/v3"
    client.load_markets()
    return client


@pytest.fixture(scope="module")
def connector(base: str) -> Any:
    return importlib.import_module("binance.spot").Spot(base_url=base)


def closed_minute(connector: Any, back: int) -> int:
    """Return when a minute that is `back` minutes gone began, by the venue's clock."""
    return int(connector.time()["serverTime"]) // MINUTE_MS * MINUTE_MS - back * MINUTE_MS


def test_ccxt_knows_the_markets(exchange: Any) -> None:
    market = exchange.market("BTC/USDT")
    assert (market["id"], market["active"], market["spot"], market["quote"]) == ("BTCUSDT", True, True, "USDT")
    assert len(exchange.markets) > 50


def test_ccxt_makes_of_the_trades_the_candles_that_the_venue_gives(exchange: Any, connector: Any) -> None:
    begin, minutes = closed_minute(connector, 30), 20
    candles = exchange.fetch_ohlcv("ETH/USDT", "1m", since=begin, limit=minutes)
    trades: list[Any] = []
    while not trades or trades[-1]["timestamp"] < begin + minutes * MINUTE_MS:
        after = {"fromId": int(trades[-1]["id"]) + 1} if trades else {}
        trades += exchange.fetch_trades("ETH/USDT", since=None if trades else begin, limit=100, params=after)
    inside = [trade for trade in trades if trade["timestamp"] < begin + minutes * MINUTE_MS]
    built = exchange.build_ohlcvc(inside, "1m")  # times, prices, volume, and a count
    assert [candle[0] for candle in candles] == [begin + number * MINUTE_MS for number in range(minutes)]
    assert [candle[:5] for candle in candles] == [row[:5] for row in built]
    assert [candle[5] for candle in candles] == [pytest.approx(row[5]) for row in built]


def test_ccxt_pages_through_larger_candles(exchange: Any, connector: Any) -> None:
    begin = closed_minute(connector, 300) // (15 * MINUTE_MS) * 15 * MINUTE_MS
    first = exchange.fetch_ohlcv("SOL/USDT", "15m", since=begin, limit=4)
    second = exchange.fetch_ohlcv("SOL/USDT", "15m", since=first[-1][0] + 1, limit=4)
    minutes = exchange.fetch_ohlcv("SOL/USDT", "1m", since=begin, limit=120)
    quarters = [minutes[start : start + 15] for start in range(0, 120, 15)]
    assert [row[0] for row in first + second] == [part[0][0] for part in quarters]
    assert [row[2] for row in first + second] == [max(row[2] for row in part) for part in quarters]
    assert [row[4] for row in first + second] == [part[-1][4] for part in quarters]


def test_ccxt_reads_a_ticker_and_a_refusal(exchange: Any) -> None:
    ticker = exchange.fetch_ticker("BTC/USDT")
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert ticker["change"] == pytest.approx(ticker["last"] - ticker["open"])
    with pytest.raises(importlib.import_module("ccxt").BadSymbol, match="Invalid symbol"):
        exchange.publicGetKlines({"symbol": "NOPEUSDT", "interval": "1m"})
    assert int(exchange.last_response_headers["X-MBX-USED-WEIGHT-1M"]) > 0


def test_connector_reads_rest_and_a_refusal(connector: Any) -> None:
    begin = closed_minute(connector, 10)
    rows = connector.klines("BTCUSDT", "1m", startTime=begin, limit=5)
    assert [row[0] for row in rows] == [begin + number * MINUTE_MS for number in range(5)]
    prices = connector.ticker_price(symbols=["BTCUSDT", "ETHUSDT"])
    assert [row["symbol"] for row in prices] == ["BTCUSDT", "ETHUSDT"]
    assert connector.ticker_24hr("BTCUSDT")["symbol"] == "BTCUSDT"
    assert connector.exchange_info(symbol="BTCUSDT")["symbols"][0]["baseAsset"] == "BTC"
    assert connector.ping() == {}
    with pytest.raises(importlib.import_module("binance.error").ClientError) as caught:
        connector.klines("BTCUSDT", "10m")
    assert (caught.value.status_code, caught.value.error_code) == (400, -1120)


@pytest.fixture
def pushed(base: str) -> Iterator[tuple[Any, "queue.Queue[Any]"]]:
    """Connect the connector's combined stream, and give what comes."""
    messages: queue.Queue[Any] = queue.Queue()
    streams = importlib.import_module("binance.websocket.spot.websocket_stream")
    client = streams.SpotWebsocketStreamClient(
        stream_url=base.replace("http", "ws", 1),
        on_message=lambda _, text: messages.put(json.loads(text)),
        is_combined=True,
    )
    yield client, messages
    client.stop()


def test_connector_is_pushed_what_rest_says(
    pushed: tuple[Any, "queue.Queue[Any]"], connector: Any, exchange: Any
) -> None:
    client, messages = pushed
    client.kline("BTCUSDT", "1m", id=1)
    client.agg_trade("BTCUSDT", id=2)
    client.subscribe(["nopeusdt@kline_1m"], id=3)
    found: list[Any] = []
    deadline = time.monotonic() + 120
    while sum(one.get("data", {}).get("k", {}).get("x", False) for one in found) < 4:
        assert time.monotonic() < deadline
        found.append(messages.get(timeout=60))
    assert [one for one in found if "id" in one] == [{"result": None, "id": number} for number in (1, 2, 3)]
    frames = [one for one in found if "id" not in one]
    assert {one["stream"] for one in frames} == {"btcusdt@kline_1m", "btcusdt@aggTrade"}

    klines = [one["data"]["k"] for one in frames if one["data"]["e"] == "kline"]
    closed = {one["t"]: one for one in klines if one["x"]}
    assert len(klines) > len(closed)
    rows = connector.klines("BTCUSDT", "1m", startTime=min(closed), endTime=max(closed))
    assert [row[:6] for row in rows] == [[closed[row[0]][name] for name in "tohlcv"] for row in rows]
    assert len(rows) == len(closed) == 4
    candles = exchange.fetch_ohlcv("BTC/USDT", "1m", since=min(closed), limit=4)
    assert [Decimal(str(row[4])) for row in candles] == [Decimal(closed[row[0]]["c"]) for row in candles]

    trades = [one["data"] for one in frames if one["data"]["e"] == "aggTrade"]
    asked = connector.agg_trades("BTCUSDT", fromId=trades[0]["a"], limit=len(trades))
    assert [{**one, "e": None, "E": None, "s": None} for one in trades] == [
        {"e": None, "E": None, "s": None, **row} for row in asked
    ]


def test_connector_lists_and_leaves_streams(pushed: tuple[Any, "queue.Queue[Any]"]) -> None:
    client, messages = pushed
    client.kline("ETHUSDT", "1m", id=1)
    client.kline("ETHUSDT", "1m", id=2, action=client.ACTION_UNSUBSCRIBE)
    client.list_subscribe()
    answers: list[Any] = []
    while len(answers) < 3:
        answers += [one["result"] for one in [messages.get(timeout=60)] if "result" in one]
    assert answers == [None, None, []]
    time.sleep(0.2)
    while not messages.empty():
        messages.get()
    with pytest.raises(queue.Empty):
        messages.get(timeout=1.5)
