"""What Kafka and its readers say of topics, as tables: offsets, lag, and the newest messages of one topic."""

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import msgspec
import pyarrow as pa
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from serve.query.errors import NothingThereError, StoreDownError

ASK_SECONDS = 4.0
MOST_MESSAGES = 1000
CONNECT_GROUP = "connect-"
"""Kafka Connect reads for each sink as the consumer group `connect-<name of the sink>`."""
_SPECS = (OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.max_timestamp())  # type: ignore[no-untyped-call]
_SILENT = logging.getLogger("serve.librdkafka")
_TIME = pa.timestamp("ms", "UTC")
TOPICS = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int64()),
        ("first_offset", pa.int64()),
        ("next_offset", pa.int64()),
        ("messages", pa.int64()),
        ("newest_message_time", _TIME),
    ]
)
MESSAGES = pa.schema(
    [
        ("topic", pa.string()),
        ("partition", pa.int64()),
        ("offset", pa.int64()),
        ("time", _TIME),
        ("key", pa.string()),
        ("value", pa.string()),
        ("headers", pa.string()),
    ]
)
Row = dict[str, Any]


class KafkaFacts:
    """Asks one Kafka. Everything waits for an answer at most ASK_SECONDS at a time."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self._settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": servers,
            "log_level": 0,
            "socket.timeout.ms": 6000,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
        }
        self._admin: AdminClient | None = None

    def topics(self) -> list[Row]:
        """Return the offsets of every partition of every topic that is not Kafka's own.

        `messages` counts offsets: compaction leaves fewer.

        Raises:
            StoreDownError: no broker answers.
        """
        with self._answering() as admin:
            found = admin.list_topics(timeout=ASK_SECONDS).topics
            partitions = [
                TopicPartition(name, number)
                for name, topic in sorted(found.items())
                if not name.startswith("__")
                for number in sorted(topic.partitions)
            ]
            first, last, newest = (
                _offsets(admin.list_offsets(dict.fromkeys(partitions, spec), request_timeout=ASK_SECONDS))
                for spec in _SPECS
            )
        return [
            {
                "topic": topic,
                "partition": partition,
                "first_offset": first[topic, partition][0],
                "next_offset": last[topic, partition][0],
                "messages": last[topic, partition][0] - first[topic, partition][0],
                "newest_message_time": newest[topic, partition][1],
            }
            for topic, partition in last
        ]

    def committed(self) -> list[Row]:
        """Return up to where the consumer groups of Kafka Connect have committed.

        Raises:
            StoreDownError: no broker answers.
        """
        with self._answering() as admin:
            groups = admin.list_consumer_groups(request_timeout=ASK_SECONDS).result(ASK_SECONDS).valid
            names = sorted(group.group_id for group in groups if group.group_id.startswith(CONNECT_GROUP))
            asked = [
                admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)], request_timeout=ASK_SECONDS)
                for name in names
            ]
            found = [answer.result(ASK_SECONDS) for answers in asked for answer in answers.values()]
        return [
            {"group": group.group_id, "topic": place.topic, "partition": place.partition, "next_offset": place.offset}
            for group in found
            for place in group.topic_partitions
            if place.offset >= 0
        ]

    def newest(self, topic: str, limit: int) -> list[Row]:
        """Return the newest messages of a topic, the newest first; what is no UTF-8 is shown as far as it is.

        Raises:
            NothingThereError: there is no such topic.
            StoreDownError: no broker answers, or it delivers too slowly.
        """
        limit = max(0, min(limit, MOST_MESSAGES))
        with self._answering():
            consumer = Consumer(
                {
                    **self._settings,
                    "group.id": "coinlake-query",
                    "enable.auto.commit": False,
                    "allow.auto.create.topics": False,
                    "auto.offset.reset": "earliest",
                    "isolation.level": "read_uncommitted",
                },
                logger=_SILENT,
            )
            try:
                known = consumer.list_topics(topic, timeout=ASK_SECONDS).topics[topic]
                if known.error is not None:
                    raise NothingThereError(f"expected topic {topic}, found none")
                messages = [
                    message
                    for partition in sorted(known.partitions)
                    for message in self._tail(consumer, topic, partition, limit)
                ]
            finally:
                consumer.close()
        rows = [_row(topic, message) for message in messages]
        return sorted(rows, key=lambda row: (row["time"], row["partition"], row["offset"]), reverse=True)[:limit]

    def _tail(self, consumer: Consumer, topic: str, partition: int, limit: int) -> list[Message]:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ASK_SECONDS)
        start = max(low, high - limit)
        if start >= high:
            return []
        consumer.assign([TopicPartition(topic, partition, start)])
        found: list[Message] = []
        deadline = time.monotonic() + ASK_SECONDS
        while True:
            for message in consumer.consume(limit, timeout=0.2):
                if message.error() is not None:
                    raise KafkaException(message.error())
                found.append(message)
            (reached,) = consumer.position([TopicPartition(topic, partition)])
            if reached.offset >= high:
                return found
            if time.monotonic() > deadline:
                raise StoreDownError(f"kafka: {self._servers} did not deliver {topic} in {ASK_SECONDS:g} s")

    @contextmanager
    def _answering(self) -> Iterator[AdminClient]:
        if self._admin is None:
            self._admin = AdminClient(self._settings, logger=_SILENT)
        try:
            yield self._admin
        except KafkaException as error:
            raise StoreDownError(f"kafka: {self._servers} does not answer", found=_said(error)) from None
        except TimeoutError:
            raise StoreDownError(f"kafka: {self._servers} does not answer", found="no answer in time") from None


def _offsets(asked: Mapping[TopicPartition, "Future[Any]"]) -> dict[tuple[str, int], tuple[int, int | None]]:
    """Return offsets and times (ms) by topic and partition; an empty partition has no time."""
    found = {}
    for place, answer in asked.items():
        info = answer.result(ASK_SECONDS)
        found[place.topic, place.partition] = info.offset, info.timestamp if info.timestamp >= 0 else None
    return found


def _row(topic: str, message: Message) -> Row:
    headers = {str(name): _text(value) for name, value in message.headers() or ()}  # type: ignore[str-unpack]
    return {
        "topic": topic,
        "partition": message.partition(),
        "offset": message.offset(),
        "time": message.timestamp()[1],
        "key": _text(message.key()),
        "value": _text(message.value()),
        "headers": msgspec.json.encode(headers).decode(),
    }


def _text(value: bytes | str | None) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _said(error: KafkaException) -> str:
    found = error.args[0]
    return found.str() if isinstance(found, KafkaError) else str(found)
