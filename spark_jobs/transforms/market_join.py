"""The market join: each coin quote with the nearest ticker of every market of that coin.

Reads as a stream-stream join and runs as a batch join too. Its oracle is
`pandas.merge_asof(direction="nearest", tolerance=30 s)` per market.
"""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from spark_jobs.columns.exact import PRICE, multiply, over

BUCKET_SECONDS = 300
"""A ticker within the tolerance of a bucket's edge is copied into two: the wider the buckets, the fewer copies are kept
as state, and the more rows each quote is compared with. At 300 s a poll a minute makes 1.2 copies and 5 rows. It
is in the key of the state: a join that goes on from a checkpoint made with another width loses what was open."""


def fresh_quotes(quotes: DataFrame) -> DataFrame:
    """Choose the quotes that join: every event once, with the columns the join needs."""
    return quotes.where(~F.col("repeat")).select(
        "coin",
        "cmc_id",
        "event_time",
        F.col("price").alias("price_usd"),
        "market_cap",
        F.col("kafka_offset").alias("quote_offset"),
    )


def fresh_tickers(tickers: DataFrame) -> DataFrame:
    """Choose the tickers that join: every event once, and only with a price ("-" is null and never joins)."""
    return tickers.where(~F.col("repeat") & F.col("price").isNotNull()).select(
        "base",
        F.col("symbol").alias("market"),
        F.col("quote").alias("market_quote"),
        F.col("event_time").alias("ticker_time"),
        "price",
        "usdt_tmn",
        F.col("kafka_offset").alias("ticker_offset"),
    )


def pair_within(quotes: DataFrame, tickers: DataFrame, tolerance_seconds: int) -> DataFrame:
    """Pair every quote with every ticker of its coin at most `tolerance_seconds` away, each pair once.

    A join on the time range alone rescans all rows of a coin. The equality on 5-minute buckets bounds that: a
    quote has one bucket, and a ticker is copied into each bucket that its time plus and minus the tolerance
    touches, so a pair meets in exactly one. After the join only the quote's time stays a watermarked column; the
    ticker's goes on as a number, so that an aggregation can be chained.
    """
    tolerance = F.expr(f"INTERVAL {tolerance_seconds} SECONDS")
    bucketed_quotes = quotes.withColumn("bucket", bucket_of_quote("event_time"))
    bucketed_tickers = tickers.withColumn("ticker_bucket", F.explode(buckets_of("ticker_time", tolerance_seconds)))
    near = (
        (F.col("coin") == F.col("base"))
        & (F.col("bucket") == F.col("ticker_bucket"))
        & (F.col("ticker_time") >= F.col("event_time") - tolerance)
        & (F.col("ticker_time") <= F.col("event_time") + tolerance)
    )
    return (
        bucketed_quotes.join(bucketed_tickers, on=near, how="inner")
        .withColumn("ticker_ms", F.unix_millis("ticker_time"))
        .drop("bucket", "ticker_bucket", "base", "ticker_time")
    )


def nearest_ticker(pairs: DataFrame) -> DataFrame:
    """Keep, per quote and market, the nearest ticker; the earlier one on a tie, then the one first received."""
    distance = F.abs(F.unix_millis("event_time") - F.col("ticker_ms"))
    chosen = ("cmc_id", "price_usd", "market_cap", "price", "usdt_tmn", "ticker_ms", "quote_offset", "ticker_offset")
    return (
        pairs.groupBy("coin", "event_time", "market", "market_quote")
        .agg(
            F.min_by(
                F.struct(*chosen),
                F.struct(distance.alias("distance"), "ticker_ms", "ticker_offset", "quote_offset"),
            ).alias("nearest")
        )
        .select("coin", "event_time", "market", "market_quote", "nearest.*")
    )


def price_in_toman(snapshots: DataFrame) -> DataFrame:
    """Add the toman base price, the market's price in toman, and the premium of the one over the other.

    base_tmn = price_usd * usdt_tmn (one USD is taken for one USDT). price_tmn = the market's price, times
    usdt_tmn for a USDT market; null for other quotes. premium = price_tmn / base_tmn - 1.
    """
    price_tmn = F.when(F.col("market_quote") == "TMN", F.col("price")).when(
        F.col("market_quote") == "USDT", multiply(F.col("price"), F.col("usdt_tmn"))
    )
    priced = snapshots.withColumn("base_tmn", multiply(F.col("price_usd"), F.col("usdt_tmn"))).withColumn(
        "price_tmn", price_tmn.cast(PRICE)
    )
    return priced.select(
        "coin",
        "event_time",
        "market",
        "market_quote",
        F.timestamp_millis("ticker_ms").alias("ticker_time"),
        "cmc_id",
        "price_usd",
        "market_cap",
        "price",
        "usdt_tmn",
        "base_tmn",
        "price_tmn",
        over(F.col("price_tmn"), F.col("base_tmn")).alias("premium"),
        "quote_offset",
        "ticker_offset",
        F.to_date("event_time").alias("date"),
    )


def bucket_of_quote(time: str) -> Column:
    """Name the one bucket that a quote is in."""
    return _bucket(_seconds(time))


def buckets_of(time: str, tolerance_seconds: int) -> Column:
    """List the buckets in which a ticker may be near a quote: those that its time, plus and minus that, touches."""
    return F.sequence(_bucket(_seconds(time) - tolerance_seconds), _bucket(_seconds(time) + tolerance_seconds))


def _seconds(name: str) -> Column:
    """Floor a time to whole seconds since 1970 (bucket edges are whole seconds, so nothing is lost by it).

    The tolerance is whole seconds too, hence floor(t + tolerance) = floor(t) + tolerance.
    """
    return F.floor(F.unix_millis(name) / 1000)


def _bucket(seconds: Column) -> Column:
    return F.floor(seconds / BUCKET_SECONDS)
