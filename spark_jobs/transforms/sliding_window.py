"""Sliding windows over prices, told anew with each price that falls into them."""

from dataclasses import dataclass

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from spark_jobs.columns.exact import PRICE, divide, multiply

SYMBOL = ("venue", "symbol", "base", "quote")
SHORTEST_KLINE = "1m"
PUSHED_EVERY_MS = 4000
"""An open kline is pushed every 2 s; in twice as long before a window lies the push that its volume counts from."""


@dataclass(frozen=True)
class Sliding:
    """Windows of `length_ms`, one beginning every `slide_ms` since 1970-01-01 UTC; a start is in, an end is not."""

    length_ms: int
    slide_ms: int

    def of(self, moment: Column, *, before_ms: int = 0) -> Column:
        """Return each window that holds a moment, `before_ms` longer at its start."""
        return F.window(moment, f"{self.length_ms + before_ms} milliseconds", f"{self.slide_ms} milliseconds")


def average_trades(trades: DataFrame, windows: Sliding) -> DataFrame:
    """Average the prices of aggregate trades by symbol and window; `vwap` is notional / quantity.

    In: the columns of AggTrade, and kafka_time. Out: as `_told`. What is newest is so by agg_trade_id: the venue
    numbers the trades of a symbol as they happen.
    """
    order = F.col("agg_trade_id")
    # Once for each trade, and not again for each of its windows: exact products take time.
    trades = trades.withColumn("notional", multiply(F.col("price"), F.col("quantity")))
    return _told(
        trades.withColumn("window", windows.of(F.col("event_time")))
        .groupBy("window", *SYMBOL)
        .agg(
            *_newest(order, F.lit(True)),
            F.try_sum("price").alias("price_sum"),
            F.max_by("price", order).alias("last"),
            F.count("*").alias("count"),
            divide(F.try_sum("notional").try_cast(PRICE), F.try_sum("quantity").try_cast(PRICE)).alias("vwap"),
        ),
        windows,
    )


def average_klines(klines: DataFrame, windows: Sliding) -> DataFrame:
    """Average the closes of pushed 1-minute klines by symbol and window.

    A push tells the volume since its kline opened, so a window's volume is what each of its klines (at most two) had
    at the window's last push less what it had at the last push before the window; `vwap` is the quote volume so
    counted divided by the volume, null where nothing was traded or no push before the window is known.

    In: the columns of Kline, and kafka_time. Out: as `_told`. What is newest is so by (event_time, open_time).
    """
    # One number, which Spark keeps in place where it would sort by a struct: of two klines that are pushed at one time
    # the older one has ended.
    order = 2 * F.unix_millis("event_time") + (F.col("close_time") > F.col("event_time")).cast("bigint")
    pushes = klines.where(F.col("interval") == SHORTEST_KLINE).withColumn(
        "window", windows.of(F.col("event_time"), before_ms=PUSHED_EVERY_MS)
    )
    end = F.col("window.end")
    start = F.timestamp_millis(F.unix_millis(end) - windows.length_ms)
    inside = F.col("event_time") >= start
    # A kline that ends before the window does is the older of the two that a window can hold.
    older = F.col("close_time") < end
    ages = {"older": older, "newer": ~older}
    totals = {
        f"{name}_{age}_{when}": F.max(F.when(is_age & is_when, F.col(name).cast(PRICE)))
        for name in ("volume", "quote_volume")
        for age, is_age in ages.items()
        for when, is_when in (("before", ~inside), ("inside", inside))
    }
    opened = {f"opened_{age}": F.min(F.when(is_age, F.col("open_time"))) for age, is_age in ages.items()}
    summed = (
        pushes.groupBy("window", *SYMBOL)
        .agg(
            *_newest(order, inside),
            F.try_sum(F.when(inside, F.col("close"))).alias("price_sum"),
            F.max_by("close", F.when(inside, order)).alias("last"),
            F.count_if(inside).alias("count"),
            *(column.alias(name) for name, column in {**totals, **opened}.items()),
        )
        .where(F.col("count") > 0)
    )
    volume, quote_volume = (_traded(name, windows) for name in ("volume", "quote_volume"))
    return _told(summed.withColumn("vwap", F.when(volume > 0, divide(quote_volume, volume))), windows)


def _traded(name: str, windows: Sliding) -> Column:
    """Add up what the klines of a window traded in it; null where that is not known of one of them."""
    reach = F.timestamp_millis(F.unix_millis("window.end") - (windows.length_ms + PUSHED_EVERY_MS))
    parts = []
    for age in ("older", "newer"):
        inside, before = F.col(f"{name}_{age}_inside"), F.col(f"{name}_{age}_before")
        opened_since = F.when(F.col(f"opened_{age}") >= reach, F.lit(0).cast(PRICE))
        parts.append(
            F.when(inside.isNull(), F.lit(0).cast(PRICE)).otherwise(
                (inside - F.coalesce(before, opened_since)).try_cast(PRICE)
            )
        )
    return (parts[0] + parts[1]).try_cast(PRICE)


def _newest(order: Column, inside: Column) -> list[Column]:
    """Take the times of the newest event of a window."""
    return [
        F.max(F.when(inside, F.col("event_time"))).alias("newest_event_time"),
        F.max_by("ingest_time", F.when(inside, order)).alias("newest_ingest_time"),
        F.max_by("kafka_time", F.when(inside, order)).alias("broker_time"),
    ]


def _told(averaged: DataFrame, windows: Sliding) -> DataFrame:
    """Give the columns of MovingAverage; the mean is rounded half up at 18 places."""
    return averaged.select(
        "venue",
        F.col("newest_event_time").alias("event_time"),
        F.col("newest_ingest_time").alias("ingest_time"),
        "broker_time",
        "symbol",
        "base",
        "quote",
        F.timestamp_millis(F.unix_millis("window.end") - windows.length_ms).alias("window_start"),
        F.col("window.end").alias("window_end"),
        F.try_divide(F.col("price_sum").try_cast(PRICE), F.col("count").cast("decimal(20,0)")).alias("mean"),
        "vwap",
        "last",
        "count",
    )
