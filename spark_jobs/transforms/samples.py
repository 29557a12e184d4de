"""The price series of the lake, each row a candle of zero length.

A series is (venue, coin, quote). `tie` is the stated second key: among samples of one event time the lower
comes first.
"""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

BASE_TMN = "base_tmn"
"""The venue name of the toman base price series, which comes from the join."""


def quote_candles(quotes: DataFrame) -> DataFrame:
    """CoinMarketCap's own prices: (coin_market_cap, coin, USD), one sample per event, ties by offset."""
    return _candles(
        quotes.where(~F.col("repeat")),
        F.col("venue"),
        F.col("coin"),
        F.col("quote"),
        F.col("price"),
        F.col("kafka_offset"),
    )


def ticker_candles(tickers: DataFrame) -> DataFrame:
    """Each Wallex market's own prices: (wallex, base, quote), ties by offset; no price, no sample."""
    priced = tickers.where(~F.col("repeat") & F.col("price").isNotNull())
    return _candles(priced, F.col("venue"), F.col("base"), F.col("quote"), F.col("price"), F.col("kafka_offset"))


def base_candles(snapshots: DataFrame) -> DataFrame:
    """The toman base prices: (base_tmn, coin, TMN), one sample per (coin, quote event time).

    However many markets a quote met, its sample comes from the nearest poll: least distance, then the
    earlier poll, then the market's name.
    """
    priced = snapshots.where(F.col("base_tmn").isNotNull())
    distance = F.abs(F.unix_millis("event_time") - F.unix_millis("ticker_time"))
    nearest = priced.groupBy("coin", "event_time").agg(
        F.min_by("base_tmn", F.struct(distance, F.col("ticker_time"), F.col("market"))).alias("price")
    )
    return _candles(nearest, F.lit(BASE_TMN), F.col("coin"), F.lit("TMN"), F.col("price"), F.lit(0))


def _candles(rows: DataFrame, venue: Column, coin: Column, quote: Column, price: Column, tie: Column) -> DataFrame:
    return rows.select(
        venue.alias("venue"),
        coin.alias("coin"),
        quote.alias("quote"),
        F.col("event_time").alias("open_time"),
        tie.cast("bigint").alias("tie"),
        price.alias("open"),
        price.alias("high"),
        price.alias("low"),
        price.alias("close"),
        price.alias("price_sum"),
        F.lit(None).cast("decimal(38,18)").alias("volume"),
        F.lit(None).cast("decimal(38,18)").alias("quote_volume"),
        F.lit(None).cast("bigint").alias("trades"),
        F.lit(1).cast("bigint").alias("samples"),
    )
