"""Points from Kafka: one thread reads, from some minutes back and without a consumer group's offsets."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from contracts.errors import RecordError
from contracts.settings import KafkaSettings
from contracts.streams import CRYPTO_DATA_AGGREGATED
from serve.kafka_offsets import first_and_next
from serve.live.backlog import Backlog
from serve.live.clock import Clock
from serve.live.feed import Batch, Take
from serve.live.points import Point, point_of

_MESSAGES = 1000
_BATCHES_AHEAD = 32
"""So many batches wait for the event loop at most; then the thread waits, and the topic keeps the rest."""
_POLL_SECONDS = 0.1
_RETRY_SECONDS = 0.5
_ASK_SECONDS = 2.0
_SILENT_SECONDS = 5.0
"""After so long without a message the broker is asked whether it is there."""
_CATCH_UP_SECONDS = 10.0
"""How long the rest of what the topic held is waited for."""
_GONE = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_SILENT = logging.getLogger("serve.librdkafka")


class KafkaFeed:
    """Feed over the topic of moving averages; lasts through whatever happens to the broker or the topic."""

    def __init__(self, kafka: KafkaSettings, *, history_ms: int, clock: Clock) -> None:
        self._servers = kafka.kafka_bootstrap_servers
        self._topic = CRYPTO_DATA_AGGREGATED.topic
        self._history_ms = history_ms
        self._clock = clock
        self._stop = threading.Event()
        self._ahead = threading.Semaphore(_BATCHES_AHEAD)
        self._problem: str | None = f"Kafka at {self._servers} has not answered yet"
        self._next: dict[int, int] = {}
        self._backlog = Backlog(_CATCH_UP_SECONDS, clock.monotonic)
        self._starts_anew = False
        self._heard_at = 0.0
        self._logged = False

    @property
    def problem(self) -> str | None:
        """Why nothing can be read, None while it can."""
        return self._problem

    async def run(self, take: Take) -> None:
        """Read until cancelled; batches are handed over in this event loop."""
        loop = asyncio.get_running_loop()

        def taken(batch: Batch) -> None:
            self._ahead.release()
            take(batch)

        reading = loop.run_in_executor(None, self._read, lambda batch: loop.call_soon_threadsafe(taken, batch))
        try:
            await asyncio.shield(reading)
        finally:
            self._stop.set()
            await asyncio.wait([reading])

    # --- in the thread --------------------------------------------------------------------------------------------

    def _read(self, hand_over: Callable[[Batch], object]) -> None:
        while not self._stop.is_set():
            consumer = Consumer(self._configuration(), logger=_SILENT)
            with contextlib.closing(consumer):
                try:
                    self._open(consumer)
                    self._follow(consumer, hand_over)
                except KafkaException as error:
                    self._problem = f"topic {self._topic} of Kafka at {self._servers}: {error.args[0].str()}"
            self._stop.wait(_RETRY_SECONDS)

    def _configuration(self) -> dict[str, object]:
        return {
            "bootstrap.servers": self._servers,
            "group.id": "coinlake-live",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "fetch.wait.max.ms": 100,
            "fetch.error.backoff.ms": 100,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "socket.timeout.ms": 6000,
            "queued.max.messages.kbytes": 8192,
            "error_cb": self._note,
        }

    def _open(self, consumer: Consumer) -> None:
        """Go on where we were; the first time, and in a topic that is shorter than that, some minutes back."""
        topic = consumer.list_topics(self._topic, timeout=_ASK_SECONDS).topics[self._topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        bounds = {
            partition: first_and_next(consumer, self._topic, partition, _ASK_SECONDS) for partition in topic.partitions
        }
        if any(self._next.get(partition, 0) > high for partition, (_, high) in bounds.items()):
            self._start_anew()
        since = int(self._clock.wall_ms()) - self._history_ms
        found = consumer.offsets_for_times(
            [TopicPartition(self._topic, partition, since) for partition in bounds], timeout=_ASK_SECONDS
        )
        starts: dict[int, int] = {}
        for start in found:
            if start.error is not None:
                raise KafkaException(start.error)
            low, high = bounds[start.partition]
            # Where nothing is so new, from the end that we have seen: "the end" would be a later one.
            first = start.offset if start.offset >= 0 else high
            starts[start.partition] = max(self._next.get(start.partition, first), low)
        self._next = starts
        self._backlog.open({partition: high for partition, (_, high) in bounds.items()})
        consumer.assign([TopicPartition(self._topic, partition, offset) for partition, offset in self._next.items()])
        self._problem = None
        self._heard_at = self._clock.monotonic()

    def _follow(self, consumer: Consumer, hand_over: Callable[[Batch], object]) -> None:
        told = False
        while not self._stop.is_set():
            message = consumer.poll(_POLL_SECONDS)
            if message is None:
                self._ask(consumer)
            messages = [] if message is None else [message, *consumer.consume(_MESSAGES, 0)]
            batch = self._batch([message for message in messages if message.error() is None])
            if batch.points or batch.unreadable or (batch.caught_up and not told):
                told = batch.caught_up
                while not self._ahead.acquire(timeout=_POLL_SECONDS):
                    if self._stop.is_set():
                        return
                self._starts_anew = False
                hand_over(batch)
            # Not before what was read beside them is handed over: to open the topic again goes on after it.
            for error in filter(None, (message.error() for message in messages)):
                self._judge(error)

    def _batch(self, messages: Sequence[Message]) -> Batch:
        points: list[Point] = []
        unreadable = 0
        for message in messages:
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            if offset < self._next.get(partition, 0):
                self._start_anew()
                points.clear()
            self._next[partition] = offset + 1
            self._backlog.read(partition, offset)
            try:
                points.append(point_of(message.value() or b"", offset=offset, timestamp_ms=message.timestamp()[1]))
            except RecordError:
                unreadable += 1
                self._log_once(partition, offset)
        if points:
            self._problem = None
            self._heard_at = self._clock.monotonic()
        return Batch(points, unreadable, self._starts_anew, self._backlog.is_read(self._next))

    def _judge(self, error: KafkaError) -> None:
        """Open the topic again where it is gone; all else librdkafka goes on to try."""
        if error.code() in _GONE:
            raise KafkaException(error)
        self._note(error)

    def _note(self, error: KafkaError) -> None:
        self._problem = f"Kafka at {self._servers}: {error.str()}"

    def _ask(self, consumer: Consumer) -> None:
        """See whether a silent broker is there, while we have a problem or after a while."""
        now = self._clock.monotonic()
        if self._problem is None and now - self._heard_at < _SILENT_SECONDS:
            return
        self._heard_at = now
        try:
            first_and_next(consumer, self._topic, next(iter(self._next)), _ASK_SECONDS)
        except KafkaException as error:
            self._judge(error.args[0])
        else:
            self._problem = None

    def _start_anew(self) -> None:
        self._starts_anew = True
        self._next.clear()

    def _log_once(self, partition: int, offset: int) -> None:
        if not self._logged:
            self._logged = True
            structlog.get_logger().warning(
                "live_record_unreadable", topic=self._topic, partition=partition, offset=offset
            )
