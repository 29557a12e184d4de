"""Candles of an exchange's own klines and of its trades, against literal rows and Python's `decimal`."""

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession

from contracts.settings import JobSettings
from contracts.tables import BRONZE_BINANCE_AGG_TRADES, BRONZE_CRYPTO_KLINE_DATA, IMPORTED_AGG_TRADES, IMPORTED_KLINES
from spark_jobs import build_klines
from spark_jobs.build_candles import BINANCE_SOURCES, place_of, plan
from spark_jobs.transforms.exchange_candles import kline_candles, one_of_each_trade, trade_candles
from spark_jobs.transforms.spans import Span
from tests.streaming.rows import Row, agg_trade, at, exactly, frame, imported, kline, rows_of

Candles = dict[tuple[str, dt.datetime], Row]
RULES = JobSettings(sample_seconds=30)
"""A sample of a poll every 30 s changes nothing here: these candles count minutes."""


def of_klines(spark: SparkSession, landed: Sequence[Row], files: Sequence[Row] = ()) -> Candles:
    klines = build_klines.plan(rows_of(spark, BRONZE_CRYPTO_KLINE_DATA, landed), rows_of(spark, IMPORTED_KLINES, files))
    return keyed(plan(kline_candles(klines), RULES))


def of_trades(spark: SparkSession, landed: Sequence[Row], files: Sequence[Row] = ()) -> Candles:
    trades = one_of_each_trade(
        rows_of(spark, BRONZE_BINANCE_AGG_TRADES, landed), rows_of(spark, IMPORTED_AGG_TRADES, files)
    )
    return keyed(plan(trade_candles(trades), RULES))


def keyed(rows: DataFrame) -> Candles:
    return {(row["interval"], row["open_time"].astimezone(dt.UTC)): row.asDict() for row in rows.collect()}


def test_closed_minutes_make_the_candle_and_the_open_one_does_not(spark: SparkSession) -> None:
    landed = [
        kline(0, "10 14 9 12", 1),
        kline(1, "12 13 8 9", 2),
        kline(2, "9 99 1 50", 3, pushed=150, closed=False),
        kline(0, "10 99 1 50", 4, interval="5m", close_time=at(300)),
    ]
    candles = of_klines(spark, landed)
    for interval, open_time, expected in (("10m", at(0), 10), ("1h", at(0), 60), ("1d", at(-12 * 3600), 1440)):
        row = candles[interval, open_time]
        assert (row["venue"], row["coin"], row["quote"]) == ("binance", "BTC", "USDT")
        assert [row[name] for name in ("open", "high", "low", "close")] == [10, 14, 8, 9]
        assert row["average"] == Decimal("10.5")
        assert [row[name] for name in ("volume", "quote_volume", "vwap", "trades")] == [4, 40, 10, 6]
        assert (row["samples"], row["expected"], row["complete"]) == (2, expected, False)
    assert len(candles) == 3


def test_only_closed_minutes_touch_candles(spark: SparkSession) -> None:
    klines = BINANCE_SOURCES[0]
    landed = [kline(0, "1 1 1 1", 1), kline(1, "1 1 1 1", 1, closed=False), kline(2, "1 1 1 1", 1, interval="5m")]
    files = [
        imported(kline(number, "1 1 1 1", 1, interval=name), "f", number) for number, name in ((3, "1m"), (4, "1h"))
    ]
    for table, rows, minutes in ((BRONZE_CRYPTO_KLINE_DATA, landed, [0]), (IMPORTED_KLINES, files, [3])):
        counted = klines.counting(rows_of(spark, table, rows)).collect()
        assert [row["open_time"].astimezone(dt.UTC) for row in counted] == [at(60 * minute) for minute in minutes]


def test_a_candle_of_all_its_minutes_is_complete_and_a_hole_has_none(spark: SparkSession) -> None:
    minutes = [*range(10), *range(20, 29)]
    candles = of_klines(spark, [kline(minute, "1 1 1 1", minute) for minute in minutes])
    found = {time: row["complete"] for (interval, time), row in candles.items() if interval == "10m"}
    assert found == {at(0): True, at(1200): False}
    assert candles["1h", at(0)]["samples"] == 19


def test_where_one_minute_says_no_quote_volume_their_candle_has_none(spark: SparkSession) -> None:
    few = imported(kline(1, "1 1 1 1", 0), "a", 1, quote_volume=None, trades=None)
    row = of_klines(spark, [kline(0, "1 1 1 1", 1)], [few])["10m", at(0)]
    assert (row["volume"], row["quote_volume"], row["vwap"], row["trades"]) == (4, None, None, None)


def by_hand(trades: Sequence[Row], minutes: int) -> dict[dt.datetime, Row]:
    """Compute candles trade by trade, in the order of their ids; the average is that of the closes of each minute."""
    buckets: dict[dt.datetime, dict[int, Row]] = defaultdict(dict)
    for trade in trades:
        since = trade["event_time"] - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        buckets[trade["event_time"] - since % dt.timedelta(minutes=minutes)][trade["agg_trade_id"]] = trade
    candles = {}
    for open_time, once in buckets.items():
        inside = [once[number] for number in sorted(once)]
        closes = {trade["event_time"].replace(second=0, microsecond=0): trade["price"] for trade in inside}
        prices = [trade["price"] for trade in inside]
        volume = sum((trade["quantity"] for trade in inside), Decimal(0))
        notional = sum((trade["price"] * trade["quantity"] for trade in inside), Decimal(0))
        candles[open_time] = {
            **{"open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]},
            "average": exactly(lambda closes=closes: sum(closes.values()) / len(closes)),  # type: ignore[misc]
            "volume": volume,
            "quote_volume": notional.quantize(Decimal("1e-8")),
            "vwap": exactly(lambda notional=notional, volume=volume: notional / volume),  # type: ignore[misc]
            "trades": sum(trade["last_trade_id"] - trade["first_trade_id"] + 1 for trade in inside),
            "samples": len(closes),
        }
    return candles


def test_trades_of_both_tables_each_once_equal_the_brute_force(spark: SparkSession) -> None:
    draw = random.Random(11)
    seconds = sorted(draw.randrange(0, 3 * 3_600_000) / 1000 for _ in range(900))
    every = [
        agg_trade(second, f"{draw.randrange(100, 200)}e-5", f"{draw.randrange(1, 500)}e-2", number)
        for number, second in enumerate(seconds, start=1)
    ]
    landed = [*every[300:], *({**trade, "repeat": True, "price": Decimal(9)} for trade in every[500:520])]
    files = [imported(trade, draw.choice("ab"), number) for number, trade in enumerate(every[:600])]
    files += [imported(trade, "c", number) for number, trade in enumerate(every[100:200])]
    draw.shuffle(landed)
    draw.shuffle(files)
    candles = of_trades(spark, landed, files)
    for interval, minutes in (("10m", 10), ("1h", 60), ("1d", 1440)):
        wanted = by_hand(every, minutes)
        found = {time: row for (name, time), row in candles.items() if name == interval}
        assert found.keys() == wanted.keys()
        for time, row in wanted.items():
            assert {name: found[time][name] for name in row} == row, (interval, time)
            assert found[time]["expected"] == minutes


def test_candles_of_trades_equal_those_of_the_klines_of_the_same_minutes(spark: SparkSession) -> None:
    trades = [agg_trade(20 * number, f"{number % 7 + 1}", "2", number) for number in range(1, 90)]
    klines = [
        kline(
            round((time - at(0)).total_seconds()) // 60,
            " ".join(str(row[name]) for name in ("open", "high", "low", "close")),
            number,
            volume=row["volume"],
            quote_volume=row["quote_volume"],
            trades=row["trades"],
            symbol="XRPETH",
            base="XRP",
            quote="ETH",
        )
        for number, (time, row) in enumerate(by_hand(trades, 1).items())
    ]
    own, made = of_klines(spark, klines), of_trades(spark, trades)
    assert own.keys() == made.keys()
    for key, row in own.items():
        assert {**row, "venue": None} == {**made[key], "venue": None}


def test_a_stretch_touches_the_whole_of_every_interval_that_it_meets(spark: SparkSession) -> None:
    where = place_of({"binance": [Span(at(3000), at(3600))]}, RULES)
    rows = [
        ("binance", interval, at(seconds), at(seconds).date())
        for interval, seconds in (
            *(("10m", 3000), ("1h", 0), ("1d", -12 * 3600)),
            *(("10m", 2400), ("10m", 3600), ("1h", 3600), ("1d", 12 * 3600)),
        )
    ]
    table = frame(
        spark, [*rows, ("wallex", *rows[0][1:])], "venue string, interval string, open_time timestamp, date date"
    )
    found = {(row["interval"], row["open_time"].astimezone(dt.UTC)) for row in table.where(where).collect()}
    assert found == {("10m", at(3000)), ("1h", at(0)), ("1d", at(-12 * 3600))}
