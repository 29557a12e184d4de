"""Build the total market cap per interval, the way candles are built: what is touched is computed again."""

import datetime as dt
from collections.abc import Sequence

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.settings import JobSettings
from contracts.tables import BRONZE_COIN_MARKET_CAP, MARKET_CAP, REPEAT
from spark_jobs.context import Context
from spark_jobs.edges.lake import Transaction
from spark_jobs.touched import NewRows, follow, has_news
from spark_jobs.transforms.market_cap import total_market_cap
from spark_jobs.transforms.roll_up import interval_name
from spark_jobs.transforms.spans import Span, aligned, widened, within


def plan(quotes: DataFrame, rules: JobSettings) -> DataFrame:
    """Sum the quotes of a bronze table into rows of the `market_cap` table."""
    return quotes.transform(total_market_cap, rules.candle_minutes, rules.market_cap_max_age_minutes)


def start(context: Context) -> list[StreamingQuery]:
    """Start bringing the market cap up to date with the quotes that were landed; nothing where none is new."""
    if not has_news(context, MARKET_CAP, BRONZE_COIN_MARKET_CAP):
        return []
    quotes = context.lake.read_stream(BRONZE_COIN_MARKET_CAP).where(~F.col(REPEAT.name))
    return [follow(context, MARKET_CAP, [NewRows(quotes, "event_time")], context.rules.candle_minutes, renew)]


def renew(context: Context, spans: Sequence[Span], transaction: Transaction) -> int:
    """Sum the intervals anew in which these quotes may count and replace them; return how many they are."""
    spans = reached(spans, context.rules)
    return replace(context, compute(context, spans), spans, transaction)


def reached(spans: Sequence[Span], rules: JobSettings) -> list[Span]:
    """Stretch the spans of new quotes to every whole interval in which one of them may count."""
    after = dt.timedelta(minutes=rules.market_cap_max_age_minutes)
    return [aligned(span, rules.candle_minutes) for span in widened(spans, before=dt.timedelta(0), after=after)]


def compute(context: Context, spans: Sequence[Span]) -> DataFrame:
    """Compute the market cap of the intervals that start in these spans anew, from everything bronze holds."""
    looked_back = widened(
        spans, before=dt.timedelta(minutes=context.rules.market_cap_max_age_minutes), after=dt.timedelta(0)
    )
    quotes = context.lake.read(BRONZE_COIN_MARKET_CAP).where(within("event_time", looked_back))
    return plan(quotes, context.rules).where(within("open_time", spans))


def replace(context: Context, rows: DataFrame, spans: Sequence[Span], transaction: Transaction | None = None) -> int:
    """Put these rows in the place of all that start in the spans; return how many they are."""
    interval = interval_name(context.rules.candle_minutes)
    return context.lake.replace(
        rows, MARKET_CAP, f"interval = '{interval}' AND {within('open_time', spans)}", transaction
    )
