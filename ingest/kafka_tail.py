"""Read the newest end of a topic, bounded, without a consumer group's offsets."""

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from contracts.errors import BrokerError, RecordError
from contracts.records import Gap, Record, decode
from contracts.streams import INGEST_GAPS, Stream
from ingest.gaps import PollSeen
from ingest.kafka_sink import POLL_RECORDS, no_broker
from ingest.source import poll_time

_MESSAGES = 12_000
"""Offsets read from the end of each partition: more than two polls of the largest answer (5000 coins)."""

_SILENCE_SECONDS = 10.0
"""How long Kafka may give nothing before the end of a topic is reached."""

_PUSHED_MESSAGES = 20_000
"""The same of a pushed stream, whose holes within are found again: some minutes of trades, an hour of klines."""

_QUEUED_KB = 16_384
"""What the client holds of messages that are not read yet; it would fetch up to 64 MB ahead, of each partition."""

_NEW_LEADER = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE})
"""What a broker says for a moment after a topic was made, or a partition was moved."""

_SILENT = logging.getLogger("ingest.librdkafka")


class KafkaTail:
    """Tail over Kafka; each call opens a consumer, reads to the end and closes it."""

    def __init__(
        self, bootstrap_servers: str, *, seconds: float = _SILENCE_SECONDS, pushed_messages: int = _PUSHED_MESSAGES
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._pushed_messages = pushed_messages
        self._seconds = seconds

    async def newest_polls(self, venue: str, stream: Stream) -> Sequence[PollSeen]:
        """Return the newest two polls of a venue, newest first; the ingest time tells polls apart.

        Raises:
            BrokerError: Kafka gave nothing for a while before the end of the topic was reached.
        """
        polls: dict[tuple[dt.datetime, dt.datetime], list[tuple[Record, int]]] = {}
        for record, expected in await asyncio.to_thread(self._of, venue, stream, _MESSAGES):
            polls.setdefault((record.ingest_time, poll_time(record)), []).append((record, expected))
        seen = [
            PollSeen(poll_time(rows[0][0]), rows[0][0].ingest_time, len(rows), max(expected for _, expected in rows))
            for rows in (polls[key] for key in sorted(polls))
        ]
        return seen[:-3:-1]

    async def gaps(self, venue: str, stream: Stream) -> Sequence[Gap]:
        """Return all Gaps of a venue's stream, each as it stands now.

        Raises:
            BrokerError: Kafka gave nothing for a while before the end of the topic was reached.
        """
        newest: dict[object, Gap] = {}
        for record, _ in await asyncio.to_thread(self._of, venue, INGEST_GAPS, None):
            if isinstance(record, Gap) and record.stream == stream.topic:
                newest[record.symbol, record.from_time] = record
        return list(newest.values())

    async def newest_records(self, venue: str, stream: Stream, symbols: Sequence[str]) -> Sequence[Record]:
        """Return the newest records of a venue, of each partition in order, out of some 20,000 of each.

        Where a symbol, or the venue, is not among them (others were refilled meanwhile), out of five times as many.

        Raises:
            BrokerError: Kafka gave nothing for a while before the end of the topic was reached.
        """
        found = await self._newest(venue, stream, self._pushed_messages)
        if found and set(symbols) <= {getattr(record, "symbol", "") for record in found}:
            return found
        return await self._newest(venue, stream, 5 * self._pushed_messages)

    async def names(self, venue: str, stream: Stream, name: Callable[[Record], bytes]) -> set[bytes]:
        """Return the names of all records of a venue in a topic, however many; of the records nothing is kept.

        Raises:
            BrokerError: Kafka gave nothing for a while before the end of the topic was reached.
        """

        def read() -> set[bytes]:
            return {name(record) for record, _ in self._decoded(stream, None) if record.venue == venue}

        return await asyncio.to_thread(read)

    async def _newest(self, venue: str, stream: Stream, most: int) -> list[Record]:
        return [record for record, _ in await asyncio.to_thread(self._of, venue, stream, most)]

    def _of(self, venue: str, stream: Stream, most: int | None) -> list[tuple[Record, int]]:
        """Read a venue's records with the size of their poll; what others wrote is let go as it is read."""
        return [(record, expected) for record, expected in self._decoded(stream, most) if record.venue == venue]

    def _decoded(self, stream: Stream, most: int | None) -> Iterator[tuple[Record, int]]:
        """Decode messages with the size of their poll; what is no record of ours is not the tail's to judge."""
        with contextlib.closing(self._read(stream.topic, most)) as messages:
            for message in messages:
                headers = dict(message.headers() or ())
                with contextlib.suppress(RecordError):
                    yield decode(message.value() or b"", stream.record), int(headers.get(POLL_RECORDS) or 0)

    def _read(self, topic: str, most: int | None) -> Generator[Message]:
        """Yield the newest messages of each partition, all of them where `most` is None, as they are read."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap_servers,
                "group.id": "coinlake-tail",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "queued.max.messages.kbytes": _QUEUED_KB,
            },
            logger=_SILENT,
        )
        with contextlib.closing(consumer):
            try:
                partitions = consumer.list_topics(topic, timeout=self._seconds).topics[topic].partitions
                starts = [self._start(consumer, TopicPartition(topic, partition), most) for partition in partitions]
            except KafkaException:
                raise no_broker(self._bootstrap_servers, self._seconds) from None
            filled = [start for start in starts if start is not None]
            consumer.assign(filled)
            yield from self._to_the_end(consumer, topic, len(filled))

    def _start(self, consumer: Consumer, partition: TopicPartition, most: int | None) -> TopicPartition | None:
        """Choose where to read a partition from; None where it is empty."""
        low, high = self._watermarks(consumer, partition)
        if OFFSET_INVALID in (low, high):
            raise no_broker(self._bootstrap_servers, self._seconds)
        if low == high:
            return None
        start = low if most is None else max(low, high - most)
        return TopicPartition(partition.topic, partition.partition, start)

    def _watermarks(self, consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
        """Ask for the first and the next offset, again where the partition has no leader yet."""
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                low, high = consumer.get_watermark_offsets(partition, timeout=self._seconds)
            except KafkaException as error:
                if error.args[0].code() not in _NEW_LEADER or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return low, high

    def _to_the_end(self, consumer: Consumer, topic: str, partitions: int) -> Iterator[Message]:
        deadline = time.monotonic() + self._seconds
        ended: set[int | None] = set()
        while len(ended) < partitions:
            found = consumer.consume(1000, 0.1)
            now = time.monotonic()
            if found:
                deadline = now + self._seconds
            elif now > deadline:
                raise BrokerError(f"topic {topic}: expected to read to its end, found nothing for {self._seconds:g} s")
            for message in found:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
