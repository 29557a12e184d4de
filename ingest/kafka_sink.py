"""The Kafka sink: librdkafka's plain Producer, one thread that serves its callbacks, one future a poll."""

import asyncio
import logging
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from contracts.errors import BrokerError, TopicError, UndeliveredError
from contracts.records import encode
from contracts.streams import Stream, key_of, symbol_of
from ingest.murmur2 import partition_of
from ingest.sink import Poll

POLL_RECORDS = "poll_records"
"""The header that says how many records of its topic the poll had: a start finds incomplete polls by it."""

DELIVERY_SECONDS = 30.0
"""How long a broker outage is waited out before a poll counts as unacknowledged."""

_HIGH_WATER = 20_000
"""Records in flight at which a further poll waits."""

_FATAL = "_FATAL"

_SILENT = logging.getLogger("ingest.librdkafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


class _Delivery:
    """Counts the acknowledgements of one poll, from the producer's thread and, for refused records, from ours."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._left = count
        self.failed = 0
        self.error = ""
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()

    def report(self, error: KafkaError | None, _: Message | None) -> None:
        """Note one delivery report; the last one wakes the sender."""
        with self._lock:
            if error is not None:
                self.failed += 1
                self.error = error.name()
            self._left -= 1
            last = self._left == 0
        if last and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class KafkaSink:
    """Sink into Kafka: idempotent, every replica acknowledges, bounded in flight."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        delivery_seconds: float = DELIVERY_SECONDS,
        overrides: dict[str, str | int] | None = None,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 5,
                "message.timeout.ms": int(delivery_seconds * 1000),
                "error_cb": _log_error,
                **(overrides or {}),
            },
            logger=_SILENT,
        )
        self._partitions: dict[str, int] = {}
        self._in_flight = 0
        self._room = asyncio.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve_callbacks, name="kafka-producer", daemon=True)

    @property
    def in_flight(self) -> int:
        """Count the records that are sent and not acknowledged."""
        return self._in_flight

    async def start(self, streams: Iterable[Stream], *, seconds: float = 10) -> None:
        """Check that the broker answers and every topic exists, and learn the partitions.

        Raises:
            BrokerError: no broker answered within `seconds`.
            TopicError: a topic does not exist.
        """
        try:
            topics = (await asyncio.to_thread(self._producer.list_topics, timeout=seconds)).topics
        except KafkaException:
            raise no_broker(self._bootstrap_servers, seconds) from None
        for stream in streams:
            if stream.topic not in topics or topics[stream.topic].error is not None:
                raise TopicError(f'topic {stream.topic} does not exist: create it with "coinlake topics apply"')
            self._partitions[stream.topic] = len(topics[stream.topic].partitions)
        self._thread.start()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def send_poll(self, poll: Poll) -> None:
        """Send every record of a poll and return when all are acknowledged.

        Raises:
            UndeliveredError: some were not acknowledged in time, or were refused.
            BrokerError: the broker has lost what the idempotent producer relies on; only a new producer can go on.
        """
        count = sum(map(len, poll.values()))
        if count == 0:
            return
        async with self._room:
            await self._room.wait_for(lambda: self._in_flight == 0 or self._in_flight + count <= _HIGH_WATER)
            self._in_flight += count
        delivery = _Delivery(count)
        self._produce(poll, delivery)
        # Shielded: records of a cancelled sender are still in flight until Kafka has answered for them.
        await asyncio.shield(asyncio.ensure_future(self._answered(delivery, count)))
        if delivery.error == _FATAL:
            raise BrokerError(
                f"Kafka at {self._bootstrap_servers}: expected to go on after an error, found that the producer "
                "cannot: start the generator again, it puts the hole on record"
            )
        if delivery.failed:
            raise UndeliveredError(
                f"Kafka did not acknowledge {delivery.failed} of {count} records ({delivery.error})",
                count=delivery.failed,
            )

    async def _answered(self, delivery: _Delivery, count: int) -> None:
        await delivery.done
        async with self._room:
            self._in_flight -= count
            self._room.notify_all()

    def _produce(self, poll: Poll, delivery: _Delivery) -> None:
        for stream, records in poll.items():
            headers: list[tuple[str, str | bytes | None]] = [(POLL_RECORDS, str(len(records)).encode())]
            for record in records:
                try:
                    self._producer.produce(
                        stream.topic,
                        encode(record),
                        key_of(stream, record),
                        partition_of(symbol_of(stream, record), self._partitions[stream.topic]),
                        on_delivery=delivery.report,
                        headers=headers,
                    )
                except KafkaException as error:
                    delivery.report(error.args[0], None)
                except BufferError:
                    delivery.report(KafkaError(KafkaError._QUEUE_FULL), None)

    def _serve_callbacks(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)

    async def _close(self) -> None:
        if self._thread.is_alive():
            self._closing.set()
            await asyncio.to_thread(self._thread.join)
        self._producer.purge(in_queue=True, in_flight=True, blocking=False)


def no_broker(bootstrap_servers: str, seconds: float) -> BrokerError:
    """Build the error for a Kafka that does not answer."""
    return BrokerError(
        f"Kafka at {bootstrap_servers}: expected an answer within {seconds:g} s, found none: "
        'start it with "coinlake up" or set COINLAKE_KAFKA_BOOTSTRAP_SERVERS'
    )


def _log_error(error: KafkaError) -> None:
    # Every lost connection is told, many a second; when it matters, _ALL_BROKERS_DOWN follows.
    if error.code() != KafkaError._TRANSPORT:
        structlog.get_logger().warning("kafka_error", code=error.name())
