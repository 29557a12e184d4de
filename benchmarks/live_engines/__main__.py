"""`python -m benchmarks.live_engines`: run the engines in turn, print, and keep everything in a JSON file."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from benchmarks.live_engines.engines import ENGINES
from benchmarks.live_engines.report import Report, Workload, row_of, show
from benchmarks.live_engines.run import Plan, run_once
from benchmarks.machine import this_machine
from benchmarks.program import main_of, write_json
from contracts.errors import CoinlakeError
from contracts.settings import home
from infra.terminal import say

NAMES = ", ".join(ENGINES)


def compare(
    engines: Annotated[str, typer.Option(help=f"which to run, of {NAMES}")] = "spark-real-time,flink,quix",
    rates: Annotated[str, typer.Option(help="events a second")] = "100,1000",
    seconds: Annotated[float, typer.Option(min=1, help="how long a run counts")] = 60,
    warmup: Annotated[float, typer.Option(min=0, help="how long it runs before that")] = 20,
    runs: Annotated[int, typer.Option(min=1, help="how often each is run")] = 3,
    out: Annotated[Path, typer.Option(help="the file for all that is found")] = Path("docs/live-engines.json"),
    kill: Annotated[bool, typer.Option("--kill", help="kill each half-way and start it again")] = False,
) -> None:
    """Compare engines on the moving average of the live chart, topic to topic."""
    chosen = engines.split(",")
    if unknown := [name for name in chosen if name not in ENGINES]:
        raise typer.BadParameter(f"expected engines of {NAMES}, found {', '.join(unknown)}")
    plans = [Plan(rate=float(rate), seconds=seconds, warmup=warmup, kill=kill) for rate in rates.split(",")]
    report = Report(
        measured_at=dt.datetime.now(dt.UTC), machine=this_machine(), workload=Workload(), runs=[], failed=[]
    )
    stack_home = home() / "bench" / "live-stack"
    # Engines take turns, so that what else the machine does at a time does not fall on one of them alone.
    for turn in range(1, runs + 1):
        for plan in plans:
            for name in chosen:
                say(f"{name}: {plan.rate:g} events/s, run {turn} of {runs}")
                try:
                    found = run_once(ENGINES[name], plan, stack_home, say)
                except CoinlakeError as error:
                    say(f"  failed: {error}")
                    report = msgspec.structs.replace(report, failed=[*report.failed, f"{name}: {error}"])
                else:
                    say(f"  {' '.join(row_of(found))}")
                    report = msgspec.structs.replace(report, runs=[*report.runs, found])
                write_json(report, out)
    show(report.runs)
    say(f"everything is in {out}")
    if report.failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    main_of(compare, "live engines")
