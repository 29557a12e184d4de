"""Build the table `gaps`: every hole as it stands now, built the way candles are."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.tables import BRONZE_INGEST_GAPS, GAPS
from spark_jobs.context import Context
from spark_jobs.edges.lake import Transaction
from spark_jobs.touched import NewRows, follow, has_news
from spark_jobs.transforms.gaps import newest_gaps
from spark_jobs.transforms.spans import Span, during, within


def plan(states: DataFrame) -> DataFrame:
    """Turn the rows of bronze `ingest_gaps` into rows of the `gaps` table."""
    return states.transform(newest_gaps)


def start(context: Context) -> list[StreamingQuery]:
    """Start bringing the gaps up to date with what was landed; nothing where that is nothing new."""
    if not has_news(context, GAPS, BRONZE_INGEST_GAPS):
        return []
    new = NewRows(context.lake.read_stream(BRONZE_INGEST_GAPS), "from_time")
    return [follow(context, GAPS, [new], context.rules.candle_minutes, renew)]


def renew(context: Context, spans: Sequence[Span], transaction: Transaction) -> int:
    """Compute the gaps that begin in these stretches anew and replace them; return how many they are."""
    return replace(context, compute(context, spans), spans, transaction)


def compute(context: Context, spans: Sequence[Span]) -> DataFrame:
    """Compute the gaps that begin in these stretches anew, from everything bronze holds."""
    return plan(context.lake.read(BRONZE_INGEST_GAPS).where(during("from_time", spans)))


def replace(context: Context, rows: DataFrame, spans: Sequence[Span], transaction: Transaction | None = None) -> int:
    """Put these rows in the place of all that begin in the spans; return how many they are."""
    return context.lake.replace(rows, GAPS, within("from_time", spans), transaction)
