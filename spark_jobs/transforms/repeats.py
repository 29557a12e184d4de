"""Which rows say nothing new, and which come too late for the streams."""

import datetime as dt
from collections.abc import Sequence
from functools import reduce

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame, Window

from contracts.tables import REPEAT


def mark_repeats(rows: DataFrame, landed: DataFrame, identity: Sequence[str]) -> DataFrame:
    """Add `repeat`: true where an earlier offset says the same event (has the same identity).

    `landed` are the rows of the table these rows go to, at least those of the same dates. Repeats come from a
    venue's cache and from restarts; the first one stands. Batch only: it ranks the rows of one micro-batch.
    """
    first = Window.partitionBy(*identity).orderBy("kafka_partition", "kafka_offset")
    known = landed.where(~F.col(REPEAT.name))
    seen = known.select(*(F.col(name).alias(f"_{name}") for name in identity), F.lit(True).alias("_seen"))
    return (
        rows.withColumn("_rank", F.row_number().over(first))
        .join(seen, on=_same(identity), how="left")
        .withColumn(REPEAT.name, (F.col("_rank") > 1) | F.col("_seen").isNotNull())
        .drop("_rank", "_seen", *(f"_{name}" for name in identity))
    )


def without(rows: DataFrame, landed: DataFrame, identity: Sequence[str]) -> DataFrame:
    """Leave out the rows whose identity a table already holds."""
    known = landed.select(*(F.col(name).alias(f"_{name}") for name in identity))
    return rows.join(known, on=_same(identity), how="left_anti")


def late(newest_before: dt.datetime | None, lateness_seconds: float) -> Column:
    """Say whether a row is new and yet older than the newest one landed before by more than its lateness."""
    if newest_before is None or lateness_seconds == float("inf"):
        return F.lit(False)
    return ~F.col(REPEAT.name) & (F.col("event_time") < F.lit(newest_before - dt.timedelta(seconds=lateness_seconds)))


def _same(identity: Sequence[str]) -> Column:
    return reduce(lambda a, b: a & b, (F.col(name).eqNullSafe(F.col(f"_{name}")) for name in identity))
