"""What Binance said when a joined row happened: an outer side of the market join, looked up when a row closes.

Its oracle is `pandas.merge_asof(direction="nearest", tolerance=30 s)` per coin.
"""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from spark_jobs.columns.exact import PRICE, divide, multiply, over
from spark_jobs.transforms.market_join import bucket_of_quote, buckets_of

QUOTE = "USDT"


def look_up(snapshots: DataFrame, tickers: DataFrame, tolerance_seconds: int) -> DataFrame:
    """Add binance_time and binance_price: the nearest poll of coin/USDT, the earlier one on a tie; null without one.

    Takes rows of `market_snapshots` without the columns of Binance and rows of bronze `binance_ticker`. The polls of a
    coin and bucket are one list, so every row meets one list, stays one row, and is read once: this is why a
    stream's batch may be given. Batch only.
    """
    lists = (
        tickers.where(~F.col("repeat") & (F.col("quote") == QUOTE))
        .select(
            F.col("base").alias("_base"),
            F.explode(buckets_of("event_time", tolerance_seconds)).alias("_bucket"),
            F.struct(
                F.unix_millis("event_time").alias("ms"),
                F.col("kafka_offset").alias("offset"),
                F.col("price").alias("price"),
            ).alias("poll"),
        )
        .groupBy("_base", "_bucket")
        .agg(F.collect_list("poll").alias("_polls"))
    )
    same = (F.col("coin") == F.col("_base")) & (bucket_of_quote("event_time") == F.col("_bucket"))
    found = snapshots.join(lists, on=same, how="left").withColumn(
        "_nearest", _nearest(F.unix_millis("event_time"), F.col("_polls"), tolerance_seconds * 1000)
    )
    return found.withColumns(
        {"binance_time": F.timestamp_millis("_nearest.ms"), "binance_price": F.col("_nearest.price")}
    ).drop("_base", "_bucket", "_polls", "_nearest")


def without_binance(snapshots: DataFrame) -> DataFrame:
    """Add binance_time and binance_price as they are where Binance said nothing: null."""
    return snapshots.withColumns(
        {"binance_time": F.lit(None).cast("timestamp"), "binance_price": F.lit(None).cast(PRICE)}
    )


def compare(snapshots: DataFrame) -> DataFrame:
    """Add the premium of a market over Binance and the toman rate that both imply.

    premium_binance = price_tmn / (binance_price * usdt_tmn) - 1. implied_usdt_tmn = price_tmn / binance_price: how many
    toman a USDT is worth to who buys the coin there and sells it here.
    """
    abroad = multiply(F.col("binance_price"), F.col("usdt_tmn"))
    return snapshots.withColumns(
        {
            "premium_binance": over(F.col("price_tmn"), abroad),
            "implied_usdt_tmn": divide(F.col("price_tmn"), F.col("binance_price")),
        }
    )


def _nearest(ms: Column, polls: Column, tolerance_ms: int) -> Column:
    def ranked(poll: Column) -> Column:
        return F.struct(F.abs(poll["ms"] - ms).alias("distance"), poll["ms"].alias("ms"), poll["offset"], poll["price"])

    near = F.filter(F.transform(polls, ranked), lambda poll: poll["distance"] <= tolerance_ms)
    return F.array_min(near)
