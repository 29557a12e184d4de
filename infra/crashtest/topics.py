"""Fill the topics: a generated market, and messages that are no records, at both ends of every topic."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Producer

from contracts.errors import StackError
from contracts.records import Gap, Rejected, encode
from contracts.settings import KafkaSettings
from contracts.streams import COIN_MARKET_CAP, INGEST_GAPS, INGEST_REJECTED, WALLEX, key_of
from infra.demo.replay import Market, replay

DELIVERY_SECONDS = 20.0
_NONSENSE = (
    b"no JSON",
    b'{"venue": "nowhere"}',
    b'{"venue": "nowhere", "price": "1e40", "event_time": "yesterday"}',
)


def prefill(stack_kafka: KafkaSettings, market: Market, logs: Path, say: Callable[[str], None]) -> None:
    """Fill the topics and leave them alone: nothing is produced afterwards.

    Raises:
        StackError: the simulator, the generator or the broker did not do its part.
    """
    _produce(stack_kafka, _odd_messages("first"))
    replay(market, logs, stack_kafka, say)
    _produce(stack_kafka, [*_odd_messages("last"), *_good_messages()])


def _odd_messages(place: str) -> list[tuple[str, bytes, bytes]]:
    """Make messages (topic, key, value) that landing refuses; each key is met once, so none is compacted away."""
    return [
        (stream.topic, f"{place}-{number}".encode(), value)
        for stream in (COIN_MARKET_CAP, WALLEX, INGEST_GAPS, INGEST_REJECTED)
        for number, value in enumerate(_NONSENSE)
    ]


def _good_messages() -> list[tuple[str, bytes, bytes]]:
    """Make one record for each topic that a market without mishaps leaves empty."""
    then = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    gap = Gap(
        venue="crashtest",
        event_time=then,
        ingest_time=then,
        symbol="*",
        stream="crashtest",
        from_time=then,
        to_time=then + dt.timedelta(seconds=30),
        cause="made by the crash test",
        recoverable=False,
    )
    rejected = Rejected(
        venue="crashtest",
        event_time=then,
        ingest_time=then,
        stream="crashtest",
        reason="made by the crash test",
        payload=bytes(range(256)),
    )
    return [
        (INGEST_GAPS.topic, key_of(INGEST_GAPS, gap), encode(gap)),
        (INGEST_REJECTED.topic, key_of(INGEST_REJECTED, rejected), encode(rejected)),
    ]


def _produce(kafka: KafkaSettings, messages: list[tuple[str, bytes, bytes]]) -> None:
    where = kafka.kafka_bootstrap_servers
    producer = Producer({"bootstrap.servers": where, "enable.idempotence": True, "log_level": 0})
    for topic, key, value in messages:
        producer.produce(topic, value, key)
    left = producer.flush(DELIVERY_SECONDS)
    if left:
        raise StackError(f"Kafka: expected to take {len(messages)} messages, found {left} unacknowledged")
