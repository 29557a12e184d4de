"""Total market cap per interval: each coin's newest quote, if it is young enough, summed."""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from spark_jobs.columns.exact import PRICE, divide
from spark_jobs.transforms.roll_up import bucket_of, interval_name


def total_market_cap(quotes: DataFrame, minutes: int, max_age_minutes: int) -> DataFrame:
    """Sum, at the end of each interval, every coin's newest market cap that is at most `max_age_minutes` old.

    Takes quotes with cmc_id, coin, event_time, market_cap, kafka_offset and repeat; gives rows of the `market_cap`
    table. An interval in which no quote happened has no row. A quote counts in every interval that ends after it and at
    most `max_age_minutes` later; a quote at the very end of an interval belongs to the next one. A sum that does not
    fit its decimal is null. Batch only.
    """
    counted = quotes.where(~F.col("repeat") & F.col("market_cap").isNotNull())
    opens = counted.select(bucket_of(F.col("event_time"), minutes).alias("open_time")).distinct()
    candidates = counted.select(
        "cmc_id",
        "coin",
        "market_cap",
        "event_time",
        "kafka_offset",
        F.explode(_intervals_reached(minutes, max_age_minutes)).alias("open_time"),
    )
    close_time = F.col("open_time") + F.expr(f"INTERVAL {minutes} MINUTES")
    newest = (
        candidates.groupBy("open_time", "cmc_id")
        .agg(
            F.max_by(
                F.struct("market_cap", "coin", "event_time"),
                F.struct(F.col("event_time"), -F.col("kafka_offset")),
            ).alias("quote")
        )
        .select("open_time", "cmc_id", "quote.*")
    )
    totals = newest.groupBy("open_time").agg(
        F.try_sum("market_cap").alias("market_cap"),
        F.count("*").alias("coins"),
        F.min("event_time").alias("oldest"),
        F.max_by(F.struct("coin", "market_cap"), F.struct(F.col("market_cap"), -F.col("cmc_id"))).alias("largest"),
    )
    return totals.join(F.broadcast(opens), on="open_time", how="left_semi").select(
        "open_time",
        close_time.alias("close_time"),
        F.lit(interval_name(minutes)).alias("interval"),
        F.col("market_cap").try_cast("decimal(38,8)").alias("market_cap"),
        "coins",
        (F.unix_seconds(close_time) - F.unix_seconds("oldest")).alias("oldest_age_seconds"),
        F.col("largest.coin").alias("largest_coin"),
        divide(F.col("largest.market_cap").try_cast(PRICE), F.col("market_cap").try_cast(PRICE)).alias("dominance"),
        F.to_date("open_time").alias("date"),
    )


def _intervals_reached(minutes: int, max_age_minutes: int) -> Column:
    """List the starts of the intervals in whose total a quote may count.

    An interval [open, close) counts a quote with close - max_age <= event_time < close. Null where none does: the age
    may be shorter than an interval.
    """
    length = F.expr(f"INTERVAL {minutes} MINUTES")
    first = bucket_of(F.col("event_time"), minutes)
    last = bucket_of(F.col("event_time") + F.expr(f"INTERVAL {max_age_minutes - minutes} MINUTES"), minutes)
    return F.when(last >= first, F.sequence(first, last, length))
