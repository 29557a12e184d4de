"""Every state of every kline that was pushed or imported -> one row per kline."""

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame
from pyspark.sql.types import StringType

from contracts.tables import KLINES


def states_of(landed: DataFrame, imported: DataFrame) -> DataFrame:
    """Bring the rows of both bronze tables into one form, each with its place: an offset, or a file and its row.

    An imported kline counts as closed: files and REST hold no other.
    """
    columns = [name for name in KLINES.schema.names if name not in ("imported", "date")]
    from_kafka = landed.where(~F.col("repeat")).select(
        *columns,
        F.lit(False).alias("imported"),
        F.lit(None).cast(StringType()).alias("file"),
        F.col("kafka_offset").alias("place"),
    )
    from_files = imported.withColumn("closed", F.lit(True)).select(
        *columns, F.lit(True).alias("imported"), F.col("file_sha256").alias("file"), F.col("file_row").alias("place")
    )
    return from_kafka.unionByName(from_files)


def newest_state(states: DataFrame) -> DataFrame:
    """Keep one row per kline, a row of the table `klines`: closed first, then the newest event time.

    Of several such the one that says its quote volume, then the pushed one, then the lowest offset or file and row.
    """
    said = [name for name in KLINES.schema.names if name not in (*KLINES.identity, "date")]
    return (
        states.groupBy(*KLINES.identity)
        .agg(F.min_by(F.struct(*said), _preference()).alias("state"))
        .select(*KLINES.identity, "state.*", F.to_date("open_time").alias("date"))
        .select(*KLINES.schema.names)
    )


def _preference() -> Column:
    return F.struct(
        (~F.col("closed")).alias("open"),
        (-F.unix_millis("event_time")).alias("age"),
        F.col("quote_volume").isNull().alias("says_less"),
        "imported",
        "file",
        "place",
    )
