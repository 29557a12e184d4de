"""Candles against a brute-force computation in Python's `decimal`."""

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from contracts.settings import JobSettings
from contracts.tables import CANDLES, MARKET_SNAPSHOTS
from spark_jobs.build_candles import plan
from spark_jobs.touched import touched_spans
from spark_jobs.transforms.roll_up import roll_up
from spark_jobs.transforms.samples import base_candles, quote_candles, ticker_candles
from tests.streaming.rows import NOON, Row, at, exactly, frame, quote, quotes_of, ticker, tickers_of

RULES = JobSettings()
Sample = tuple[dt.datetime, int, Decimal]
"""Event time, second key, price."""

SAMPLES = (
    "venue string, coin string, quote string, open_time timestamp, tie bigint, open decimal(38,18),"
    " high decimal(38,18), low decimal(38,18), close decimal(38,18), price_sum decimal(38,18),"
    " volume decimal(38,18), quote_volume decimal(38,8), trades bigint, samples bigint"
)


INTERVALS = {"10m": 10, "1h": 60, "1d": 1440}


def built(samples: DataFrame, interval: str = "10m") -> dict[tuple[str, dt.datetime], Row]:
    """Build the candles of the table and key those of one interval by coin and open time."""
    rows = plan(samples, RULES).collect()
    assert set(rows[0].asDict()) == set(CANDLES.schema.names)
    assert {row["interval"] for row in rows} == INTERVALS.keys()
    return {
        (row["coin"], row["open_time"].astimezone(dt.UTC)): row.asDict() for row in rows if row["interval"] == interval
    }


def by_hand(samples: Sequence[Sample], minutes: int = 10) -> dict[dt.datetime, Row]:
    """Compute the candles of one series from its samples, one by one."""
    buckets: dict[dt.datetime, list[Sample]] = defaultdict(list)
    for sample in samples:
        since = sample[0] - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        buckets[sample[0] - since % dt.timedelta(minutes=minutes)].append(sample)
    return {open_time: _candle(sorted(found)) for open_time, found in buckets.items()}


def _candle(found: list[Sample]) -> Row:
    prices = [price for _, _, price in found]
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "average": exactly(lambda: sum(prices, Decimal(0)) / len(prices)),
        "samples": len(prices),
    }


def assert_equal(
    rows: dict[tuple[str, dt.datetime], Row], expected: dict[str, list[Sample]], minutes: int = 10
) -> None:
    wanted = {
        (coin, time): row for coin, samples in expected.items() for time, row in by_hand(samples, minutes).items()
    }
    assert rows.keys() == wanted.keys()
    for key, row in wanted.items():
        assert {name: rows[key][name] for name in row} == row, key


def random_samples(draw: random.Random, count: int, spread: float = 3 * 3600) -> list[Sample]:
    """Draw prices of all sizes with 18 places, at whole seconds so that many share their time."""
    prices = (Decimal(draw.randrange(1, 10 ** draw.randint(1, 28))).scaleb(-18) for _ in range(count))
    return [(at(draw.randrange(int(spread))), tie, price) for tie, price in enumerate(prices)]


def test_quotes_of_random_coins_equal_the_brute_force_to_the_last_digit(spark: SparkSession, tmp_path: Path) -> None:
    draw = random.Random(20261122)
    expected = {coin: random_samples(draw, 400) for coin in ("BTC", "ETH", "1INCH")}
    rows = [
        quote((time - NOON).total_seconds(), f"{price:f}", tie, coin=coin)
        for coin, samples in expected.items()
        for time, tie, price in samples
    ]
    rows += [quote(60, "1e9", 1, coin="BTC", repeat=True)]
    draw.shuffle(rows)
    samples = quotes_of(spark, tmp_path, rows).read().transform(quote_candles)
    for interval, minutes in INTERVALS.items():
        candles = built(samples, interval)
        assert_equal(candles, expected, minutes)
        length = dt.timedelta(minutes=minutes)
        assert {row["close_time"] - row["open_time"] for row in candles.values()} == {length}
        assert {row["expected"] for row in candles.values()} == {minutes}


def test_each_wallex_market_is_a_series_and_a_poll_without_a_price_is_no_sample(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [
        ticker(0, "5", 1),
        ticker(60, None, 2),
        ticker(120, "4", 3),
        ticker(120, "9", 4, repeat=True),
        ticker(0, "7", 5, symbol="BTCUSDT", quote="USDT"),
    ]
    candles = plan(tickers_of(spark, tmp_path, rows).read().transform(ticker_candles), RULES).where("interval = '10m'")
    found = {
        (row["venue"], row["coin"], row["quote"]): (row["open"], row["close"], row["samples"])
        for row in candles.collect()
    }
    assert found == {("wallex", "BTC", "TMN"): (5, 4, 2), ("wallex", "BTC", "USDT"): (7, 7, 1)}


def test_ties_in_event_time_are_broken_by_the_offset(spark: SparkSession, tmp_path: Path) -> None:
    rows = [quote(60, "3", 12), quote(60, "1", 10), quote(60, "2", 11)]
    (candle,) = built(quotes_of(spark, tmp_path, rows).read().transform(quote_candles)).values()
    assert (candle["open"], candle["close"]) == (1, 3)


def test_the_average_is_rounded_half_up_at_18_places(spark: SparkSession, tmp_path: Path) -> None:
    # (1e-18 + 2e-18) / 2 = 1.5e-18 -> 2e-18; half even would say 2e-18 too, so 2.5e-18 -> 3e-18 is there as well.
    rows = [quote(0, "1e-18", 1), quote(1, "2e-18", 2), quote(600, "2e-18", 3), quote(601, "3e-18", 4)]
    candles = built(quotes_of(spark, tmp_path, rows).read().transform(quote_candles))
    assert [candles["BTC", at(second)]["average"] for second in (0, 600)] == [Decimal("2e-18"), Decimal("3e-18")]


def test_intervals_start_at_whole_ten_minutes_and_end_before_the_next(spark: SparkSession, tmp_path: Path) -> None:
    rows = [quote(599.999, "1", 1), quote(600, "2", 2), quote(-0.001, "3", 3)]
    candles = built(quotes_of(spark, tmp_path, rows).read().transform(quote_candles))
    assert {time: row["close"] for (_, time), row in candles.items()} == {at(0): 1, at(600): 2, at(-600): 3}
    assert all(row["close_time"] - row["open_time"] == dt.timedelta(minutes=10) for row in candles.values())


def test_a_candle_with_all_its_samples_is_complete_and_one_with_fewer_is_not(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [quote(60 * minute, "1", minute) for minute in range(19)]
    candles = built(quotes_of(spark, tmp_path, rows).read().transform(quote_candles))
    found = {time: (row["samples"], row["expected"], row["complete"]) for (_, time), row in candles.items()}
    assert found == {at(0): (10, 10, True), at(600): (9, 10, False)}


def test_what_a_source_does_not_give_stays_null(spark: SparkSession, tmp_path: Path) -> None:
    (candle,) = built(quotes_of(spark, tmp_path, [quote(0, "1", 1)]).read().transform(quote_candles)).values()
    assert [candle[name] for name in ("volume", "quote_volume", "vwap", "trades")] == [None] * 4


def test_volumes_and_trades_are_summed_and_vwap_is_their_quotient(spark: SparkSession) -> None:
    rows = [
        _sample(0, "5", volume="2", quote_volume="10", trades=3),
        _sample(60, "6", volume="1", quote_volume="6", trades=4),
    ]
    for row in plan(frame(spark, rows, SAMPLES), RULES).collect():
        assert (row["volume"], row["quote_volume"], row["trades"]) == (3, 16, 7)
        assert row["vwap"] == Decimal("5.333333333333333333")


def test_a_sum_of_which_one_value_is_not_given_is_null(spark: SparkSession) -> None:
    rows = [_sample(0, "5", volume="2", quote_volume="10", trades=3), _sample(60, "6", volume="1")]
    for row in plan(frame(spark, rows, SAMPLES), RULES).collect():
        assert (row["volume"], row["quote_volume"], row["vwap"], row["trades"]) == (3, None, None, None)


def _sample(
    second: float, price: str, volume: str | None = None, quote_volume: str | None = None, trades: int | None = None
) -> Row:
    value = Decimal(price)
    return {
        **{"venue": "v", "coin": "BTC", "quote": "USD", "open_time": at(second), "tie": 0},
        **dict.fromkeys(("open", "high", "low", "close", "price_sum"), value),
        "volume": None if volume is None else Decimal(volume),
        "quote_volume": None if quote_volume is None else Decimal(quote_volume),
        "trades": trades,
        "samples": 1,
    }


def test_a_roll_up_of_roll_ups_equals_one_roll_up(spark: SparkSession) -> None:
    draw = random.Random(3)
    rows = [
        {**_sample(0, "1", volume=str(draw.randrange(9)), trades=1), "open_time": time, "tie": tie}
        | dict.fromkeys(("open", "high", "low", "close", "price_sum"), price)
        for time, tie, price in random_samples(draw, 600)
    ]
    samples = frame(spark, rows, SAMPLES).cache()
    by = ("venue", "coin", "quote", "open_time")
    once = roll_up(samples, 60).orderBy(*by).collect()
    assert len(once) == 3
    assert roll_up(roll_up(samples, 10), 10, 60, 1440).where("minutes = 60").orderBy(*by).collect() == once
    assert roll_up(roll_up(samples, 10), 60).orderBy(*by).collect() == once
    assert roll_up(roll_up(roll_up(samples, 5), 20), 60).orderBy(*by).collect() == once


def test_a_sum_that_does_not_fit_has_no_average_and_stops_nothing(spark: SparkSession, tmp_path: Path) -> None:
    rows = [quote(second, "99999999999999999999", second) for second in range(3)]
    (candle,) = built(quotes_of(spark, tmp_path, rows).read().transform(quote_candles)).values()
    assert candle["high"] == Decimal("99999999999999999999")
    assert candle["average"] in (None, Decimal("99999999999999999999"))


def snapshot(second: float, market: str, ticker_second: float, base_tmn: str | None) -> Row:
    return {
        **{"coin": "BTC", "event_time": at(second), "market": market, "market_quote": "TMN", "cmc_id": 1},
        **{"ticker_time": at(ticker_second), "price_usd": Decimal(1), "market_cap": None, "price": Decimal(1)},
        **{"usdt_tmn": None, "base_tmn": None if base_tmn is None else Decimal(base_tmn), "price_tmn": None},
        **{"premium": None, "binance_time": None, "binance_price": None, "premium_binance": None},
        **{"implied_usdt_tmn": None, "quote_offset": 1, "ticker_offset": 1, "date": at(second).date()},
    }


def test_a_base_price_is_one_sample_per_quote_from_the_nearest_poll(spark: SparkSession) -> None:
    rows = [
        snapshot(0, "BTCTMN", 10, "1"),
        snapshot(0, "BTCUSDT", -5, "2"),
        snapshot(60, "BTCTMN", 65, "4"),
        snapshot(60, "BTCUSDT", 55, "3"),
        snapshot(120, "BTCUSDT", 121, "6"),
        snapshot(120, "BTCTMN", 121, "5"),
        snapshot(180, "BTCTMN", 180, None),
    ]
    samples = frame(spark, rows, MARKET_SNAPSHOTS.schema).transform(base_candles).orderBy("open_time").collect()
    # Nearest; then, as near, the earlier poll; then, of one poll, the market that is first by its name.
    assert [row["open"] for row in samples] == [2, 3, 5]
    assert {(row["venue"], row["coin"], row["quote"]) for row in samples} == {("base_tmn", "BTC", "TMN")}


def test_new_rows_name_the_stretches_that_are_to_be_computed_again(spark: SparkSession) -> None:
    rows = [("a", at(0)), ("a", at(599)), ("a", at(600)), ("a", at(3000)), ("b", at(61))]
    touched = touched_spans(frame(spark, rows, "venue string, event_time timestamp"), 10)
    assert {venue: [tuple(span) for span in spans] for venue, spans in touched.items()} == {
        "a": [(at(0), at(1200)), (at(3000), at(3600))],
        "b": [(at(0), at(600))],
    }
