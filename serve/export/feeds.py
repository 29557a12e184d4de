"""The one place where the setting chooses by what messages arrive: Kafka, or ZeroMQ."""

from collections.abc import Callable, Sequence

from contracts.settings import KafkaSettings, TransportSettings
from contracts.streams import STREAMS
from serve.export.feed import Feed, Lost
from serve.export.kafka_feed import KafkaFeed
from serve.export.zmq_feed import ZmqFeed


def feed_of(
    transport: TransportSettings,
    kafka: KafkaSettings,
    topics: Sequence[str],
    *,
    lose: Callable[[Sequence[Lost]], None] | None = None,
) -> Feed:
    """Return the feed that the setting names, over these topics; `lose` is that of `KafkaFeed`."""
    if transport.zmq is None:
        return KafkaFeed(kafka, topics, lose=lose)
    return ZmqFeed(transport, [stream for stream in STREAMS if stream.topic in topics])
