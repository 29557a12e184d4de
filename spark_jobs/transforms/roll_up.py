"""One roll-up makes every larger candle from smaller ones."""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from spark_jobs.columns.exact import PRICE, divide

SERIES = ("venue", "coin", "quote")


def roll_up(candles: DataFrame, minutes: int) -> DataFrame:
    """Roll candles of any length up into candles of `minutes`, aligned to 1970-01-01 UTC.

    In and out: venue, coin, quote, open_time, tie, open, high, low, close, price_sum, volume, quote_volume, trades,
    samples. A price sample is a candle of zero length. Open is the first by (open_time, tie), close the last. Sums of
    values that a source does not give stay null. Rolling up rolled-up candles equals rolling up once.
    """
    first, last = F.struct("open_time", "tie"), F.struct("open_time", "tie")
    return (
        candles.withColumn("bucket", bucket_of(F.col("open_time"), minutes))
        .groupBy(*SERIES, "bucket")
        .agg(
            F.min_by("open", first).alias("open"),
            F.max("high").alias("high"),
            F.min("low").alias("low"),
            F.max_by("close", last).alias("close"),
            F.try_sum("price_sum").alias("price_sum"),
            F.try_sum("volume").alias("volume"),
            F.try_sum("quote_volume").alias("quote_volume"),
            F.try_sum("trades").alias("trades"),
            F.try_sum("samples").alias("samples"),
        )
        .select(
            *SERIES,
            F.col("bucket").alias("open_time"),
            F.lit(0).cast("bigint").alias("tie"),
            *("open", "high", "low", "close", "price_sum", "volume", "quote_volume", "trades", "samples"),
        )
    )


def finish(candles: DataFrame, minutes: int, sample_seconds: int) -> DataFrame:
    """Turn rolled-up candles into rows of the `candles` table.

    average = price_sum / samples, rounded half up at 18 places. vwap = quote_volume / volume. `expected` is the number
    of samples that an interval without a hole has; a candle is `complete` when it has at least that many.
    """
    expected = F.lit(minutes * 60 // sample_seconds).cast("bigint")
    return candles.select(
        *SERIES,
        F.lit(interval_name(minutes)).alias("interval"),
        "open_time",
        (F.col("open_time") + F.expr(f"INTERVAL {minutes} MINUTES")).alias("close_time"),
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


def bucket_of(moment: Column, minutes: int) -> Column:
    """Floor a time to the start of its interval, aligned to 1970-01-01 UTC.

    Raises nothing; intervals must divide a day to start at the same time every day.
    """
    length = minutes * 60_000
    millis = F.unix_millis(moment)
    return F.timestamp_millis(millis - F.pmod(millis, F.lit(length)))


def interval_name(minutes: int) -> str:
    """Name an interval the way the field does.

    >>> [interval_name(minutes) for minutes in (1, 10, 60, 240, 1440)]
    ['1m', '10m', '1h', '4h', '1d']
    """
    if minutes % 1440 == 0:
        return f"{minutes // 1440}d"
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
