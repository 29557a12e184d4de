"""`python -m benchmarks.live_chart`: event to painted frame, then many clients; print, and keep all in a JSON file."""

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from benchmarks.live_chart.crowd import measure_crowd
from benchmarks.live_chart.painted import measure_painted
from benchmarks.live_chart.report import Report, problems_of, show
from benchmarks.machine import this_machine
from benchmarks.program import main_of, write_json
from contracts.settings import home
from infra.terminal import say


def measure(
    engines: Annotated[str, typer.Option(help="who computes the windows")] = "spark-real-time,spark-micro-batch",
    rates: Annotated[str, typer.Option(help="events a second over 20 symbols")] = "100,1000",
    seconds: Annotated[float, typer.Option(min=1, help="how long a run counts")] = 120,
    warmup: Annotated[float, typer.Option(min=0, help="how long it runs before that")] = 30,
    clients: Annotated[int, typer.Option(min=0, help="how many follow one server; 0 leaves this out")] = 1000,
    client_rate: Annotated[float, typer.Option(min=1, help="events a second while they do")] = 100,
    client_seconds: Annotated[float, typer.Option(min=5, help="for how long")] = 60,
    out: Annotated[Path, typer.Option(help="the file for all that is found")] = Path("docs/live-chart.json"),
) -> None:
    """Measure the live chart from end to end."""
    stack = home() / "bench" / "live-stack"
    report = Report(measured_at=dt.datetime.now(dt.UTC), machine=this_machine(), frames=[], crowd=None)
    for rate in [float(rate) for rate in rates.split(",") if rate]:
        for engine in engines.split(","):
            say(f"event to painted frame: {engine}, {rate:g} events/s for {warmup + seconds:g} s")
            frames = measure_painted(engine, rate, seconds, warmup, stack, say)
            report = msgspec.structs.replace(report, frames=[*report.frames, frames])
            write_json(report, out)
    if clients:
        say(f"{clients} clients on one server, {client_rate:g} events/s for {client_seconds:g} s")
        crowd = measure_crowd(clients, client_rate, client_seconds, stack, say)
        report = msgspec.structs.replace(report, crowd=crowd)
        write_json(report, out)
    show(report)
    say(f"everything is in {out}")
    if problems := problems_of(report):
        for problem in problems:
            print(f"live chart: {problem}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    main_of(measure, "live chart")
