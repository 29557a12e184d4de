"""What is printed and kept of a benchmark: tables of text, and results.json."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.archives.measured import Archived
from benchmarks.chart import draw
from benchmarks.connect import Stored
from benchmarks.ingest import Ingested
from benchmarks.lakehouse import Size
from benchmarks.machine import Machine
from benchmarks.measure import Ending, Run
from benchmarks.plans import OURS
from benchmarks.program import write_json
from benchmarks.query_api import Asked
from benchmarks.scoring.measured import Scored, scored_row
from benchmarks.transports.measured import Carried

RUN_HEADER = ("rows", "plan", "seconds", "rows/s", "CPU s", "server CPU s", "job peak MiB", "peak MiB", "objects")
INGEST_HEADER = ("ingest", "polls", "records/s", "CPU us/record", "ack p50 ms", "ack p99 ms")
CONNECT_HEADER = ("connect", "rows", "rows/s", "Connect us/row", "QuestDB us/row", "p50 ms", "p99 ms")
QUERY_HEADER = ("query API", "query", "clients", "requests/s", "failed", "rows/answer", "p50 ms", "p99 ms", "cores")
TRANSPORT_HEADER = ("transport", "topic", "mode", "sent", "lost", "messages/s", "p50 ms", "p95 ms", "p99 ms")
SCORING_HEADER = ("scoring", "posts", "posts/s", "scoring s", "all s", "peak MiB")
FILE_WIDTH = 140
"""How wide the tables may be where they are not printed to a terminal."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one benchmark found. `growth` is by plan, see `growth_of`; `settings` are the rules ours ran with."""

    measured_at: dt.datetime
    machine: Machine
    master: str
    driver_memory: str
    limit_seconds: float
    settings: Mapping[str, object]
    ingest: Sequence[Ingested] = ()
    sizes: Sequence[Size] = ()
    archives: Sequence[Archived] = ()
    growth: Mapping[str, float] = {}
    connect: Sequence[Stored] = ()
    query_api: Sequence[Asked] = ()
    transports: Sequence[Carried] = ()
    scoring: Sequence[Scored] = ()


def growth_of(sizes: Sequence[Size]) -> dict[str, float]:
    """Return, by plan, seconds a row at the largest size it finished, over those at the smallest.

    At most 1: the time grew no more than in proportion to the rows. A plan that finished fewer than two sizes has none.
    """
    finished: dict[str, list[Run]] = {}
    for run in (run for size in sizes for run in size.runs):
        if run.ending is Ending.FINISHED:
            finished.setdefault(run.plan, []).append(run)
    growth = {}
    for plan, runs in finished.items():
        ordered = sorted(runs, key=lambda run: run.rows)
        if len(ordered) > 1:
            growth[plan] = ordered[0].rows_per_second / ordered[-1].rows_per_second
    return growth


def archive_problems(archives: Sequence[Archived]) -> list[str]:
    """List what makes the measurement on archives worthless: ours did not finish, or its candles are not the same."""
    return [
        *(
            f"{archived.what}: ours {run.ending} after {run.seconds:.0f} s {run.last_words}".rstrip()
            for archived in archives
            for run in archived.runs
            if run.plan == OURS.name and run.ending is not Ending.FINISHED
        ),
        *(
            f"{one.what}: the candles of ours and {one.plan} are not the same"
            for archived in archives
            for one in archived.agreements
            if not one.holds
        ),
    ]


def problems_of(sizes: Sequence[Size]) -> list[str]:
    """List what makes the benchmark worthless: ours did not finish, or nothing says that what it made is right."""
    unfinished = [
        f"{run.rows:,} rows: ours {run.ending} after {run.seconds:.0f} s {run.last_words}".rstrip()
        for size in sizes
        for run in size.runs
        if run.plan == OURS.name and run.ending is not Ending.FINISHED
    ]
    different = [
        f"{size.rows:,} rows: ours and {one.plan} do not say the same of {one.what}"
        for size in sizes
        for one in size.agreements
        if not one.holds
    ]
    compared = any(size.agreements for size in sizes)
    alone = all(run.plan == OURS.name for size in sizes for run in size.runs)
    nothing = [] if compared or alone else ["nothing was compared: no other plan finished at any size"]
    return [*unfinished, *different, *nothing]


def run_row(run: Run) -> tuple[str, ...]:
    """Write one run as cells: of one that did not finish time and speed are bounds, one that failed has no speed."""
    seconds, speed = {
        Ending.FINISHED: (f"{run.seconds:.1f}", f"{run.rows_per_second:,.0f}"),
        Ending.NOT_FINISHED: (f"not finished in {run.seconds:.0f}", f"fewer than {run.rows_per_second:,.0f}"),
        Ending.FAILED: (f"failed after {run.seconds:.0f}", "none"),
    }[run.ending]
    return (
        f"{run.rows:,}",
        run.plan,
        seconds,
        speed,
        f"{run.cpu_seconds:.0f}",
        f"{run.server_cpu_seconds:.0f}",
        f"{run.job_peak_bytes / 2**20:,.0f}",
        f"{run.peak_bytes / 2**20:,.0f}",
        f"{run.objects:,}",
    )


def ingest_row(found: Ingested) -> tuple[str, ...]:
    """Write one measurement of ingest as cells."""
    return (
        found.mode,
        str(found.polls),
        f"{found.records_per_second:,.0f}",
        f"{found.cpu_us_per_record:.1f}",
        f"{found.acknowledged_p50_ms:.1f}",
        f"{found.acknowledged_p99_ms:.1f}",
    )


def connect_row(found: Stored) -> tuple[str, ...]:
    """Write one measurement of Kafka Connect as cells."""
    return (
        found.mode,
        f"{found.rows:,}",
        f"{found.rows_per_second:,.0f}",
        f"{found.connect_cpu_us_per_row:.0f}",
        f"{found.questdb_cpu_us_per_row:.0f}",
        *("-" if ms is None else f"{ms:.0f}" for ms in (found.p50_ms, found.p99_ms)),
    )


def query_row(found: Asked) -> tuple[str, ...]:
    """Write one question that was asked by many as cells."""
    return (
        found.store,
        found.query,
        str(found.clients),
        f"{found.requests_per_second:,.0f}",
        str(found.failed),
        f"{found.rows_per_answer:,.0f}",
        f"{found.p50_ms:.1f}",
        f"{found.p99_ms:.1f}",
        f"{found.cores:.2f}",
    )


def transport_row(found: Carried) -> tuple[str, ...]:
    """Write one measurement of a transport as cells."""
    times = (f"{time:.2f}" for time in (found.p50_ms, found.p95_ms, found.p99_ms))
    counts = (f"{count:,.0f}" for count in (found.sent, found.lost, found.per_second))
    return found.transport, found.topic, found.mode, *counts, *times


def stage_rows(sizes: Sequence[Size]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Write the seconds of every stage of ours by size: a header, and a row a size."""
    runs = [run for size in sizes for run in size.runs if run.stages]
    names = list(dict.fromkeys(name for run in runs for name in run.stages))
    rows = [(f"{run.rows:,}", *(f"{run.stages.get(name, 0):.1f}" for name in names)) for run in runs]
    return ("seconds per stage", *names), rows


def show(results: Results) -> None:
    """Print the tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    if results.ingest:
        _print(console, INGEST_HEADER, [ingest_row(found) for found in results.ingest], names=1)
    if results.sizes:
        _print(console, RUN_HEADER, [run_row(run) for size in results.sizes for run in size.runs], names=2)
        header, rows = stage_rows(results.sizes)
        if rows:
            _print(console, header, rows, names=1)
    if results.archives:
        runs = [run for archived in results.archives for run in archived.runs]
        _print(console, RUN_HEADER, [run_row(run) for run in runs], names=2)
    if results.connect:
        _print(console, CONNECT_HEADER, [connect_row(found) for found in results.connect], names=1)
    if results.query_api:
        _print(console, QUERY_HEADER, [query_row(found) for found in results.query_api], names=2)
    if results.transports:
        _print(console, TRANSPORT_HEADER, [transport_row(found) for found in results.transports], names=3)
    if results.scoring:
        _print(console, SCORING_HEADER, [scored_row(found) for found in results.scoring], names=1)
    for size in results.sizes:
        for reason in size.not_compared:
            console.print(f"{size.rows:,} rows, not compared: {reason}")
    for plan, growth in results.growth.items():
        console.print(f"{plan}: a row of the largest size takes {growth:.2f} times as long as one of the smallest")


def _print(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]], names: int) -> None:
    table = Table()
    for number, title in enumerate(header):
        table.add_column(title, justify="left" if number < names else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def keep(results: Results, folder: Path) -> Results:
    """Write what there is so far as results.json and chart.svg, and return it."""
    write_json(results, folder / "results.json")
    if results.sizes:
        draw(results.sizes, folder / "chart.svg")
    return results
