"""Messages sent to a topic and read back, as Kafka's console producer and consumer do it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from contracts.errors import BrokerError, UndeliveredError
from infra.kafka.console import Console

SECONDS = 15.0
"""How long Kafka may take to acknowledge messages, or to give them back."""


@dataclass(frozen=True)
class Tried:
    """A message as Kafka has it."""

    partition: int
    offset: int
    key: str
    value: str


def send(console: Console, messages: Mapping[str, str], *, seconds: float = SECONDS) -> list[Tried]:
    """Send messages by key, and return them as they were acknowledged by every broker in sync, in order of arrival.

    Raises:
        UndeliveredError: one was not, in time.
    """
    acknowledged: list[Tried] = []
    refused: list[str] = []

    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(error.name())
        else:
            acknowledged.append(_tried(message))

    producer = Producer(
        {
            "bootstrap.servers": console.bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            # As the console producer and every other Java client spread keys.
            "partitioner": "murmur2_random",
            "message.timeout.ms": int(seconds * 1000),
            "log_level": 0,
        }
    )
    for key, value in messages.items():
        producer.produce(console.topic, value.encode(), key.encode(), on_delivery=report)
    producer.flush(2 * seconds)
    missing = len(messages) - len(acknowledged)
    if missing:
        raise UndeliveredError(
            f"Kafka did not acknowledge {missing} of {len(messages)} messages within {seconds:g} s "
            f"({refused[0] if refused else 'no answer'})",
            count=missing,
        )
    return acknowledged


def read_back(console: Console, sent: list[Tried], *, seconds: float = SECONDS) -> list[Tried]:
    """Read the oldest messages of a topic, in no group, by partition and offset: those that were sent, as they were.

    Raises:
        BrokerError: in time, others were found.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": console.bootstrap_servers,
            "group.id": console.topic,
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    consumer.assign([TopicPartition(console.topic, number, 0) for number in range(console.partitions)])
    deadline = time.monotonic() + seconds
    found: list[Tried] = []
    try:
        while len(found) < len(sent) and time.monotonic() < deadline:
            found += [_tried(message) for message in consumer.consume(len(sent), 0.2) if message.error() is None]
    finally:
        consumer.close()
    found.sort(key=_place)
    if found != sorted(sent, key=_place):
        raise BrokerError(
            f"Kafka at {console.bootstrap_servers}: expected the {len(sent)} messages of {console.topic} back as they "
            f"were sent within {seconds:g} s, found {len(found)}"
        )
    return found


def _place(message: Tried) -> tuple[int, int]:
    return message.partition, message.offset


def _tried(message: Message) -> Tried:
    partition, offset, key, value = message.partition(), message.offset(), message.key(), message.value()
    assert partition is not None and offset is not None and key is not None and value is not None
    return Tried(partition, offset, key.decode(), value.decode())
