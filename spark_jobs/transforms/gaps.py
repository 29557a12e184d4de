"""Every state of every hole -> one row per hole."""

import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from contracts.tables import GAPS


def newest_gaps(states: DataFrame) -> DataFrame:
    """Keep the newest state of each hole, a row of the table `gaps`: of bronze `ingest_gaps` the highest offset."""
    said = [name for name in GAPS.schema.names if name not in (*GAPS.identity, "date")]
    return (
        states.groupBy(*GAPS.identity)
        .agg(F.max_by(F.struct(*said), "kafka_offset").alias("state"))
        .select(*GAPS.identity, "state.*", F.to_date("from_time").alias("date"))
        .select(*GAPS.schema.names)
    )
