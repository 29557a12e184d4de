"""`coinlake export`: topics into files for analysts."""

import os
from pathlib import Path
from typing import Annotated

import typer

from infra.transport import TRANSPORT, transport_settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(help="Write topics into files.", no_args_is_help=True)
    commands.callback()(_group)
    commands.command()(hdf5)
    app.add_typer(commands, name="export")


def _group() -> None:
    """Write topics into files."""


def hdf5(
    folder: Annotated[Path, typer.Argument(help="where the files are, or will be: one a UTC day")],
    topic: Annotated[list[str] | None, typer.Option(help="a topic to take; all of prices and posts without it")] = None,
    every: Annotated[str | None, typer.Option(help="how often to wake, such as 10s")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="take what is there now, over ZeroMQ until the generator ends, and end")
    ] = False,
    transport: Annotated[str | None, typer.Option(help=TRANSPORT)] = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="go on where retention took messages; the hole is put on record")
    ] = False,
) -> None:
    """Write prices as bars, and posts with their scores, into one HDF5 file a UTC day, until SIGTERM or Ctrl-C.

    Whenever it is stopped or killed, the next start goes on where the files stand. Read them with pandas.read_hdf.
    """
    from contracts.settings import JobSettings, KafkaSettings
    from infra.durations import parse_duration
    from infra.export_progress import shown, stop_on_signals
    from infra.terminal import say
    from ingest import logs
    from sentiment.score import score
    from serve.export.exporter import Exporter, export
    from serve.export.feeds import feed_of
    from serve.export.folder_lock import locked
    from serve.export.parse import chosen
    from serve.export.settings import ExportSettings, rules_of

    logs.configure()
    settings = ExportSettings.load()
    topics = chosen(topic or ())
    seconds = parse_duration(every).total_seconds() if every else settings.export_every_seconds
    with stop_on_signals() as stop, locked(folder):
        exporter = Exporter(folder, rules_of(settings, JobSettings.load()), score, os.replace)
        lose = exporter.note_lost if accept_loss else None
        feed = feed_of(transport_settings(transport), KafkaSettings.load(), topics, lose=lose)
        try:
            feed.start(exporter.positions)
            say(f"takes {', '.join(topics)} into {folder}, {'once' if once else f'every {seconds:g} s'}")
            export(
                feed,
                exporter,
                max_messages=settings.export_max_messages,
                every=seconds,
                stop=stop,
                done=feed.caught_up if once else lambda: False,
                each=lambda part: say(shown(part)),
            )
        finally:
            feed.close()
