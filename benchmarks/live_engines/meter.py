"""`python -m benchmarks.live_engines.meter`: note when each result is received, until SIGTERM.

A process of its own that looks into nothing: it keeps partition, offset and time, and the results are read and
understood afterwards. It asks with `poll` and then takes what is there without waiting: `consume` with a timeout would
itself wait for its whole timeout or a full batch.
"""

import signal
import time
from array import array
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from contracts.settings import KafkaSettings
from contracts.streams import CRYPTO_DATA_AGGREGATED

_WAIT_SECONDS = 0.1
_AT_ONCE = 10_000


class Place(NamedTuple):
    """Where in the topic a result stands."""

    partition: int
    offset: int


class Meter:
    """Notes the times at which messages are received, three numbers each."""

    def __init__(self) -> None:
        self.numbers = array("q")
        self.stopped = False

    def run(self, consumer: Consumer) -> None:
        """Receive until stopped."""
        while not self.stopped:
            first = consumer.poll(_WAIT_SECONDS)
            if first is None:
                continue
            self._note([first])
            self._note(consumer.consume(_AT_ONCE, 0))

    def stop(self) -> None:
        """Let `run` return soon."""
        self.stopped = True

    def _note(self, messages: list[Message]) -> None:
        now = time.time_ns()
        for message in messages:
            if message.error() is None:
                self.numbers.extend((message.partition() or 0, message.offset() or 0, now))


def measure(out: Annotated[Path, typer.Option(help="the file for the times")]) -> None:
    """Watch the results of the Kafka of the environment; write the times when SIGTERM comes."""
    meter = Meter()
    signal.signal(signal.SIGTERM, lambda *_: meter.stop())
    topic = CRYPTO_DATA_AGGREGATED.topic
    consumer = Consumer(
        {
            "bootstrap.servers": KafkaSettings.load().kafka_bootstrap_servers,
            "group.id": "live-meter",
            "enable.auto.commit": False,
        }
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    try:
        meter.run(consumer)
    finally:
        consumer.close()
        out.write_bytes(meter.numbers.tobytes())


def read_times(file: Path) -> dict[Place, int]:
    """Read back when each message was received, in ns since 1970."""
    numbers = array("q")
    numbers.frombytes(file.read_bytes())
    return {
        Place(partition, offset): received
        for partition, offset, received in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    }


if __name__ == "__main__":
    typer.run(measure)
