"""Keep the tables small and quick: fewer and larger files, files that nobody needs any more removed, a short log.

    spark-submit --properties-file infra/spark/spark-defaults.conf spark_jobs/maintain.py --retain-hours 168

It holds the lease of every table. Rows stay what they are: OPTIMIZE moves them into other files, VACUUM removes files
that have been in no version for longer than the retention. Streams skip both (`skipChangeCommits`). A stream that has
still to read appended rows needs the files they were appended in, so a table that one is behind on is not vacuumed.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from delta.tables import DeltaTable as SparkTable
from deltalake import DeltaTable

from contracts.tables import (
    BRONZE_BINANCE_TICKER,
    BRONZE_COIN_MARKET_CAP,
    BRONZE_WALLEX,
    MARKET_SNAPSHOTS,
    TABLES,
    Table,
)
from spark_jobs.context import Context
from spark_jobs.driver import driving
from spark_jobs.edges.checkpoints import Checkpoint
from spark_jobs.edges.store import ObjectStore
from spark_jobs.program import main_of, say

DEFAULT_HOURS = 168
SHORTEST_HOURS = 24
LOG_DAYS = 30
LISTING, LISTERS = "spark.sql.sources.parallelPartitionDiscovery.parallelism", "4"
"""VACUUM cuts its listing into so many tasks; with Spark's own 10,000, ten empty tables took ten minutes."""
APPENDS = frozenset({"WRITE", "STREAMING UPDATE"})
JOINED = (BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX, BRONZE_BINANCE_TICKER)
"""What the join reads from the first version on, while it has no checkpoint."""


class Size(NamedTuple):
    """The files of a table's newest version and their bytes, and how many files there are of all versions."""

    files: int
    bytes: int
    stored: int


def maintain(context: Context, retain_hours: int, *, dry_run: bool) -> None:
    """Optimize, vacuum and shorten the log of every table; say for each what it came to."""
    context.spark.conf.set(LISTING, LISTERS)
    for table in TABLES:
        found = context.lake.delta(table)
        if found is None:
            continue
        before = _size(context.published, table, found)
        behind = sorted(readers_behind(context.state, table, found))
        if dry_run:
            say(f"{table.name:<20} {_described(before)}; would{_plan(context, table, found, retain_hours, behind)}")
            continue
        _optimize(context, table)
        _set_retention(context, table, found, retain_hours)
        if not behind:
            _vacuum(context, table, retain_hours)
        changed = context.lake.delta(table)
        assert changed is not None
        after = _size(context.published, table, changed)
        kept = f"; not vacuumed: {', '.join(behind)} has still to read of it" if behind else ""
        say(f"{table.name:<20} {_described(before)} -> {_described(after)}{kept}")


def readers_behind(state: ObjectStore, table: Table, found: DeltaTable) -> Iterator[str]:
    """Name the queries that have still to read rows that were appended to a table."""
    appended = max((commit["version"] for commit in found.history() if _is_append(commit)), default=-1)
    for name in state.folders("checkpoints/"):
        read = Checkpoint(state, name).reached().get(str(found.metadata().id))
        if read is not None and read.lacks(appended):
            yield name
    if table in JOINED and found.file_uris() and not Checkpoint(state, MARKET_SNAPSHOTS).exists():
        yield MARKET_SNAPSHOTS.name


def _is_append(commit: dict[str, object]) -> bool:
    parameters = commit.get("operationParameters")
    mode = parameters.get("mode", "Append") if isinstance(parameters, dict) else "Append"
    return commit.get("operation") in APPENDS and str(mode).strip('"') == "Append"


def _optimize(context: Context, table: Table) -> None:
    context.lake.check_lease()
    SparkTable.forPath(context.spark, context.lake.uri(table)).optimize().executeCompaction()


def _set_retention(context: Context, table: Table, found: DeltaTable, hours: int) -> None:
    """Write down how long removed files and log entries are kept: Delta's own cleaning reads it too."""
    wanted = {
        "delta.deletedFileRetentionDuration": f"interval {hours} hours",
        "delta.logRetentionDuration": f"interval {max(LOG_DAYS * 24, hours)} hours",
    }
    known = found.metadata().configuration
    if any(known.get(name) != value for name, value in wanted.items()):
        context.lake.check_lease()
        said = ", ".join(f"'{name}' = '{value}'" for name, value in wanted.items())
        context.spark.sql(f"ALTER TABLE delta.`{context.lake.uri(table)}` SET TBLPROPERTIES ({said})")


def _vacuum(context: Context, table: Table, hours: int) -> None:
    context.lake.check_lease()
    context.spark.sql(f"VACUUM delta.`{context.lake.uri(table)}` RETAIN {hours} HOURS").collect()
    # A checkpoint of the log, before which entries beyond their retention may go.
    context.lake.check_lease()
    found = context.lake.delta(table)
    assert found is not None
    found.create_checkpoint()
    found.cleanup_metadata()


def _plan(context: Context, table: Table, found: DeltaTable, hours: int, behind: list[str]) -> str:
    dates = pa.table(found.get_add_actions(flatten=True))["partition.date"]
    counted = pc.value_counts(dates.combine_chunks()).field("counts") if len(dates) else pa.array([], pa.int64())
    many = pc.sum(pc.greater(counted, 1).cast(pa.int64())).as_py() or 0
    if behind:
        return f" compact {many} dates, and not vacuum: {', '.join(behind)} has still to read of it"
    # By the log alone: what a run would compact first is not removed before its retention either.
    gone = found.vacuum(retention_hours=hours, dry_run=True, enforce_retention_duration=False)
    return f" compact {many} dates and remove {len(gone)} files"


def _size(store: ObjectStore, table: Table, found: DeltaTable) -> Size:
    actions = pa.table(found.get_add_actions(flatten=True))
    stored = (key for key in store.keys(f"{table.path}/") if key.endswith(".parquet") and "/_delta_log/" not in key)
    return Size(actions.num_rows, pc.sum(actions["size_bytes"]).as_py() or 0, sum(1 for _ in stored))


def _described(size: Size) -> str:
    return f"{size.files} files {size.bytes / 1e6:.2f} MB ({size.stored} stored)"


def run(retain_hours: int, *, dry_run: bool) -> None:
    """Maintain every table under the lease of all."""
    if retain_hours < SHORTEST_HOURS:
        say(
            f"warning: files are kept for {retain_hours} h only: who reads an older version, or has read for longer,"
            " finds them gone"
        )
    with driving("maintain", tables=TABLES) as context:
        maintain(context, retain_hours, dry_run=dry_run)


def main() -> int:
    """Run the job from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="maintain", description="Optimize, vacuum and shorten the logs.")
    parser.add_argument("--retain-hours", type=int, default=DEFAULT_HOURS, metavar="HOURS")
    parser.add_argument("--force-short", action="store_true", help=f"allow less than {SHORTEST_HOURS} hours")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    arguments = parser.parse_args()
    if arguments.retain_hours < 0 or (arguments.retain_hours < SHORTEST_HOURS and not arguments.force_short):
        parser.error(f"expected at least {SHORTEST_HOURS} hours, found {arguments.retain_hours}: see --force-short")
    return main_of(lambda: run(arguments.retain_hours, dry_run=arguments.dry_run))


if __name__ == "__main__":
    sys.exit(main())
