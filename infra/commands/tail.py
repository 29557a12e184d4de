"""`coinlake tail`: what a generator hands out over ZeroMQ, as lines of JSON."""

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
) -> None:
    """Print each message of topics as one line of JSON, until the generator ends; what was lost goes to standard error.

    Over ZeroMQ a tail of posts takes them away from other workers.
    """
    from serve.export.feed import Loss
    from serve.export.tail import lines
    from serve.export.zmq_feed import ZmqFeed

    settings = transport_settings(transport)
    if settings.zmq is None:
        raise SettingsError(
            "expected --transport zmq://HOST:PORT: for a topic of Kafka its own tool serves, "
            "kafka-console-consumer.sh --topic TOPIC, see docs/kafka.md"
        )
    streams = {stream.topic: stream for stream in STREAMS}
    if unknown := [topic for topic in topics if topic not in streams]:
        raise SettingsError(f"expected topics of {', '.join(streams)}, found {', '.join(unknown)}")

    def say(loss: Loss) -> None:
        print(f"lost: {loss.messages} messages of {loss.lane.topic} from number {loss.first} on", file=sys.stderr)

    with contextlib.closing(ZmqFeed(settings, [streams[topic] for topic in dict.fromkeys(topics)])) as feed:
        feed.start({})
        for line in lines(feed, on_loss=say, ended=lambda: feed.ended, count=count):
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
