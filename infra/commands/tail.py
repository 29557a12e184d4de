"""`coinlake tail`: the messages of topics as lines of JSON, whatever the transport."""

import contextlib
import sys
from typing import Annotated

import typer

from contracts.errors import SettingsError
from contracts.streams import STREAMS
from infra.transport import TRANSPORT, transport_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tail)


def tail(
    topics: Annotated[list[str], typer.Argument(metavar="TOPIC...", help="such as wallex, or bitcoin")],
    transport: Annotated[str | None, typer.Option(help=TRANSPORT)] = None,
    count: Annotated[int | None, typer.Option(min=1, help="end after so many messages")] = None,
    once: Annotated[bool, typer.Option("--once", help="end when all was printed that Kafka holds now")] = False,
) -> None:
    """Print each message of topics as a line of JSON: of Kafka all that it holds and what comes, of ZeroMQ what comes.

    Over ZeroMQ it ends when the generator does, says on standard error what was lost, and takes posts away from
    other workers.
    """
    from contracts.settings import KafkaSettings
    from ingest import logs
    from serve.export.feed import Lost
    from serve.export.feeds import feed_of
    from serve.export.tail import lines

    logs.configure()
    settings = transport_settings(transport)
    known = [stream.topic for stream in STREAMS]
    if unknown := [topic for topic in topics if topic not in known]:
        raise SettingsError(f"expected topics of {', '.join(known)}, found {', '.join(unknown)}")

    def say(lost: Lost) -> None:
        print(f"lost: {lost.lane.topic} from {lost.offset} up to but not including {lost.next_offset}", file=sys.stderr)

    with contextlib.closing(feed_of(settings, KafkaSettings.load(), list(dict.fromkeys(topics)))) as feed:
        feed.start({})
        ends = once or settings.zmq is not None
        for line in lines(feed, on_loss=say, done=lambda: ends and feed.caught_up(), count=count):
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
