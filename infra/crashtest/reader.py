"""An independent consumer: everything that was ever in the topics, read as it comes, before compaction removes any."""

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from contracts.errors import BrokerError

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Seen:
    """One message: where it is, and what it says."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]


class Reader:
    """Reads whole topics in a thread of its own for the length of a block; an outage of the broker is waited out."""

    def __init__(self, bootstrap_servers: str, topics: Sequence[str]) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._group = f"crashtest-{uuid.uuid4().hex}"
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": self._group,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        self._topics = topics
        self._parts: list[TopicPartition] = []
        self._ends: dict[tuple[str, int], int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read_forever, name="independent consumer", daemon=True)
        self.messages: list[Seen] = []

    def __enter__(self) -> Self:
        known = self._consumer.list_topics(timeout=PATIENCE_SECONDS).topics
        self._parts = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in self._topics
            for number in known[topic].partitions
        ]
        self._consumer.assign(self._parts)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def catch_up(self) -> list[Seen]:
        """Wait until everything that is in the topics now has been read; return all that was ever read.

        Raises:
            BrokerError: the broker does not answer, or that took longer than two minutes.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        wanted = self._newest_offsets()
        while any(self._ends.get(where, 0) < end for where, end in wanted.items()):
            if time.monotonic() > deadline:
                raise BrokerError(f"expected to read all topics to their ends within {PATIENCE_SECONDS:g} s, did not")
            time.sleep(0.05)
        return list(self.messages)

    def _newest_offsets(self) -> dict[tuple[str, int], int]:
        # With a consumer of its own: asked through the one that the thread reads with, librdkafka waits for ever.
        asking = Consumer({"bootstrap.servers": self._bootstrap_servers, "group.id": self._group, "log_level": 0})
        try:
            return {
                (part.topic, part.partition): asking.get_watermark_offsets(part, timeout=PATIENCE_SECONDS)[1]
                for part in self._parts
            }
        except KafkaException as error:
            raise BrokerError(f"expected Kafka to tell the ends of its topics, found: {error}") from None
        finally:
            asking.close()

    def _read_forever(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(1000, 0.1):
                self._take(message)

    def _take(self, message: Message) -> None:
        error = message.error()
        topic, partition, offset = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
        if error is None:
            headers = {name: value for name, value in dict(message.headers() or ()).items() if isinstance(value, bytes)}
            self.messages.append(
                Seen(topic, partition, offset, bytes(message.key() or b""), bytes(message.value() or b""), headers)
            )
        elif error.code() == KafkaError._PARTITION_EOF:
            self._ends[topic, partition] = offset
