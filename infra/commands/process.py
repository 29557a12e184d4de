"""`coinlake process` and `coinlake rebuild`: submit the Spark jobs."""

import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra.spark.options import Submission

Master = Annotated[str | None, typer.Option(help="a Spark master URL; default: COINLAKE_SPARK_MASTER, else local[*]")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(process)
    app.command()(rebuild)


def process(
    trigger: Annotated[
        str, typer.Option(help='"available-now" does what there is to do and ends; "1 minute" does so every minute')
    ] = "available-now",
    master: Master = None,
    show_command: Annotated[
        bool, typer.Option("--show-command", help="print the spark-submit command line instead of running it")
    ] = False,
) -> None:
    """Land the topics, join, build candles and market cap, publish: submit spark_jobs/process_markets.py."""
    from infra.spark.backlog import is_short, waiting

    rows = waiting() if trigger == "available-now" else None
    short = rows is not None and is_short(rows)
    # A run that finds nothing to do would archive few of the classes that the next one needs.
    submit(
        "process_markets",
        ["--trigger", trigger],
        master,
        short=short,
        show_command=show_command,
        archive_classes=bool(rows),
    )


def rebuild(
    from_time: Annotated[
        str | None, typer.Option("--from", help="such as 2024-03-19T12:00:00Z; default: the beginning")
    ] = None,
    to_time: Annotated[str | None, typer.Option("--to", help="exclusive; default: the end")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count what is missing or wrong")] = False,
    master: Master = None,
) -> None:
    """Compute the joined and built tables anew over a range of event time, taking in rows that came too late."""
    from infra.moments import moment

    ends = {"--from": from_time, "--to": to_time}
    arguments = [part for name, time in ends.items() if time for part in (name, moment(time).isoformat())]
    submit("rebuild", [*arguments, *(["--dry-run"] if dry_run else [])], master)


def submit(
    job: str,
    arguments: list[str],
    master: str | None,
    *,
    short: bool = True,
    show_command: bool = False,
    archive_classes: bool = False,
) -> None:
    """Submit a job, or print how, and exit with its code; a short one may leave a class archive for those after it."""
    from infra.children import Child
    from infra.spark.settings import SparkSettings
    from infra.spark.submit import new_class_archive, submission
    from infra.terminal import say

    settings = SparkSettings.load()
    chosen = settings.model_copy(update={"spark_master": master}) if master else settings
    if show_command:
        for line in _pasteable(submission(job, arguments, chosen, short=short)):
            say(line)
        return
    with new_class_archive(chosen) as new:
        submitted = submission(job, arguments, chosen, short=short, new_class_archive=new if archive_classes else None)
        with Child(job, submitted.command, env=submitted.env) as child:
            if code := child.wait():
                raise typer.Exit(code)


def _pasteable(submitted: "Submission") -> Iterator[str]:
    """Write a submission as a shell takes it, without its secrets."""
    if submitted.secret:
        yield f'eval "$({shlex.quote(sys.executable)} -m infra.cli env)"  # the S3 key, for the event log'
    shown = {name: value for name, value in submitted.env.items() if name not in submitted.secret}
    yield " ".join([*(f"{name}={shlex.quote(value)}" for name, value in shown.items()), "\\"])
    yield shlex.join(submitted.command)
