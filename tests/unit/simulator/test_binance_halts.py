"""Halts: nothing traded in them, ids run on over them, and every kline is what the trades that are left make."""

import datetime as dt
import itertools
from collections.abc import Sequence
from itertools import groupby

import msgspec
import pytest

from simulator.binance.generated import GeneratedTape
from simulator.binance.halts import Halted, Halts, Span
from simulator.binance.rest import Binance
from simulator.binance.tape import INTERVALS_MS, MINUTE_MS, Bar, RecordedTape, Trade
from simulator.faults import Fault, FaultKind
from simulator.market import Market
from simulator.wire import Request

BEGIN = 1_790_000_400_000 // 3_600_000 * 3_600_000
END = BEGIN + 60 * MINUTE_MS
SPANS: list[Span] = [(BEGIN + 90_500, BEGIN + 200_000), (BEGIN + 30 * MINUTE_MS, BEGIN + 41 * MINUTE_MS)]
PLAIN = GeneratedTape(Market(7), 20)


@pytest.fixture
def halted() -> Halted:
    return Halted(PLAIN, lambda: SPANS)


def by_hand(trades: Sequence[Trade], length: int) -> list[tuple[object, ...]]:
    buckets = groupby(trades, key=lambda trade: trade.ms - trade.ms % length)
    found: list[tuple[object, ...]] = []
    for start, group in buckets:
        inside = list(group)
        prices = [trade.price for trade in inside]
        volume = sum(trade.quantity for trade in inside)
        ids = (inside[0].first_id, inside[-1].last_id)
        found.append((start, prices[0], max(prices), min(prices), prices[-1], volume, *ids))
    return found


def said(bars: Sequence[Bar]) -> list[tuple[object, ...]]:
    return [(b.open_ms, b.open, b.high, b.low, b.close, b.volume, b.first_id, b.last_id) for b in bars]


def test_ids_run_on_over_a_halt_and_the_trades_are_those_outside_of_it(halted: Halted) -> None:
    left = halted.trades("BTCUSDT", BEGIN, END)
    assert len(left) < 60 * 20 - 11 * 20
    assert [trade.id for trade in left] == list(range(left[0].id, left[0].id + len(left)))
    assert all(before.last_id + 1 == after.first_id for before, after in itertools.pairwise(left))
    outside = [t for t in PLAIN.trades("BTCUSDT", BEGIN, END) if not any(a <= t.ms < b for a, b in SPANS)]
    assert [(t.ms, t.price, t.quantity) for t in left] == [(t.ms, t.price, t.quantity) for t in outside]


@pytest.mark.parametrize("interval", ["1s", "1m", "3m", "15m", "1h"])
def test_klines_of_every_interval_are_what_the_trades_that_are_left_make(halted: Halted, interval: str) -> None:
    left = halted.trades("BTCUSDT", BEGIN, END)
    assert said(halted.bars("BTCUSDT", interval, BEGIN, END)) == by_hand(left, INTERVALS_MS[interval])


def test_trades_by_id_are_the_trades_by_time_wherever_one_starts(halted: Halted) -> None:
    left = list(halted.trades("ETHUSDT", BEGIN, END))
    for place in range(0, len(left) - 50, 7):
        assert list(halted.trades_from("ETHUSDT", left[place].id, 50)) == left[place : place + 50]


def test_newest_klines_over_rest_reach_back_over_a_halt_that_fills_their_span() -> None:
    now = dt.datetime.fromtimestamp(SPANS[1][1] / 1000, dt.UTC) + dt.timedelta(minutes=2, seconds=5)
    venue = Binance(PLAIN, Halts(SPANS))
    query = {"symbol": "BTCUSDT", "interval": "1m", "limit": "6"}
    rows = msgspec.json.decode(venue.answer(Request("/api/v3/klines", query, {}), now, now).body)
    assert [(row[0] - BEGIN) // MINUTE_MS for row in rows] == [27, 28, 29, 41, 42, 43]


def test_recorded_klines_without_trades_lose_the_minutes_a_halt_touches() -> None:
    bars = [Bar(start, start + MINUTE_MS, 5, 9, 3, 7, 100) for start in range(0, 600_000, MINUTE_MS)]
    tape = Halted(RecordedTape({"ABUSDT": ("AB", "USDT")}, {("ABUSDT", "1m"): bars}, {}), lambda: [(90_000, 180_000)])
    assert list(tape.bars("ABUSDT", "1m", 0, 600_000)) == [bars[0], *bars[3:]]
    assert [bar.volume for bar in tape.bars("ABUSDT", "5m", 0, 600_000)] == [300, 500]


def test_halt_counts_from_when_it_was_asked_for_or_from_the_start_where_that_is_later() -> None:
    halts = Halts([(5, 7)])
    noon = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
    halts.place(Fault(venue="binance", kind=FaultKind.HALT, after_seconds=60, for_seconds=30), noon)
    halts.place(Fault(venue="binance", kind=FaultKind.WS_DROP), noon)
    at = int(noon.timestamp() * 1000) + 60_000
    assert halts.spans() == [(5, 7), (at, at + 30_000)]
    halts.started = lambda: noon + dt.timedelta(seconds=10)
    assert halts.spans() == [(5, 7), (at + 10_000, at + 40_000)]
