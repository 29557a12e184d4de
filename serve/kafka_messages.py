"""Messages at given offsets, read back from Kafka in bounded time."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from contracts.errors import BrokerError
from contracts.settings import KafkaSettings

PATIENCE_SECONDS = 5.0
_BATCH = 500
_TOGETHER = 5000
"""Offsets at most this far apart are read in one go; further apart, the consumer seeks."""


class Position(NamedTuple):
    """Where a message is, or was."""

    topic: str
    partition: int
    offset: int


class Messages(Protocol):
    """Something that gives messages back by their positions."""

    def read(self, positions: Collection[Position]) -> dict[Position, bytes | None]:
        """Return the values of those messages that are still there; None is a tombstone's value."""


class KafkaMessages:
    """The messages of a broker."""

    def __init__(
        self,
        kafka: KafkaSettings,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = kafka.kafka_bootstrap_servers
        self._patience = patience_seconds
        self._clock = clock

    def read(self, positions: Collection[Position]) -> dict[Position, bytes | None]:
        """Read these offsets and no committed ones; what retention or compaction removed is left out.

        Raises:
            BrokerError: no broker answers, or it took longer than our patience.
        """
        deadline = self._clock() + self._patience
        consumer = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "coinlake-explain",
                "enable.auto.commit": False,
                "enable.partition.eof": False,
                "auto.offset.reset": "error",
                "log_level": 0,
                "socket.timeout.ms": 6000,
            }
        )
        try:
            found: dict[Position, bytes | None] = {}
            for (topic, partition), offsets in _by_partition(positions):
                low, high = consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=PATIENCE_SECONDS / 2
                )
                there = [offset for offset in offsets if low <= offset < high]
                for run in _runs(there):
                    found.update(self._read_run(consumer, topic, partition, run, high, deadline))
            return found
        except KafkaException as error:
            raise BrokerError(f"Kafka at {self._servers} does not answer: {error.args[0].str()}") from None
        finally:
            consumer.close()

    def _read_run(
        self, consumer: Consumer, topic: str, partition: int, offsets: list[int], high: int, deadline: float
    ) -> Iterator[tuple[Position, bytes | None]]:
        """Read from the first to the last offset; a compacted log skips some of them."""
        consumer.assign([TopicPartition(topic, partition, offsets[0])])
        wanted = set(offsets)
        next_offset = offsets[0]
        while next_offset <= offsets[-1]:
            if self._clock() > deadline:
                raise BrokerError(f"Kafka at {self._servers} did not deliver {topic} in {self._patience:g} s")
            for message in consumer.consume(_BATCH, timeout=0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                next_offset = _offset(message) + 1
                if _offset(message) in wanted:
                    yield Position(topic, partition, _offset(message)), message.value()
            (reached,) = consumer.position([TopicPartition(topic, partition)])
            next_offset = max(next_offset, reached.offset)
            if next_offset >= high:
                return


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None  # only a produced message may lack it
    return offset


def _by_partition(positions: Iterable[Position]) -> Iterator[tuple[tuple[str, int], list[int]]]:
    for key, group in groupby(sorted(positions), key=lambda position: (position.topic, position.partition)):
        yield key, [position.offset for position in group]


def _runs(offsets: list[int]) -> Iterator[list[int]]:
    """Cut ascending offsets where the next is far away.

    >>> list(_runs([1, 2, 9000, 9001]))
    [[1, 2], [9000, 9001]]
    """
    run: list[int] = []
    for offset in offsets:
        if run and offset - run[-1] > _TOGETHER:
            yield run
            run = []
        run.append(offset)
    if run:
        yield run
