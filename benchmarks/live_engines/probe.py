"""Ask an engine whether it is ready: send it trades of a symbol that nothing else uses, and wait for its windows."""

import itertools
import time
from collections.abc import Callable

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from benchmarks.live_engines.generator import Sender, trades
from contracts.errors import StackError
from contracts.streams import CRYPTO_DATA_AGGREGATED

PROBES = tuple(f"PROBE{letter}USDT" for letter in "ABCDEFGHI")
"""Enough of them that each partition of the topic gets some."""
EVERY_SECONDS = 0.5


class _Named(msgspec.Struct, frozen=True):
    symbol: str


_named = msgspec.json.Decoder(_Named)


def wait_ready(bootstrap_servers: str, running: Callable[[], bool], seconds: float) -> float:
    """Wait until windows of every probe were told; return the seconds that it took.

    Args:
        bootstrap_servers: where Kafka is.
        running: whether the engine still runs.
        seconds: how long to wait.

    Raises:
        StackError: the engine ended, or was not ready in time.
    """
    topic = CRYPTO_DATA_AGGREGATED.topic
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "live-probe", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    sender, probes = Sender(bootstrap_servers), trades(PROBES)
    missing = set(PROBES)
    began = sent = time.monotonic()
    try:
        while missing:
            now = time.monotonic()
            if not running() or now - began > seconds:
                raise StackError(f"the engine {'was not ready in time' if running() else 'ended while it started'}")
            if now >= sent:
                sent = now + EVERY_SECONDS
                for probe in itertools.islice(probes, len(PROBES)):
                    sender.send(probe)
            message = consumer.poll(0.05)
            if message is not None and message.error() is None and (value := message.value()) is not None:
                missing.discard(_named.decode(value).symbol)
        return time.monotonic() - began
    finally:
        sender.finish()
        consumer.close()
