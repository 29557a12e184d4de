"""Reconciling real klines: the exchange's own candles beside those of its 1-minute klines, as they are and spoiled."""

import csv
import datetime as dt
import gzip
import re
from decimal import Decimal
from html import unescape
from pathlib import Path

import pyarrow as pa
import pytest

from infra.reconcile.klines import kline_files, read_klines
from serve.gaps import Gap
from serve.reconcile.causes import with_causes
from serve.reconcile.compare import Compared, Period, Score, compare
from serve.reconcile.page import page

KLINES = Path(__file__).parents[2].parent / "shared" / "data" / "binance" / "klines_spot" / "2023-03-16_05-01"
COINS = ("BTC", "DOGE", "ETH", "SOL")
DAYS = Period(dt.datetime(2023, 3, 23, tzinfo=dt.UTC), dt.datetime(2023, 3, 25, tzinfo=dt.UTC))
HALT = (dt.datetime(2023, 3, 24, 12, 40, tzinfo=dt.UTC), dt.datetime(2023, 3, 24, 14, tzinfo=dt.UTC))
EQUAL, IN_HALT = 280, 8
VALUES = ("open", "high", "low", "close", "volume")
SCHEMA = pa.schema(
    {
        "symbol": pa.string(),
        "interval": pa.string(),
        "open_time": pa.timestamp("us", "UTC"),
        **dict.fromkeys(VALUES, pa.decimal128(38, 18)),
        "quote_volume": pa.decimal128(38, 8),
        "trades": pa.int64(),
        "complete": pa.bool_(),
    }
)
Candle = dict[str, object]


def made_of_minutes(symbol: str, minutes: int, period: Period = DAYS) -> list[Candle]:
    """Make candles of the 1-minute klines of a period, row by row."""
    buckets: dict[dt.datetime, list[list[Decimal]]] = {}
    with gzip.open(KLINES / f"{symbol}-1m.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            seconds = int(row["open_time"]) // 1000
            opened = dt.datetime.fromtimestamp(seconds - seconds % (60 * minutes), dt.UTC)
            if (period.start is None or period.start <= opened) and (period.end is None or opened < period.end):
                buckets.setdefault(opened, []).append([Decimal(row[name]) for name in VALUES])
    return [
        {
            **{"symbol": symbol, "interval": f"{minutes}m" if minutes < 60 else f"{minutes // 60}h"},
            **{"open_time": opened, "open": inside[0][0], "close": inside[-1][3]},
            **{"high": max(row[1] for row in inside), "low": min(row[2] for row in inside)},
            **{"volume": sum((row[4] for row in inside), Decimal(0)), "quote_volume": None, "trades": None},
            "complete": len(inside) == minutes,
        }
        for opened, inside in buckets.items()
    ]


def given(interval: str, *symbols: str) -> pa.Table:
    """Read the exchange's own klines."""
    if not KLINES.is_dir():
        pytest.skip("recorded data is not there: ../shared/data/binance/klines_spot")
    return read_klines(kline_files(KLINES, {interval}, symbols))


def compared_with(ours: list[Candle], theirs: pa.Table) -> Compared:
    return compare(pa.Table.from_pylist(ours, SCHEMA), theirs, ["10m"], DAYS)


def index_of(ours: list[Candle], moment: dt.datetime) -> int:
    return next(number for number, candle in enumerate(ours) if candle["open_time"] == moment)


def test_every_candle_of_two_days_is_equal_and_the_halt_is_in_neither() -> None:
    symbols = [f"{coin}USDT" for coin in COINS]
    theirs = given("5m", *symbols)
    compared = compared_with([candle for symbol in symbols for candle in made_of_minutes(symbol, 10)], theirs)
    assert compared.scores == [Score(symbol, "10m", "2023-03", EQUAL, 0, 0, 0, IN_HALT) for symbol in symbols]
    assert compared.is_equal and not compared.differences
    assert [(hole.symbol, hole.from_time, hole.to_time, hole.lacks, hole.candles) for hole in compared.holes] == [
        (symbol, *HALT, "both", IN_HALT) for symbol in symbols
    ]


def test_all_hours_given_are_equal_once_their_floats_are_rounded() -> None:
    theirs = given("1h", "SOLUSDT")
    ours = made_of_minutes("SOLUSDT", 60, Period())
    compared = compare(pa.Table.from_pylist(ours, SCHEMA), theirs, ["1h"])
    assert sum(score.equal for score in compared.scores) == 719
    assert compared.is_equal and compared.holes == [] and compared.rounded > 0


@pytest.mark.parametrize("name", VALUES)
def test_one_last_digit_makes_one_candle_different(name: str) -> None:
    theirs, ours = given("5m", "DOGEUSDT"), made_of_minutes("DOGEUSDT", 10)
    spoiled = ours[index_of(ours, dt.datetime(2023, 3, 23, 7, 20, tzinfo=dt.UTC))]
    was = spoiled[name]
    assert isinstance(was, Decimal)
    spoiled[name] = was + Decimal("1e-8")
    compared = compared_with(ours, theirs)
    assert compared.scores == [Score("DOGEUSDT", "10m", "2023-03", EQUAL - 1, 1, 0, 0, IN_HALT)]
    (found,) = compared.differences
    assert (found.open_time, found.column) == (spoiled["open_time"], name)
    assert Decimal(found.theirs) == was and not compared.is_equal


def test_a_candle_that_was_removed_is_missing_and_one_invented_in_the_halt_is_only_ours() -> None:
    theirs, ours = given("5m", "BTCUSDT"), made_of_minutes("BTCUSDT", 10)
    removed = ours.pop(index_of(ours, dt.datetime(2023, 3, 24, 12, 30, tzinfo=dt.UTC)))
    ours.append({**removed, "open_time": HALT[0]})
    compared = compared_with(ours, theirs)
    assert compared.scores == [Score("BTCUSDT", "10m", "2023-03", EQUAL - 1, 0, 1, 1, IN_HALT - 1)]
    ten = dt.timedelta(minutes=10)
    assert [(hole.from_time, hole.to_time, hole.lacks) for hole in compared.holes] == [
        (HALT[0] - ten, HALT[0], "here"),
        (HALT[0], HALT[0] + ten, "exchange"),
        (HALT[0] + ten, HALT[1], "both"),
    ]
    assert not compared.is_equal


def test_the_page_names_pair_month_and_the_halt_with_its_cause() -> None:
    compared = compared_with(made_of_minutes("ETHUSDT", 10), given("5m", "ETHUSDT"))
    halt = Gap("binance", "crypto_kline_data", "ETHUSDT", *HALT, "the venue has nothing", False, None)
    written = page(with_causes(compared, [halt]), dt.datetime(2023, 5, 2, tzinfo=dt.UTC))
    rows = [
        re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", row))).strip()
        for row in re.findall("<tr>.*?</tr>", written)
    ]
    assert "pair 2023-03" in rows
    assert "ETHUSDT 10m 280 equal, 8 in neither" in rows
    (hole,) = [row for row in rows if "both sides" in row]
    assert hole == (
        "ETHUSDT 10m 2023-03-24 12:40 2023-03-24 14:00 8 on both sides the venue has nothing (not recoverable)"
    )
