"""One roll-up makes every larger candle from smaller ones."""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from spark_jobs.columns.exact import PRICE, divide

SERIES = ("venue", "coin", "quote")
LONGER = (60, 24 * 60)
"""Minutes of the candles that are kept beside those of the chosen length."""
SUMMED = ("price_sum", "volume", "quote_volume", "trades", "samples")
BINANCE, BINANCE_TRADES = "binance", "binance_trades"
BY_MINUTE = (BINANCE, BINANCE_TRADES)
"""The venues whose samples are 1-minute candles: the exchange's own, and those made of its trades."""


def roll_up(candles: DataFrame, *intervals: int) -> DataFrame:
    """Roll candles of any length up into candles of one or more intervals (minutes), aligned to 1970-01-01 UTC.

    In: venue, coin, quote, open_time, tie, open, high, low, close, price_sum, volume, quote_volume, trades, samples.
    Out: the same and `minutes`, the interval. A price sample is a candle of zero length. Open is the first by
    (open_time, tie), close the last. A sum of values of which one is not given is null. Rolling up rolled-up candles
    equals rolling up once.
    """
    first, last = F.struct("open_time", "tie"), F.struct("open_time", "tie")
    minutes = F.lit(intervals[0]) if len(intervals) == 1 else F.explode(F.array(*map(F.lit, intervals)))
    return (
        candles.withColumn("minutes", minutes)
        .withColumn("bucket", bucket_of(F.col("open_time"), F.col("minutes")))
        .groupBy(*SERIES, "minutes", "bucket")
        .agg(
            F.min_by("open", first).alias("open"),
            F.max("high").alias("high"),
            F.min("low").alias("low"),
            F.max_by("close", last).alias("close"),
            *(_sum_of_all(name).alias(name) for name in SUMMED),
        )
        .select(
            *SERIES,
            F.col("bucket").alias("open_time"),
            F.lit(0).cast("bigint").alias("tie"),
            *("open", "high", "low", "close"),
            *SUMMED,
            "minutes",
        )
    )


def _sum_of_all(name: str) -> Column:
    return F.when(F.count(name) == F.count("*"), F.try_sum(name))


def finish(candles: DataFrame, sample_seconds: int) -> DataFrame:
    """Turn rolled-up candles into rows of the `candles` table.

    average = price_sum / samples, rounded half up at 18 places. vwap = quote_volume / volume. `expected` is the number
    of samples that an interval without a hole has: one every `sample_seconds`, and one a minute where a venue's candles
    are made of its 1-minute candles. A candle is `complete` when it has at least that many.
    """
    seconds = F.when(F.col("venue").isin(*BY_MINUTE), F.lit(60)).otherwise(F.lit(sample_seconds))
    expected = F.floor(F.col("minutes") * 60 / seconds)
    return candles.select(
        *SERIES,
        named_interval(F.col("minutes")).alias("interval"),
        "open_time",
        F.timestamp_millis(F.unix_millis("open_time") + F.col("minutes") * 60_000).alias("close_time"),
        *("open", "high", "low", "close"),
        F.try_divide("price_sum", F.col("samples").cast("decimal(20,0)")).try_cast(PRICE).alias("average"),
        F.col("volume").try_cast(PRICE).alias("volume"),
        F.col("quote_volume").try_cast("decimal(38,8)").alias("quote_volume"),
        divide(F.col("quote_volume").try_cast(PRICE), F.col("volume").try_cast(PRICE)).alias("vwap"),
        "trades",
        "samples",
        expected.alias("expected"),
        (F.col("samples") >= expected).alias("complete"),
        F.to_date("open_time").alias("date"),
    )


def bucket_of(moment: Column, minutes: Column | int) -> Column:
    """Floor a time to the start of its interval, aligned to 1970-01-01 UTC.

    Raises nothing; intervals must divide a day to start at the same time every day.
    """
    length = (F.lit(minutes) if isinstance(minutes, int) else minutes) * 60_000
    millis = F.unix_millis(moment)
    return F.timestamp_millis(millis - F.pmod(millis, length))


def intervals_from(minutes: int) -> tuple[int, ...]:
    """List the intervals that candles of this many minutes are rolled up into: themselves, an hour and a day.

    >>> [intervals_from(minutes) for minutes in (1, 10, 45, 60, 1440)]
    [(1, 60, 1440), (10, 60, 1440), (45, 1440), (60, 1440), (1440,)]
    """
    return (minutes, *(longer for longer in LONGER if longer > minutes and longer % minutes == 0))


def interval_name(minutes: int) -> str:
    """Name an interval the way the field does.

    >>> [interval_name(minutes) for minutes in (1, 10, 60, 240, 1440)]
    ['1m', '10m', '1h', '4h', '1d']
    """
    if minutes % 1440 == 0:
        return f"{minutes // 1440}d"
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def named_interval(minutes: Column) -> Column:
    """Name an interval as `interval_name` does."""
    days, hours = (minutes / 1440).cast("int"), (minutes / 60).cast("int")
    return (
        F.when(minutes % 1440 == 0, F.concat(days, F.lit("d")))
        .when(minutes % 60 == 0, F.concat(hours, F.lit("h")))
        .otherwise(F.concat(minutes, F.lit("m")))
    )
