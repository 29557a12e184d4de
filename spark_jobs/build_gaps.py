"""Build the table `gaps`: every hole as it stands now, built the way candles are."""

from collections.abc import Sequence

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.tables import BRONZE_INGEST_GAPS, GAPS
from spark_jobs.build_candles import touched_spans
from spark_jobs.context import Context
from spark_jobs.edges.lake import Transaction, transaction_of
from spark_jobs.edges.progress import Outcome
from spark_jobs.transforms.gaps import newest_gaps
from spark_jobs.transforms.spans import Span, during, within


def plan(states: DataFrame) -> DataFrame:
    """Turn the rows of bronze `ingest_gaps` into rows of the `gaps` table."""
    return states.transform(newest_gaps)


def start(context: Context) -> list[StreamingQuery]:
    """Start bringing the gaps up to date with what was landed; nothing where there never was one."""
    lake = context.lake
    lake.ensure(GAPS)
    if lake.is_empty(BRONZE_INGEST_GAPS):
        return []

    def write(batch: DataFrame, number: int) -> Outcome:
        spans = touched_spans(batch, context.rules.candle_minutes).get(GAPS.name, [])
        if not spans:
            return Outcome(rows_out=0)
        rows = compute(context, spans)
        return Outcome(replace(context, rows, spans, transaction_of(batch, number, GAPS)))

    states = lake.read_stream(BRONZE_INGEST_GAPS)
    times = states.select(F.lit(GAPS.name).alias("venue"), F.col("from_time").alias("event_time"))
    return [lake.run(GAPS.name, times, write)]


def compute(context: Context, spans: Sequence[Span]) -> DataFrame:
    """Compute the gaps that begin in these stretches anew, from everything bronze holds."""
    return plan(context.lake.read(BRONZE_INGEST_GAPS).where(during("from_time", spans)))


def replace(context: Context, rows: DataFrame, spans: Sequence[Span], transaction: Transaction | None = None) -> int:
    """Put these rows in the place of all that begin in the spans; return how many they are."""
    return context.lake.replace(rows, GAPS, within("from_time", spans), transaction)
