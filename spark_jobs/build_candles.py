"""Build candles: always right by construction.

Each batch of new rows names the (series, interval) pairs it touches; those are computed again from bronze or silver and
replace what stood there, in one Delta transaction. So a late row corrects its candle, the open candle is there at
once, no window state is kept, and a rebuild is the same function over a range.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import NamedTuple

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.settings import JobSettings
from contracts.tables import BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX, CANDLES, MARKET_SNAPSHOTS, REPEAT, Table
from spark_jobs.context import Context
from spark_jobs.edges.lake import Transaction, transaction_of
from spark_jobs.edges.progress import Outcome
from spark_jobs.transforms.roll_up import bucket_of, finish, interval_name, roll_up
from spark_jobs.transforms.samples import BASE_TMN, base_candles, quote_candles, ticker_candles
from spark_jobs.transforms.spans import EVER, Span, aligned, spans_of, within


class Source(NamedTuple):
    """One venue's price series: the table they come from and how its rows become candles of zero length."""

    venue: str
    table: Table
    candles: Callable[[DataFrame], DataFrame]


SOURCES: tuple[Source, ...] = (
    Source("coin_market_cap", BRONZE_COIN_MARKET_CAP, quote_candles),
    Source("wallex", BRONZE_WALLEX, ticker_candles),
    Source(BASE_TMN, MARKET_SNAPSHOTS, base_candles),
)

Touched = Mapping[str, Sequence[Span]]
"""Per venue, the stretches of time whose candles are to be computed again."""


def plan(candles: DataFrame, rules: JobSettings) -> DataFrame:
    """Roll candles of zero length up into rows of the `candles` table."""
    return candles.transform(roll_up, rules.candle_minutes).transform(
        finish, rules.candle_minutes, rules.sample_seconds
    )


def start(context: Context) -> StreamingQuery:
    """Start bringing the candles of all venues up to date with what was landed and joined."""
    context.lake.ensure(CANDLES)

    def write(batch: DataFrame, number: int) -> Outcome:
        touched = touched_spans(batch, context.rules.candle_minutes)
        if not touched:
            return Outcome(rows_out=0)
        rows = compute(context, touched)
        return Outcome(replace(context, rows, touched, transaction_of(batch, number, CANDLES)))

    return context.lake.run(CANDLES.name, reduce(DataFrame.unionByName, map(_new_rows(context), SOURCES)), write)


def _new_rows(context: Context) -> Callable[[Source], DataFrame]:
    def stream(source: Source) -> DataFrame:
        rows = context.lake.read_stream(source.table)
        fresh = rows.where(~F.col(REPEAT.name)) if REPEAT.name in source.table.schema.names else rows
        return fresh.select(F.lit(source.venue).alias("venue"), "event_time")

    return stream


def touched_spans(rows: DataFrame, minutes: int) -> dict[str, list[Span]]:
    """Find, per venue, the stretches of time in which rows (venue, event_time) are."""
    touched: dict[str, list[dt.datetime]] = {}
    buckets = rows.select("venue", F.unix_millis(bucket_of(F.col("event_time"), minutes)).alias("open_ms")).distinct()
    for venue, open_ms in buckets.collect():
        touched.setdefault(venue, []).append(dt.datetime.fromtimestamp(open_ms / 1000, dt.UTC))
    length = dt.timedelta(minutes=minutes)
    return {venue: spans_of(starts, length) for venue, starts in sorted(touched.items())}


def compute(context: Context, touched: Touched, snapshots: DataFrame | None = None) -> DataFrame:
    """Compute the candles of these stretches anew, from everything that bronze and silver hold of them.

    `snapshots` stands in for the table market_snapshots, where that is about to be replaced.
    """

    def rows(source: Source) -> DataFrame:
        replaced = snapshots if source.table is MARKET_SNAPSHOTS else None
        return context.lake.read(source.table) if replaced is None else replaced

    samples = [
        rows(source).where(within("event_time", touched[source.venue])).transform(source.candles)
        for source in SOURCES
        if touched.get(source.venue)
    ]
    return plan(reduce(DataFrame.unionByName, samples), context.rules)


def rebuild_base(context: Context) -> None:
    """Compute all toman base candles anew: their table was replaced, which their stream does not see."""
    context.lake.ensure(CANDLES)
    touched = {BASE_TMN: [aligned(EVER, context.rules.candle_minutes)]}
    replace(context, compute(context, touched), touched)


def replace(context: Context, rows: DataFrame, touched: Touched, transaction: Transaction | None = None) -> int:
    """Put these rows in the place of all candles of the touched stretches; return how many they are."""
    interval = interval_name(context.rules.candle_minutes)
    either = " OR ".join(f"(venue = '{venue}' AND {within('open_time', spans)})" for venue, spans in touched.items())
    return context.lake.replace(rows, CANDLES, f"interval = '{interval}' AND ({either})", transaction)
