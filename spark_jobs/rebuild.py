"""Rebuild the joined and built tables over a range of event time, with the same plans in batch.

The streams leave out rows that came later than their lateness; a rebuild takes them in. It goes up to where the
stream has given its rows out: beyond that, rows are still open and the stream will give them.
"""

import argparse
import datetime as dt
import sys
from typing import NamedTuple

import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from contracts.tables import (
    BRONZE_BINANCE_AGG_TRADES,
    BRONZE_CRYPTO_KLINE_DATA,
    BRONZE_INGEST_GAPS,
    CANDLES,
    GAPS,
    HOURLY_SENTIMENT,
    IMPORTED_AGG_TRADES,
    IMPORTED_KLINES,
    KLINES,
    MARKET_CAP,
    MARKET_SNAPSHOTS,
    POSTS_SCORED,
    PUBLISHED,
    Table,
)
from spark_jobs import (
    build_candles,
    build_gaps,
    build_hourly_sentiment,
    build_klines,
    build_market_cap,
    join_markets,
    score_posts,
)
from spark_jobs.context import Context
from spark_jobs.driver import driving
from spark_jobs.edges.publish import publish
from spark_jobs.program import main_of, say
from spark_jobs.transforms.repeats import without
from spark_jobs.transforms.spans import EVER, Span, aligned, within

BUILT = (KLINES, POSTS_SCORED, GAPS, MARKET_SNAPSHOTS, CANDLES, MARKET_CAP, HOURLY_SENTIMENT)
INPUTS = (
    *(BRONZE_CRYPTO_KLINE_DATA, IMPORTED_KLINES, BRONZE_BINANCE_AGG_TRADES, IMPORTED_AGG_TRADES, BRONZE_INGEST_GAPS),
    *score_posts.INPUTS,
)
"""What may not be there yet in a lake that has never seen Binance, or a post."""


class Rebuilt(NamedTuple):
    """One table's result: rows in the range, rows the table lacked, rows it had that differ or should not be there."""

    table: Table
    rows: int
    missed: int
    wrong: int


def rebuild(context: Context, span: Span, *, dry_run: bool) -> list[Rebuilt]:
    """Compute all that is built of bronze anew over a range; write it unless it is a dry run.

    Everything but the snapshots is taken whole: the range is widened to full intervals. A rebuild that is killed is
    finished by running it again.
    """
    for table in (*BUILT, *INPUTS):
        context.lake.ensure(table)
    spans = [aligned(span, context.rules.candle_minutes)]
    with score_posts.compute(context, spans, anew=True) as posts:
        return _rebuild(context, span, spans, posts.persist(), dry_run=dry_run)


def _rebuild(context: Context, span: Span, spans: list[Span], posts: DataFrame, *, dry_run: bool) -> list[Rebuilt]:
    klines = build_klines.compute(context, spans).persist()
    gaps = build_gaps.compute(context, spans).persist()
    results = [
        _compared(context, klines, KLINES, within("open_time", spans)),
        _compared(context, gaps, GAPS, within("from_time", spans)),
        _compared(context, posts, POSTS_SCORED, score_posts.reached(spans)),
    ]
    if not dry_run:
        build_klines.replace(context, klines, spans)
        build_gaps.replace(context, gaps, spans)
    joined, snapshots = _join(context, span, dry_run=dry_run)
    touched = {source.venue: spans for source in (*build_candles.SOURCES, *build_candles.BINANCE_SOURCES)}
    candles = build_candles.compute(context, touched, snapshots if dry_run else None).persist()
    caps = build_market_cap.compute(context, spans).persist()
    place = build_candles.place_of(touched, context.rules)
    hours_of = build_hourly_sentiment.reached(spans)
    hours = build_hourly_sentiment.compute(
        context,
        hours_of,
        _with(context, POSTS_SCORED, posts, score_posts.reached(spans)),
        _with(context, CANDLES, candles, place),
    ).persist()
    results += [
        *joined,
        _compared(context, candles, CANDLES, place),
        _compared(context, caps, MARKET_CAP, within("open_time", spans)),
        _compared(context, hours, HOURLY_SENTIMENT, within("open_time", hours_of)),
    ]
    if not dry_run:
        score_posts.replace(context, posts, spans)
        build_candles.replace(context, candles, touched)
        build_market_cap.replace(context, caps, spans)
        build_hourly_sentiment.replace(context, hours, hours_of)
    return results


def _with(context: Context, table: Table, rows: DataFrame, where: str) -> DataFrame:
    """Return the table as it is once these rows are in the place of those that satisfy `where`."""
    return context.lake.read(table).where(~F.expr(where)).unionByName(rows)


def _join(context: Context, span: Span, *, dry_run: bool) -> tuple[list[Rebuilt], DataFrame]:
    """Join what is closed of a range anew; return its result and the table as it is with that."""
    before = join_markets.closed_before(context)
    if before is None or span.start >= before:
        say(f"{MARKET_SNAPSHOTS.name:<16} nothing of this range is closed yet")
        return [], context.lake.read(MARKET_SNAPSHOTS)
    closed = [Span(span.start, min(span.end, before))]
    where = within("event_time", closed)
    rows = join_markets.compute(context, closed).persist()
    result = _compared(context, rows, MARKET_SNAPSHOTS, where)
    snapshots = _with(context, MARKET_SNAPSHOTS, rows, where)
    if not dry_run:
        join_markets.replace(context, rows, closed)
    return [result], snapshots


def _compared(context: Context, rows: DataFrame, table: Table, where: str) -> Rebuilt:
    now = context.lake.read(table).where(where)
    return Rebuilt(
        table=table,
        rows=rows.count(),
        missed=without(rows, now, table.identity).count(),
        wrong=without(now, rows, table.event_columns).count(),
    )


def run(span: Span, *, dry_run: bool) -> None:
    """Rebuild a range, publish it, and print one line per table."""
    with driving("rebuild") as context:
        for result in rebuild(context, span, dry_run=dry_run):
            say(
                f"{result.table.name:<16} rows {result.rows:>8}  missed {result.missed:>6}  wrong {result.wrong:>6}"
                f"  {'not written (dry run)' if dry_run else 'rebuilt'}"
            )
        if not dry_run:
            for table in PUBLISHED:
                publish(context.published, table, context.lake)


def moment(text: str) -> dt.datetime:
    """Read a UTC time.

    >>> moment("2024-03-19T12:00:00Z").hour
    12
    """
    try:
        read = dt.datetime.fromisoformat(text)
    except ValueError:
        read = None
    if read is None or read.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 2024-03-19T12:00:00Z, found {text}")
    return read


def main() -> int:
    """Run the job from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="rebuild", description="Compute the built tables of a range anew.")
    parser.add_argument("--from", dest="start", type=moment, default=EVER.start, metavar="TIME")
    parser.add_argument("--to", dest="end", type=moment, default=EVER.end, metavar="TIME")
    parser.add_argument("--dry-run", action="store_true", help="only count what is missing or wrong")
    arguments = parser.parse_args()
    return main_of(lambda: run(Span(arguments.start, arguments.end), dry_run=arguments.dry_run))


if __name__ == "__main__":
    sys.exit(main())
