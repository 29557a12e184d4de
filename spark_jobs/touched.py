"""How a table follows others: the stretches of time that their new rows touch are computed again, and replaced."""

import datetime as dt
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.tables import Table
from spark_jobs.context import Context
from spark_jobs.edges.checkpoints import Checkpoint
from spark_jobs.edges.lake import Transaction, transaction_of
from spark_jobs.edges.progress import Outcome
from spark_jobs.transforms.roll_up import bucket_of
from spark_jobs.transforms.spans import Span, spans_of

Renew = Callable[[Context, Sequence[Span], Transaction], int]
"""Computes these stretches of a table anew and replaces them; returns how many rows they have now."""


class NewRows(NamedTuple):
    """The new rows of a table as a stream, and the column that says which stretch each touches."""

    rows: DataFrame
    time: str


def has_news(context: Context, table: Table, *sources: Table, query: str | None = None) -> bool:
    """Make a table that others feed; say whether they have anything that its query has not read, or a batch is due.

    Where so, those that are missing are made. The query has the name of the table unless another is given.
    """
    context.lake.ensure(table)
    with_rows = [delta for source in sources if (delta := context.lake.delta(source)) and delta.file_uris()]
    if not with_rows or not Checkpoint(context.state, query or table).is_behind(with_rows):
        return False
    for source in sources:
        context.lake.ensure(source)
    return True


def follow(context: Context, table: Table, new: Sequence[NewRows], minutes: int, renew: Renew) -> StreamingQuery:
    """Start a query that renews the stretches of a table, of so many minutes each, that new rows touch."""

    def write(batch: DataFrame, number: int) -> Outcome:
        spans = touched_spans(batch, minutes).get(table.name, [])
        return Outcome(renew(context, spans, transaction_of(batch, number, table)) if spans else 0)

    times = [one.rows.select(F.lit(table.name).alias("venue"), F.col(one.time).alias("event_time")) for one in new]
    return context.lake.run(table.name, reduce(DataFrame.unionByName, times), write)


def touched_spans(rows: DataFrame, minutes: int) -> dict[str, list[Span]]:
    """Find, per venue, the stretches of time in which rows (venue, event_time) are."""
    touched: dict[str, list[dt.datetime]] = {}
    buckets = rows.select("venue", F.unix_millis(bucket_of(F.col("event_time"), minutes)).alias("open_ms")).distinct()
    for venue, open_ms in buckets.collect():
        touched.setdefault(venue, []).append(dt.datetime.fromtimestamp(open_ms / 1000, dt.UTC))
    length = dt.timedelta(minutes=minutes)
    return {venue: spans_of(starts, length) for venue, starts in sorted(touched.items())}
