"""Which rows say nothing new, and which come too late for the streams."""

import datetime as dt
from collections.abc import Sequence
from functools import reduce

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from contracts.tables import REPEAT


def mark_repeats(rows: DataFrame, landed: DataFrame, identity: Sequence[str]) -> DataFrame:
    """Add `repeat`: true where an earlier offset says the same event (has the same identity).

    `landed` are the rows of the table these rows go to, at least those with the same event times. Repeats come from
    a venue's cache and from restarts; the first one stands. Batch only: it compares the rows of one micro-batch.
    """
    known = landed.where(~F.col(REPEAT.name))
    seen = known.select(*(F.col(name).alias(f"_{name}") for name in identity), F.lit(True).alias("_seen"))
    placed = rows.withColumn("_place", _place())
    # One number for the place, so that the first one is found by hashing: a window would sort all rows by their text.
    first = placed.groupBy(*identity).agg(F.min("_place").alias("_place")).select("_place", F.lit(True).alias("_first"))
    return (
        placed.join(first, on="_place", how="left")
        .join(seen, on=_same(identity), how="left")
        .withColumn(REPEAT.name, F.col("_first").isNull() | F.col("_seen").isNotNull())
        .drop("_place", "_first", "_seen", *(f"_{name}" for name in identity))
    )


def _place() -> Column:
    """Number the places of a topic in one order: by partition, then by offset (of which 48 bits are enough)."""
    return F.shiftleft(F.col("kafka_partition").cast("bigint"), 48) + F.col("kafka_offset")


def without(rows: DataFrame, landed: DataFrame, identity: Sequence[str]) -> DataFrame:
    """Leave out the rows whose identity a table already holds."""
    known = landed.select(*(F.col(name).alias(f"_{name}") for name in identity))
    return rows.join(known, on=_same(identity), how="left_anti")


def late_before(newest_before: dt.datetime | None, lateness_seconds: float) -> dt.datetime | None:
    """Return the event time before which a new row is late: its lateness before the newest row landed earlier.

    None where nothing is late: the table is empty, or nothing waits for its rows (an infinite lateness).
    """
    if newest_before is None or lateness_seconds == float("inf"):
        return None
    return newest_before - dt.timedelta(seconds=lateness_seconds)


def late(cut_off: dt.datetime) -> Column:
    """Say whether a row is new and yet older than the cut-off."""
    return ~F.col(REPEAT.name) & (F.col("event_time") < F.lit(cut_off))


def _same(identity: Sequence[str]) -> Column:
    return reduce(lambda a, b: a & b, (F.col(name).eqNullSafe(F.col(f"_{name}")) for name in identity))
