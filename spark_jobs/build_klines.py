"""Build the table `klines`: of all that was pushed or imported, one row per kline.

Each batch of new rows names the stretches of open time that it touches; those are computed again from both bronze
tables and replace what stood there, as candles are.
"""

from collections.abc import Sequence

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.tables import BRONZE_CRYPTO_KLINE_DATA, IMPORTED_KLINES, KLINES, REPEAT
from spark_jobs.context import Context
from spark_jobs.edges.lake import Transaction
from spark_jobs.touched import NewRows, follow, has_news
from spark_jobs.transforms.klines import newest_state, states_of
from spark_jobs.transforms.spans import Span, during, within

INPUTS = (BRONZE_CRYPTO_KLINE_DATA, IMPORTED_KLINES)


def plan(landed: DataFrame, imported: DataFrame) -> DataFrame:
    """Turn the rows of both bronze tables into rows of the `klines` table."""
    return states_of(landed, imported).transform(newest_state)


def start(context: Context) -> list[StreamingQuery]:
    """Start bringing the klines up to date with what was landed and imported; nothing where that is nothing new."""
    if not has_news(context, KLINES, *INPUTS):
        return []
    landed = context.lake.read_stream(BRONZE_CRYPTO_KLINE_DATA).where(~F.col(REPEAT.name))
    new = [NewRows(rows, "open_time") for rows in (landed, context.lake.read_stream(IMPORTED_KLINES))]
    return [follow(context, KLINES, new, context.rules.candle_minutes, renew)]


def renew(context: Context, spans: Sequence[Span], transaction: Transaction) -> int:
    """Compute the klines that open in these stretches anew and replace them; return how many they are."""
    return replace(context, compute(context, spans), spans, transaction)


def compute(context: Context, spans: Sequence[Span]) -> DataFrame:
    """Compute the klines that open in these stretches anew, from everything bronze holds.

    The `date` of a bronze row may be the one after that of its open time; files without a row of these are skipped by
    their statistics.
    """
    landed, imported = (context.lake.read(table).where(during("open_time", spans)) for table in INPUTS)
    return plan(landed, imported)


def replace(context: Context, rows: DataFrame, spans: Sequence[Span], transaction: Transaction | None = None) -> int:
    """Put these rows in the place of all that open in the spans; return how many they are."""
    return context.lake.replace(rows, KLINES, within("open_time", spans), transaction)
