"""Our candles of real klines and trades against the exchange's own, to the last digit."""

import csv
import datetime as dt
import gzip
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from pyspark.sql import DataFrame, SparkSession

from contracts.settings import JobSettings
from contracts.tables import BRONZE_BINANCE_AGG_TRADES, BRONZE_CRYPTO_KLINE_DATA, IMPORTED_AGG_TRADES, IMPORTED_KLINES
from spark_jobs import build_klines
from spark_jobs.build_candles import plan
from spark_jobs.transforms.exchange_candles import kline_candles, one_of_each_trade, trade_candles
from tests.streaming.rows import Row, agg_trade, at, imported, kline, rows_of

BINANCE = Path(__file__).parents[2] / ".." / "shared" / "data" / "binance"
KLINES = "klines_spot/2023-03-16_05-01/BTCUSDT"
TRADES = "agg_trades_spot_complete/XRPETH"
HALT = (dt.datetime(2023, 3, 24, 12, 40, tzinfo=dt.UTC), dt.datetime(2023, 3, 24, 14, tzinfo=dt.UTC))


class Ohlcv(NamedTuple):
    """What an exchange says of an interval."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def recorded(name: str) -> str:
    path = BINANCE / name
    if not path.is_file():
        pytest.skip(f"recorded data is not there: ../shared/data/binance/{name}")
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def moment(milliseconds: str) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(milliseconds) / 1000, dt.UTC)


def candles_of(name: str) -> dict[dt.datetime, Ohlcv]:
    rows = csv.DictReader(io.StringIO(recorded(name)))
    return {moment(row["open_time"]): Ohlcv(*(Decimal(row[field]) for field in Ohlcv._fields)) for row in rows}


def between(candles: dict[dt.datetime, Ohlcv], start: dt.datetime, end: dt.datetime) -> dict[dt.datetime, Ohlcv]:
    return {time: candle for time, candle in candles.items() if start <= time < end}


def merged(parts: Sequence[Ohlcv]) -> Ohlcv:
    return Ohlcv(
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum((part.volume for part in parts), Decimal(0)),
    )


def built(small: DataFrame, rules: JobSettings) -> dict[str, dict[dt.datetime, Row]]:
    """Build candles and key them by interval and open time."""
    found: dict[str, dict[dt.datetime, Row]] = {}
    for row in plan(small, rules).collect():
        found.setdefault(row["interval"], {})[row["open_time"].astimezone(dt.UTC)] = row.asDict()
    return found


def of_minutes(spark: SparkSession, minutes: dict[dt.datetime, Ohlcv]) -> dict[str, dict[dt.datetime, Row]]:
    """Build candles of klines that came from a file of few columns."""
    files = []
    for number, (time, said) in enumerate(minutes.items()):
        offset = round((time - at(0)).total_seconds()) // 60
        row = kline(offset, " ".join(map(str, said[:4])), 0, volume=said.volume, quote_volume=None, trades=None)
        files.append(imported(row, "a", number, date=time.date()))
    landed = rows_of(spark, BRONZE_CRYPTO_KLINE_DATA, [])
    klines = build_klines.plan(landed, rows_of(spark, IMPORTED_KLINES, files))
    return built(kline_candles(klines), JobSettings())


def said(rows: dict[dt.datetime, Row]) -> dict[dt.datetime, Ohlcv]:
    return {time: Ohlcv(*(row[name] for name in Ohlcv._fields)) for time, row in rows.items()}


def test_ten_minutes_over_a_halt_equal_two_of_the_exchanges_five(spark: SparkSession) -> None:
    """From 2023-03-23 to 03-25: trading stopped at 11:28 of the second day, klines from 12:40 to 13:59."""
    start, end = (dt.datetime(2023, 3, day, tzinfo=dt.UTC) for day in (23, 25))
    five = between(candles_of(f"{KLINES}-5m.csv.gz"), start, end)
    ours = of_minutes(spark, between(candles_of(f"{KLINES}-1m.csv.gz"), start, end))
    length = dt.timedelta(minutes=5)
    expected = {
        time: merged([five[time], five[time + length]])
        for time in five
        if time.minute % 10 == 0 and time + length in five
    }
    assert len(expected) == 2 * 144 - 8
    assert said(ours["10m"]) == expected
    assert not between(said(ours["10m"]), *HALT)
    assert {row["complete"] for row in ours["10m"].values()} == {True}
    noon = dt.datetime(2023, 3, 24, 12, tzinfo=dt.UTC)
    assert (ours["1h"][noon]["samples"], ours["1h"][noon]["complete"]) == (40, False)
    assert noon + dt.timedelta(hours=1) not in ours["1h"]
    day = ours["1d"][noon.replace(hour=0)]
    assert (day["samples"], day["expected"], day["complete"]) == (1360, 1440, False)
    assert {(row["quote_volume"], row["vwap"], row["trades"]) for row in ours["1d"].values()} == {(None, None, None)}


def test_hours_equal_the_exchanges_own(spark: SparkSession) -> None:
    start, end = (dt.datetime(2023, 4, day, tzinfo=dt.UTC) for day in (10, 12))
    expected = between(candles_of(f"{KLINES}-1h.csv.gz"), start, end)
    ours = of_minutes(spark, between(candles_of(f"{KLINES}-1m.csv.gz"), start, end))
    assert len(expected) == 48
    assert said(ours["1h"]) == expected
    days = [merged(list(between(expected, day, day + dt.timedelta(days=1)).values())) for day in sorted(ours["1d"])]
    assert list(said(dict(sorted(ours["1d"].items()))).values()) == days


def tape() -> list[Row]:
    """Read the complete tape of aggregate trades, as the venue's archive has it."""
    rows = csv.reader(io.StringIO(recorded(f"{TRADES}-aggTrades-2019-10-11.csv")))
    return [
        agg_trade(
            (moment(time) - at(0)).total_seconds(),
            price,
            quantity,
            int(number),
            first_trade_id=int(first),
            last_trade_id=int(last),
            buyer_is_maker=maker == "True",
        )
        for number, price, quantity, first, last, time, maker, _ in rows
    ]


def by_hand(trades: Iterable[Row], minutes: int) -> dict[dt.datetime, tuple[Ohlcv, Decimal, int]]:
    """Compute candles trade by trade: prices and volume, quote volume, number of trades."""
    buckets: dict[dt.datetime, list[Row]] = {}
    for trade in trades:
        day = trade["event_time"].replace(hour=0, minute=0, second=0, microsecond=0)
        length = dt.timedelta(minutes=minutes)
        buckets.setdefault(day + (trade["event_time"] - day) // length * length, []).append(trade)
    return {
        time: (
            merged([Ohlcv(*(trade["price"],) * 4, trade["quantity"]) for trade in inside]),
            sum((trade["price"] * trade["quantity"] for trade in inside), Decimal(0)),
            sum(trade["last_trade_id"] - trade["first_trade_id"] + 1 for trade in inside),
        )
        for time, inside in buckets.items()
    }


def test_the_tape_is_complete() -> None:
    trades = tape()
    assert len(trades) == 5929
    for trade, following in pairwise(trades):
        assert following["agg_trade_id"] == trade["agg_trade_id"] + 1
        assert following["first_trade_id"] == trade["last_trade_id"] + 1
    assert [len(candles_of(f"{TRADES}-{minutes}m-from-trades.csv")) for minutes in (1, 5)] == [1022, 287]


@pytest.mark.parametrize("minutes", [1, 5, 10])
def test_a_tape_of_trades_equals_the_brute_force_and_the_candles_given_with_it(
    spark: SparkSession, minutes: int
) -> None:
    trades = tape()
    files = [imported(trade, "a", number) for number, trade in enumerate(trades)]
    once = one_of_each_trade(
        rows_of(spark, BRONZE_BINANCE_AGG_TRADES, trades[:3000]), rows_of(spark, IMPORTED_AGG_TRADES, files)
    )
    ours = built(trade_candles(once), JobSettings(candle_minutes=minutes))
    for interval, length in ((f"{minutes}m", minutes), ("1h", 60), ("1d", 1440)):
        expected = by_hand(trades, length)
        found = {
            time: (Ohlcv(*(row[name] for name in Ohlcv._fields)), row["quote_volume"], row["trades"])
            for time, row in ours[interval].items()
        }
        assert found == {
            time: (candle, notional.quantize(Decimal("1e-8")), count)
            for time, (candle, notional, count) in expected.items()
        }
    if minutes < 10:
        assert said(ours[f"{minutes}m"]) == candles_of(f"{TRADES}-{minutes}m-from-trades.csv")
