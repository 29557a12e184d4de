"""Binance's REST: rows, windows, errors and weight as the venue's documents have them."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from simulator.binance.generated import GeneratedTape
from simulator.binance.rest import Binance
from simulator.binance.tape import MINUTE_MS
from simulator.clock import SimulatedClock
from simulator.market import Market
from simulator.wire import Answer, Request
from tests.unit.simulator.fakes import FakeWall

NOW = dt.datetime(2026, 9, 21, 12, 0, 30, tzinfo=dt.UTC)
NOW_MS = int(NOW.timestamp() * 1000)
OPEN_MS = NOW_MS - 30_000


@pytest.fixture
def wall() -> FakeWall:
    return FakeWall(NOW)


@pytest.fixture
def venue(wall: FakeWall) -> Binance:
    venue = Binance(GeneratedTape(Market(3)))
    venue.run_by(SimulatedClock(wall, speed=60))
    return venue


def get(venue: Binance, path: str, query: Mapping[str, object] | None = None) -> Answer:
    asked = {name: str(value) for name, value in (query or {}).items()}
    return venue.answer(Request(f"/api/v3/{path}", asked, {}), NOW, NOW)


def body(answer: Answer) -> Any:
    return msgspec.json.decode(answer.body)


def test_klines_without_times_are_the_newest_and_the_last_is_still_open(venue: Binance) -> None:
    rows = body(get(venue, "klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 3}))
    assert [row[0] for row in rows] == [OPEN_MS - 2 * MINUTE_MS, OPEN_MS - MINUTE_MS, OPEN_MS]
    assert [row[6] - row[0] for row in rows] == [59_999] * 3
    trades = venue.tape.trades("BTCUSDT", OPEN_MS, NOW_MS)
    assert rows[-1][8] == sum(trade.last_id - trade.first_id + 1 for trade in trades)
    assert all(len(row) == 12 and isinstance(row[1], str) for row in rows)


def test_klines_of_a_span_open_within_it_and_none_is_of_the_future(venue: Binance) -> None:
    span = {"startTime": OPEN_MS - 5 * MINUTE_MS + 1, "endTime": OPEN_MS + 10 * MINUTE_MS}
    rows = body(get(venue, "klines", {"symbol": "BTCUSDT", "interval": "1m", **span}))
    assert [row[0] for row in rows] == [OPEN_MS - minutes * MINUTE_MS for minutes in (4, 3, 2, 1, 0)]


def test_klines_from_a_time_on_are_the_first_so_many_after_it(venue: Binance) -> None:
    query = {"symbol": "BTCUSDT", "interval": "1m", "startTime": OPEN_MS - 100 * MINUTE_MS, "limit": 2}
    assert [row[0] for row in body(get(venue, "klines", query))] == [
        OPEN_MS - 100 * MINUTE_MS,
        OPEN_MS - 99 * MINUTE_MS,
    ]


def test_trades_by_id_and_by_time_and_never_of_the_future(venue: Binance) -> None:
    newest = body(get(venue, "aggTrades", {"symbol": "ETHUSDT", "limit": 5}))
    assert len(newest) == 5
    assert all(trade["T"] < NOW_MS for trade in newest)
    from_id = body(get(venue, "aggTrades", {"symbol": "ETHUSDT", "fromId": newest[2]["a"], "limit": 1000}))
    assert from_id == newest[2:]
    by_time = {"symbol": "ETHUSDT", "startTime": newest[0]["T"], "endTime": newest[-1]["T"]}
    assert body(get(venue, "aggTrades", by_time)) == newest


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("klines", {"symbol": "NOPEUSDT", "interval": "1m"}, -1121),
        ("klines", {"symbol": "BTCUSDT", "interval": "10m"}, -1120),
        ("klines", {"interval": "1m"}, -1102),
        ("klines", {"symbol": "btc usdt", "interval": "1m"}, -1100),
        ("klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 0}, -1130),
        ("ticker/price", {"symbols": "BTCUSDT"}, -1100),
        ("aggTrades", {"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, -1128),
    ],
)
def test_wrong_request_has_the_code_of_the_venue(
    venue: Binance, path: str, query: Mapping[str, object], code: int
) -> None:
    answer = get(venue, path, query)
    assert (answer.status, body(answer)["code"]) == (400, code)


def test_price_of_one_symbol_is_an_object_and_of_several_an_array(venue: Binance) -> None:
    one = body(get(venue, "ticker/price", {"symbol": "BTCUSDT"}))
    both = body(get(venue, "ticker/price", {"symbols": '["BTCUSDT","ETHUSDT"]'}))
    assert both[0] == one
    assert [row["symbol"] for row in both] == ["BTCUSDT", "ETHUSDT"]
    assert venue.tape.trades("BTCUSDT", NOW_MS - MINUTE_MS, NOW_MS)[-1].price == int(one["price"].replace(".", ""))


def test_weight_adds_up_stands_in_the_header_and_starts_again_with_the_minute_of_life(
    venue: Binance, wall: FakeWall
) -> None:
    get(venue, "exchangeInfo")
    second = get(venue, "klines", {"symbol": "BTCUSDT", "interval": "1m"})
    assert second.headers["X-MBX-USED-WEIGHT-1M"] == "22"
    wall.advance(seconds=30)
    assert get(venue, "ping").headers["X-MBX-USED-WEIGHT-1M"] == "1"


def test_too_much_weight_is_refused_until_the_minute_ends_and_going_on_is_banned(
    venue: Binance, wall: FakeWall
) -> None:
    for _ in range(300):
        assert get(venue, "exchangeInfo", {"symbol": "BTCUSDT"}).status == 200
    refused = [get(venue, "ping") for _ in range(12)]
    assert [answer.status for answer in refused] == [429] * 10 + [418] * 2
    assert refused[0].headers["Retry-After"] == "30"
    assert body(refused[0])["code"] == -1003
    assert refused[-1].headers["Retry-After"] == "120"
    wall.advance(seconds=119)
    assert get(venue, "ping").status == 418
    wall.advance(seconds=2)
    assert get(venue, "ping").status == 200
    assert (venue.tally.highest_weight, venue.tally.refused) == (6_000, 11)
