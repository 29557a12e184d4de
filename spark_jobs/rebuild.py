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

from contracts.tables import CANDLES, MARKET_CAP, MARKET_SNAPSHOTS, PUBLISHED, Table
from spark_jobs import build_candles, build_market_cap, join_markets
from spark_jobs.context import Context
from spark_jobs.driver import driving, main_of, say
from spark_jobs.edges.publish import publish
from spark_jobs.transforms.repeats import without
from spark_jobs.transforms.spans import EVER, Span, aligned, within


class Rebuilt(NamedTuple):
    """One table's result: rows in the range, rows the table lacked, rows it had that differ or should not be there."""

    table: Table
    rows: int
    missed: int
    wrong: int


def rebuild(context: Context, span: Span, *, dry_run: bool) -> list[Rebuilt]:
    """Compute market_snapshots, candles and market_cap of a range anew; write them unless it is a dry run.

    Candles and market cap are taken whole: the range is widened to full intervals. A rebuild that is killed is
    finished by running it again.
    """
    results = []
    snapshots = context.lake.read(MARKET_SNAPSHOTS)
    before = join_markets.closed_before(context)
    if before is None or span.start >= before:
        say(f"{MARKET_SNAPSHOTS.name:<16} nothing of this range is closed yet")
    else:
        joined = [Span(span.start, min(span.end, before))]
        rows = join_markets.compute(context, joined).persist()
        results.append(_compared(context, rows, MARKET_SNAPSHOTS, within("event_time", joined)))
        snapshots = snapshots.where(~F.expr(within("event_time", joined))).unionByName(rows)
        if not dry_run:
            join_markets.replace(context, rows, joined)
    spans = [aligned(span, context.rules.candle_minutes)]
    touched = {source.venue: spans for source in build_candles.SOURCES}
    candles = build_candles.compute(context, touched, snapshots if dry_run else None).persist()
    results.append(_compared(context, candles, CANDLES, within("open_time", spans)))
    if not dry_run:
        build_candles.replace(context, candles, touched)
    caps = build_market_cap.compute(context, spans).persist()
    results.append(_compared(context, caps, MARKET_CAP, within("open_time", spans)))
    if not dry_run:
        build_market_cap.replace(context, caps, spans)
    return results


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
