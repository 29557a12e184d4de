"""Build the table `hourly_sentiment`, the way candles are built: what is touched is computed again."""

import datetime as dt
from collections.abc import Sequence

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.streams import SYMBOLS_OF_POSTS
from contracts.tables import CANDLES, HOURLY_SENTIMENT, POSTS_SCORED
from spark_jobs import score_posts
from spark_jobs.context import Context
from spark_jobs.edges.lake import Transaction
from spark_jobs.touched import NewRows, follow, has_news
from spark_jobs.transforms.hourly_sentiment import HOUR_MINUTES, beside_candles, by_hour
from spark_jobs.transforms.roll_up import interval_name
from spark_jobs.transforms.spans import Span, covering, widened, within


def plan(posts: DataFrame, candles: DataFrame) -> DataFrame:
    """Turn scored posts and candles into rows of the `hourly_sentiment` table."""
    return posts.transform(by_hour).transform(beside_candles, candles)


def start(context: Context) -> list[StreamingQuery]:
    """Start bringing the hours up to date with posts and candles; nothing where neither is new or there is no post.

    Both tables replace rows, and files that they write anew are read again: some hours are computed for nothing, and
    none is left out.
    """
    if not has_news(context, HOURLY_SENTIMENT, POSTS_SCORED, CANDLES) or context.lake.is_empty(POSTS_SCORED):
        return []
    hour_long = F.col("interval") == interval_name(HOUR_MINUTES)
    told_of = F.col("coin").isin(*SYMBOLS_OF_POSTS.values())
    new = [
        NewRows(context.lake.read_changes(POSTS_SCORED), "event_time"),
        NewRows(context.lake.read_changes(CANDLES).where(hour_long & told_of), "open_time"),
    ]
    return [follow(context, HOURLY_SENTIMENT, new, HOUR_MINUTES, renew)]


def renew(context: Context, spans: Sequence[Span], transaction: Transaction) -> int:
    """Compute the hours that open in these stretches anew and replace them; return how many they are."""
    return replace(context, compute(context, spans), spans, transaction)


def reached(spans: Sequence[Span]) -> list[Span]:
    """Return the whole hours that the posts of these stretches may change, by their own hour or by one they repeat."""
    return covering(widened(spans, before=dt.timedelta(0), after=score_posts.DAY), HOUR_MINUTES)


def compute(
    context: Context, spans: Sequence[Span], posts: DataFrame | None = None, candles: DataFrame | None = None
) -> DataFrame:
    """Compute the hours that open in these stretches, which are of whole hours, anew.

    `posts` and `candles` stand in for the tables, where those are about to be replaced.
    """
    posts = context.lake.read(POSTS_SCORED) if posts is None else posts
    candles = context.lake.read(CANDLES) if candles is None else candles
    return plan(posts.where(within("event_time", spans)), candles.where(within("open_time", spans)))


def replace(context: Context, rows: DataFrame, spans: Sequence[Span], transaction: Transaction | None = None) -> int:
    """Put these rows in the place of all that open in the spans; return how many they are."""
    return context.lake.replace(rows, HOURLY_SENTIMENT, within("open_time", spans), transaction)
