"""Build the table `posts_scored`: every post with its sentiment, and with the marks of spam and of repetition.

Posts are scored once; which of them nearly repeats another is told anew for a day around what was landed.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.tables import BRONZE_BITCOIN, BRONZE_ETHEREUM, POSTS_SCORED, REPEAT, Table
from spark_jobs.context import Context
from spark_jobs.edges.lake import Transaction
from spark_jobs.touched import NewRows, follow, has_news
from spark_jobs.transforms.near_duplicates import marked
from spark_jobs.transforms.post_scores import scored, symbol_of
from spark_jobs.transforms.spans import Span, widened, within

INPUTS = (BRONZE_BITCOIN, BRONZE_ETHEREUM)
DAY, NONE = dt.timedelta(days=1), dt.timedelta(0)


@contextmanager
def plan(posts: DataFrame, known: DataFrame) -> Iterator[DataFrame]:
    """Turn posts of bronze, and posts that were scored before, into rows of the `posts_scored` table.

    They can be read while the block lasts. Scores are kept so long, as telling repetition reads them three times.
    """
    scores = posts.transform(scored).unionByName(known.drop("near_duplicate_of")).persist()
    try:
        yield scores.transform(marked).select(*POSTS_SCORED.schema.names)
    finally:
        scores.unpersist()


def start(context: Context) -> list[StreamingQuery]:
    """Start scoring the posts that were landed; nothing where none is new."""
    if not has_news(context, POSTS_SCORED, *INPUTS):
        return []
    landed = [context.lake.read_stream(table).where(~F.col(REPEAT.name)) for table in INPUTS]
    new = [NewRows(rows, "event_time") for rows in landed]
    return [follow(context, POSTS_SCORED, new, context.rules.candle_minutes, renew)]


def renew(context: Context, spans: Sequence[Span], transaction: Transaction) -> int:
    """Score the posts of these stretches, mark those around them anew, and replace all; return how many they are."""
    with compute(context, spans) as rows:
        return replace(context, rows, spans, transaction)


@contextmanager
def compute(context: Context, spans: Sequence[Span], *, anew: bool = False) -> Iterator[DataFrame]:
    """Compute the posts of these stretches, and of the day after each, which may repeat one of them.

    The rows can be read while the block lasts. Posts that the table has are taken from it as they were scored, unless
    all is to be done `anew`.
    """
    around = within("event_time", widened(spans, before=DAY, after=DAY))
    known = context.lake.read(POSTS_SCORED).where(around if not anew else "false")
    posts = reduce(DataFrame.unionByName, [_posts(context, table, around) for table in INPUTS])
    fresh = posts.join(known.select(*POSTS_SCORED.identity), on=list(POSTS_SCORED.identity), how="left_anti")
    with plan(fresh, known) as rows:
        yield rows.where(reached(spans))


def _posts(context: Context, table: Table, where: str) -> DataFrame:
    posts = context.lake.read(table).where(~F.col(REPEAT.name)).where(where)
    return posts.withColumn("coin", symbol_of(F.col("coin")))


def reached(spans: Sequence[Span]) -> str:
    """Write, as SQL, which posts those of these stretches may change: they and those of a day after."""
    return within("event_time", widened(spans, before=NONE, after=DAY))


def replace(context: Context, rows: DataFrame, spans: Sequence[Span], transaction: Transaction | None = None) -> int:
    """Put these rows in the place of all that the stretches reach; return how many they are."""
    return context.lake.replace(rows, POSTS_SCORED, reached(spans), transaction)
