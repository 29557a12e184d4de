"""What was found: a file with everything, and tables."""

import datetime as dt

import msgspec

from benchmarks.live_chart.crowd import Crowd
from benchmarks.live_chart.painted import STAGES, Frames
from benchmarks.live_engines.latency import Latency
from benchmarks.machine import Machine
from infra.terminal import say, table

MIB = 2**20


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All runs; `crowd` is None where it was left out."""

    measured_at: dt.datetime
    machine: Machine
    frames: list[Frames]
    crowd: Crowd | None


def show(report: Report) -> None:
    """Print a line for each run and stage, the CPU of each run, and what the clients heard."""
    if report.frames:
        table(
            ("engine", "events/s", "stage", "p50 ms", "p95 ms", "p99 ms", "max ms", "timed", "windows right"),
            [_row(run, stage) for run in report.frames for stage in STAGES],
        )
        parts = list(report.frames[0].cores)
        table(
            ("engine", "events/s", *(f"{part}, cores" for part in parts)),
            [(run.engine, f"{run.rate:g}", *(f"{run.cores[part]:.2f}" for part in parts)) for run in report.frames],
        )
    if (crowd := report.crowd) is not None:
        say(
            f"{crowd.clients} clients, {crowd.rate:g} events/s: {crowd.windows} windows compared, {crowd.lost} lost,"
            f" {crowd.old} old, {crowd.repeated} told twice; {crowd.frames_per_second:.0f} frames/s"
        )
        for name, latency in (("sent", crowd.received_after_sent), ("the event", crowd.received_after_event)):
            say(f"  received after {name}: {' / '.join(_cells(latency))} ms (p50 / p95 / p99 / max)")
        say(
            f"  server {crowd.cores['server']:.2f} cores: {crowd.clients_per_core:.0f} clients a core;"
            f" memory {crowd.memory_bytes[0] / MIB:.0f} to {crowd.memory_bytes[-1] / MIB:.0f} MiB,"
            f" at most {max(crowd.memory_bytes) / MIB:.0f}"
        )


def problems_of(report: Report) -> list[str]:
    """Say what is wrong with the values, whatever the speed."""
    problems = [
        f"{run.engine} at {run.rate:g} events/s: {run.windows - run.windows_right} of {run.windows} windows are wrong"
        for run in report.frames
        if run.windows_right != run.windows
    ]
    if (crowd := report.crowd) is not None:
        for name, found in (("windows lost", crowd.lost), ("windows old", crowd.old), ("told twice", crowd.repeated)):
            if found:
                problems.append(f"{crowd.clients} clients: {found} {name}")
        if crowd.disconnected:
            problems.append(f"{crowd.clients} clients: some were disconnected: {crowd.disconnected}")
    return problems


def _row(run: Frames, stage: str) -> tuple[str, ...]:
    return (
        run.engine,
        f"{run.rate:g}",
        stage,
        *_cells(run.stages[stage]),
        f"{run.timed}/{run.events}",
        f"{run.windows_right}/{run.windows}",
    )


def _cells(latency: Latency) -> tuple[str, ...]:
    return tuple(f"{value:.1f}" for value in (latency.p50, latency.p95, latency.p99, latency.max))
