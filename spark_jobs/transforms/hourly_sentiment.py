"""Scored posts and candles -> what was said of a coin in each hour, beside its price."""

from decimal import Decimal

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from contracts.tables import HOURLY_SENTIMENT
from spark_jobs.columns.exact import PRICE, divide, multiply, over
from spark_jobs.transforms.roll_up import BINANCE, bucket_of, interval_name

HOUR_MINUTES = 60
POSITIVE, NEGATIVE = Decimal("0.05"), Decimal("-0.05")
"""From which compound score on a text counts as positive or negative: the thresholds that VADER's authors give."""
SERIES = ((BINANCE, "USDT"), ("coin_market_cap", "USD"))
"""The candles that an hour is shown beside (venue, quote): of these the first that has it."""


def by_hour(posts: DataFrame) -> DataFrame:
    """Count posts and average their sentiment by coin and hour.

    Takes coin, event_time, compound, followers, spam and near_duplicate_of; gives coin, open_time and the columns of
    `hourly_sentiment` that speak of posts. Means and shares are of the posts that have a score, null where there is
    none, rounded half up at 18 places: `weighted_sentiment` gives a post the weight 1 + log10(1 + followers), rounded
    to 6 places, so that ten times the readers count as one post more; followers that are not told are none.
    `originals` are the scored posts that are neither spam nor near-duplicates. Sums are exact, whatever the order.
    """
    compound = F.col("compound").cast(PRICE)
    original = ~F.col("spam") & F.col("near_duplicate_of").isNull() & compound.isNotNull()
    weight = F.round(1 + F.log10(1 + F.coalesce("followers", F.lit(0))), 6).cast(PRICE)
    return (
        posts.withColumn("open_time", bucket_of(F.col("event_time"), HOUR_MINUTES))
        .withColumn("weight", F.when(compound.isNotNull(), weight))
        .groupBy("coin", "open_time")
        .agg(
            F.count("*").alias("posts"),
            F.count_if("spam").alias("spam"),
            F.count("near_duplicate_of").alias("near_duplicates"),
            F.count("compound").alias("scored"),
            _mean(compound).alias("mean_sentiment"),
            divide(F.sum(multiply(F.col("weight"), compound)).cast(PRICE), F.sum("weight").cast(PRICE)).alias(
                "weighted_sentiment"
            ),
            _mean((compound >= POSITIVE).cast(PRICE)).alias("share_positive"),
            _mean((compound <= NEGATIVE).cast(PRICE)).alias("share_negative"),
            F.count_if(original).alias("originals"),
            _mean(F.when(original, compound)).alias("original_sentiment"),
        )
    )


def beside_candles(hours: DataFrame, candles: DataFrame) -> DataFrame:
    """Put the candle of the same coin and hour beside each: rows of `hourly_sentiment`.

    Takes rows of `candles`, of which those of an hour and of SERIES count. `price_return` = close / open - 1. An hour
    without such a candle has nulls there.
    """
    preference = F.coalesce(
        *(
            F.when((F.col("venue") == venue) & (F.col("quote") == quote), F.lit(place))
            for place, (venue, quote) in enumerate(SERIES)
        )
    )
    chosen = (
        candles.where(F.col("interval") == interval_name(HOUR_MINUTES))
        .where(preference.isNotNull())
        .groupBy("coin", "open_time")
        .agg(F.min_by(F.struct("venue", "quote", "open", "close", "volume", "complete"), preference).alias("candle"))
        .select("coin", "open_time", "candle.*")
        .withColumn("price_return", over(F.col("close"), F.col("open")).cast(PRICE))
    )
    return (
        hours.join(chosen, on=["coin", "open_time"], how="left")
        .withColumn("close_time", F.col("open_time") + F.expr(f"INTERVAL {HOUR_MINUTES} MINUTES"))
        .withColumn("date", F.to_date("open_time"))
        .select(*HOURLY_SENTIMENT.schema.names)
    )


def _mean(value: Column) -> Column:
    return divide(F.sum(value).cast(PRICE), F.count(value).cast(PRICE))
