"""`python -m benchmarks`: measure, print, and keep results.json and chart.svg. `make bench` runs it."""

import datetime as dt
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from benchmarks.archives.measured import TRADES, measure_archives
from benchmarks.connect import measure_connect
from benchmarks.ingest import measure_ingest
from benchmarks.lakehouse import MASTER, measure_sizes
from benchmarks.machine import this_machine
from benchmarks.plans import DEFAULT_PLANS, PLANS
from benchmarks.program import main_of
from benchmarks.query_api import CLIENTS, measure_query_api
from benchmarks.report import Results, archive_problems, growth_of, keep, problems_of, show
from benchmarks.scoring.measured import POSTS, measure_scoring
from benchmarks.transports.measured import measure_transports
from contracts.settings import JobSettings, home
from infra.spark.settings import SparkSettings
from infra.terminal import say

SIZES = (20_000, 200_000, 2_000_000)


class Part(StrEnum):
    """What is measured."""

    INGEST = "ingest"
    LAKEHOUSE = "lakehouse"
    ARCHIVES = "archives"
    CONNECT = "connect"
    QUERY_API = "query-api"
    TRANSPORTS = "transports"
    SCORING = "scoring"


def bench(
    rows: Annotated[list[int] | None, typer.Option(help="a size, in rows of both topics; may be given again")] = None,
    out: Annotated[Path | None, typer.Option(help="the folder for results; default: bench in .coinlake")] = None,
    limit: Annotated[float, typer.Option(min=1, help="seconds after which a run counts as not finished")] = 300,
    only: Annotated[Part | None, typer.Option(help="measure this alone")] = None,
    trades: Annotated[int, typer.Option(min=10, help="how many aggregate trades the archives hold")] = TRADES,
    plans: Annotated[str, typer.Option(help=f"which to run, of {', '.join(PLANS)}")] = DEFAULT_PLANS,
) -> None:
    """Measure ingest, plans from Kafka to tables, archives to candles, Connect, queries, transports and scoring."""
    chosen = plans.split(",")
    if unknown := [name for name in chosen if name not in PLANS]:
        raise typer.BadParameter(f"expected plans of {', '.join(PLANS)}, found {', '.join(unknown)}")
    folder = (out or home() / "bench").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(
        measured_at=dt.datetime.now(dt.UTC),
        machine=this_machine(),
        master=MASTER,
        driver_memory=SparkSettings.load().spark_driver_memory,
        limit_seconds=limit,
        settings=JobSettings.load().model_dump(),
    )
    if only in (None, Part.INGEST):
        say("ingest: payload to acknowledged")
        results = keep(msgspec.structs.replace(results, ingest=measure_ingest(folder)), folder)
    if only in (None, Part.LAKEHOUSE):
        say("lakehouse: Kafka to published tables")
        for size in measure_sizes(rows or SIZES, [PLANS[name] for name in chosen], limit, folder):
            sizes = [*results.sizes, size]
            results = keep(msgspec.structs.replace(results, sizes=sizes, growth=growth_of(sizes)), folder)
    if only in (None, Part.ARCHIVES):
        say("archives: files to published candles")
        for archived in measure_archives(trades, limit, folder):
            results = keep(msgspec.structs.replace(results, archives=[*results.archives, archived]), folder)
    if only in (None, Part.CONNECT):
        say("connect: Kafka to QuestDB")
        results = keep(msgspec.structs.replace(results, connect=measure_connect(folder)), folder)
    if only in (None, Part.QUERY_API):
        say(f"query API: {CLIENTS} clients at once")
        results = keep(msgspec.structs.replace(results, query_api=measure_query_api(folder)), folder)
    if only in (None, Part.TRANSPORTS):
        say("transports: Kafka and ZeroMQ side by side")
        results = keep(msgspec.structs.replace(results, transports=measure_transports(folder)), folder)
    if only in (None, Part.SCORING):
        say(f"scoring: {POSTS:,} posts by the UDF and in a plain loop")
        results = keep(msgspec.structs.replace(results, scoring=measure_scoring(folder)), folder)
    show(results)
    say(f"everything is in {folder}")
    if problems := [*problems_of(results.sizes), *archive_problems(results.archives)]:
        for problem in problems:
            print(f"bench: {problem}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    main_of(bench, "bench")
