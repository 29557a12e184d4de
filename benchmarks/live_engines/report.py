"""What was found: a file with everything, and a line a run."""

import datetime as dt
import statistics
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from benchmarks.live_engines.generator import LINGER_MS, SYMBOLS
from benchmarks.live_engines.latency import Latency
from benchmarks.live_engines.run import Run
from benchmarks.live_engines.windows import SLIDE_MS, WINDOW_MS
from benchmarks.machine import Machine
from infra.terminal import table


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What every run has in common."""

    window_ms: int = WINDOW_MS
    slide_ms: int = SLIDE_MS
    symbols: int = len(SYMBOLS)
    generator_linger_ms: int = LINGER_MS


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All runs, and those that did not come to an end with the reason."""

    measured_at: dt.datetime
    machine: Machine
    workload: Workload
    runs: list[Run]
    failed: list[str]


def row_of(run: Run) -> tuple[str, ...]:
    """Write one run as cells."""
    verdict = run.verdict
    return (
        run.engine + (" (killed)" if run.plan.kill else ""),
        f"{run.plan.rate:g}",
        *_cells(run.received),
        *_cells(run.topic_to_topic),
        f"{run.missing}/{run.events}",
        f"{verdict.results_seen}/{verdict.results_expected}",
        f"{verdict.right}/{verdict.windows}",
        f"{run.cpu_seconds['engine']:.1f}",
        f"{run.cpu_seconds['kafka']:.1f}",
        f"{run.engine_peak_bytes / 1e6:.0f}",
    )


HEADER = (
    *("engine", "events/s", "p50", "p95", "p99", "max ms", "topics p50", "p95", "p99", "max ms"),
    *("missing", "results", "right", "CPU s", "Kafka CPU s", "MB"),
)


def show(runs: Sequence[Run]) -> None:
    """Print a line for each run, and for each engine and rate that ran more than once one with the medians."""
    rows = [row_of(run) for run in runs]
    for (engine, plan), group in groupby(sorted(runs, key=_kind), key=lambda run: (run.engine, run.plan)):
        same = list(group)
        if len(same) > 1:
            rows.append((f"{engine}: median", f"{plan.rate:g}", *_cells(_median(run.received for run in same))))
    width = len(HEADER)
    table(HEADER, [(*row, *[""] * (width - len(row))) for row in rows])


def _kind(run: Run) -> tuple[str, float, bool]:
    return run.engine, run.plan.rate, run.plan.kill


def _median(found: Iterable[Latency | None]) -> Latency | None:
    known = [one for one in found if one is not None]
    if not known:
        return None
    return Latency(
        **{name: statistics.median(getattr(one, name) for one in known) for name in Latency.__struct_fields__}
    )


def _cells(latency: Latency | None) -> tuple[str, ...]:
    if latency is None:
        return ("-",) * 4
    return tuple(f"{value:.1f}" for value in (latency.p50, latency.p95, latency.p99, latency.max))
