"""The exchange's own candles and those made of its trades, each row a 1-minute candle of one series.

A series is (venue, coin, quote). Both count minutes as their samples and the close of a minute as its price, so that
averages, `samples` and `expected` of one equal those of the other where every minute had a trade.
"""

import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from spark_jobs.columns.exact import PRICE, multiply
from spark_jobs.transforms.roll_up import BINANCE, BINANCE_TRADES, bucket_of

MINUTE = "1m"
_IMPORTED = 1 << 62
"""Above every Kafka offset."""


def one_minute(klines: DataFrame) -> DataFrame:
    """Keep the closed 1-minute klines: no other makes a candle. Klines of files are all closed, and do not say so."""
    closed = F.col("closed") if "closed" in klines.columns else F.lit(True)
    return klines.where(closed & (F.col("interval") == MINUTE))


def kline_candles(klines: DataFrame) -> DataFrame:
    """Make candles of klines, of which each closed minute is there once."""
    return _minutes(klines.transform(one_minute), BINANCE)


def one_of_each_trade(landed: DataFrame, imported: DataFrame) -> DataFrame:
    """Take each aggregate trade of both bronze tables once: base, quote, agg_trade_id and what happened.

    Of one that is in both, or in several files, the landed one stands, then any one of the files' (chosen by hash, so
    always the same). Its `notional` is price x quantity, its `trades` are last id - first id + 1.
    """
    columns = ("event_time", "price", "quantity", "first_trade_id", "last_trade_id")
    key = ("base", "quote", "agg_trade_id")
    from_kafka = landed.where(~F.col("repeat")).select(*key, *columns, F.col("kafka_offset").alias("origin"))
    hashed = F.shiftrightunsigned(F.xxhash64("file_sha256", "file_row"), 2)
    from_files = imported.select(*key, *columns, (F.lit(_IMPORTED) + hashed).alias("origin"))
    # Each value by a number: Spark then finds it by hashing. A struct would sort all rows by their text.
    once = (
        from_kafka.unionByName(from_files)
        .groupBy(*key)
        .agg(*(F.min_by(name, F.col("origin")).alias(name) for name in columns))
    )
    return once.select(
        *key,
        *("event_time", "price", "quantity"),
        multiply(F.col("price"), F.col("quantity")).alias("notional"),
        (F.col("last_trade_id") - F.col("first_trade_id") + 1).alias("trades"),
    )


def trade_candles(trades: DataFrame) -> DataFrame:
    """Make 1-minute candles of trades, of which each is there once; a minute without a trade has none.

    Open is the price of the least aggregate id, close that of the greatest.
    """
    minutes = (
        trades.withColumn("open_time", bucket_of(F.col("event_time"), 1))
        .groupBy("base", "quote", "open_time")
        .agg(
            F.min_by("price", "agg_trade_id").alias("open"),
            F.max("price").alias("high"),
            F.min("price").alias("low"),
            F.max_by("price", "agg_trade_id").alias("close"),
            F.try_sum("quantity").alias("volume"),
            F.try_sum("notional").alias("quote_volume"),
            F.try_sum("trades").alias("trades"),
        )
    )
    return _minutes(minutes, BINANCE_TRADES)


def _minutes(rows: DataFrame, venue: str) -> DataFrame:
    return rows.select(
        F.lit(venue).alias("venue"),
        F.col("base").alias("coin"),
        "quote",
        "open_time",
        F.lit(0).cast("bigint").alias("tie"),
        *("open", "high", "low", "close"),
        F.col("close").alias("price_sum"),
        "volume",
        F.col("quote_volume").try_cast(PRICE).alias("quote_volume"),
        "trades",
        F.lit(1).cast("bigint").alias("samples"),
    )
