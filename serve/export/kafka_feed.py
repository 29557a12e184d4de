"""Messages from Kafka, from positions that the export itself keeps: no consumer group, no committed offsets."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from contracts.errors import BrokerError, ExportError, TopicError
from contracts.settings import KafkaSettings
from serve.export.feed import Lane, Lost, Message
from serve.export.positions import demand_lanes
from serve.kafka_offsets import first_and_next

_MESSAGES = 1000
"""At most so many are handed out at once."""
_SILENT_SECONDS = 60.0
"""A broker that for so long hands out nothing of what it has is given up."""
_BEYOND = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_GONE = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
    | {KafkaError.UNKNOWN_TOPIC_ID}
)
_SILENT = logging.getLogger("serve.librdkafka")


class KafkaFeed:
    """Feed over topics of Kafka; a lane is a partition, its name the partition's number."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        *,
        lose: Callable[[Sequence[Lost]], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        ask_seconds: float = 10.0,
    ) -> None:
        """Name the topics; `lose` is told of messages that retention took, and without it they are an error."""
        self._servers = kafka.kafka_bootstrap_servers
        self._topics = topics
        self._lose = lose
        self._clock = clock
        self._ask_seconds = ask_seconds
        self._consumer: Consumer | None = None
        self._ends: dict[Lane, int] = {}
        self._heard_at = 0.0

    def start(self, positions: Mapping[Lane, int]) -> None:
        """Begin, in each lane named here at that offset, in every other one at its oldest message.

        Raises:
            BrokerError: no broker answers.
            TopicError: a topic does not exist.
            ExportError: a topic no longer holds what comes at a position (and nobody is told what is lost), it was
                made anew since, or the positions are those of another transport.
        """
        demand_lanes(positions, str.isdecimal, "partitions of Kafka")
        consumer = Consumer(self._configuration(), logger=_SILENT)
        self._consumer = consumer
        try:
            lanes = [lane for topic in self._topics for lane in self._lanes(consumer, topic)]
            bounds = {lane: self._bounds(consumer, lane) for lane in lanes}
        except KafkaException as error:
            raise self._unreachable(error.args[0]) from None
        lost = []
        for lane, position in positions.items():
            if lane.topic not in self._topics:
                continue
            low, high = bounds.get(lane, (0, 0))
            if position > high:
                raise ExportError(
                    f"expected offset {position} of {_named(lane)}, found its end at {high}: the topic was made anew"
                    " since; export it to another folder"
                )
            if position < low:
                lost.append(Lost(lane, position, low))
        if lost:
            self._report(lost)
        starts = {lane: max(low, positions.get(lane, low)) for lane, (low, _) in bounds.items()}
        self._ends = {lane: high for lane, (_, high) in bounds.items() if starts[lane] < high}
        self._heard_at = self._clock()
        consumer.assign([TopicPartition(lane.topic, int(lane.name), offset) for lane, offset in starts.items()])

    def take(self, wait: float) -> Sequence[Message]:
        """Return what has arrived, at the latest after `wait` seconds; nothing where nothing came.

        Raises:
            BrokerError: the broker hands out nothing, though it has something, for a minute.
            TopicError: a topic was deleted.
            ExportError: retention took messages that were not yet taken.
        """
        consumer = self._started()
        first = consumer.poll(wait)
        messages = [] if first is None else [first, *consumer.consume(_MESSAGES - 1, 0)]
        taken = [_message(message) for message in messages if message.error() is None]
        for lane, offset, _ in taken:
            self._reached(lane, offset + 1)
        if taken or self.caught_up():
            self._heard_at = self._clock()
        elif self._clock() - self._heard_at > _SILENT_SECONDS:
            raise BrokerError(f"Kafka at {self._servers} did not hand out what it has for {_SILENT_SECONDS:g} s")
        for message in messages:
            if (error := message.error()) is not None:
                self._judge(error, message)
        return taken

    def losses(self) -> Sequence[Lost]:
        """Return nothing: what retention took is found at the start, and `lose` is told of it."""
        return ()

    def caught_up(self) -> bool:
        """Say whether all that the topics held at the start was handed out."""
        return not self._ends

    def close(self) -> None:
        """Let go of the connection."""
        if self._consumer is not None:
            self._consumer.close()

    def _configuration(self) -> dict[str, object]:
        return {
            "bootstrap.servers": self._servers,
            "group.id": "coinlake-export",
            "enable.auto.commit": False,
            # Never anywhere else than where the export stands: what is gone is an error, not a jump.
            "auto.offset.reset": "error",
            "allow.auto.create.topics": False,
            "enable.partition.eof": True,
            "socket.timeout.ms": 6000,
            "reconnect.backoff.max.ms": 1000,
            "queued.max.messages.kbytes": 16384,
            "log_level": 0,
        }

    def _lanes(self, consumer: Consumer, topic: str) -> list[Lane]:
        found = consumer.list_topics(topic, timeout=self._ask_seconds).topics[topic]
        if found.error is not None:
            if found.error.code() in _GONE:
                raise TopicError(
                    f"expected topic {topic} in Kafka at {self._servers}, found none: `coinlake topics apply`"
                )
            raise KafkaException(found.error)
        return [Lane(topic, str(partition)) for partition in sorted(found.partitions)]

    def _bounds(self, consumer: Consumer, lane: Lane) -> tuple[int, int]:
        return first_and_next(
            consumer, lane.topic, int(lane.name), self._ask_seconds, patience=self._ask_seconds, clock=self._clock
        )

    def _reached(self, lane: Lane, offset: int) -> None:
        if offset >= self._ends.get(lane, 0):
            self._ends.pop(lane, None)

    def _judge(self, error: KafkaError, message: KafkaMessage) -> None:
        """Stop at what does not pass by itself; all else librdkafka goes on to try."""
        if error.code() == KafkaError._PARTITION_EOF:
            # An end without messages before it, as where a transaction's marker is the last entry.
            self._ends.pop(Lane(message.topic() or "", str(message.partition())), None)
        if error.code() in _BEYOND:
            raise ExportError(
                f"topic {message.topic()} no longer holds what comes next in partition {message.partition()}: retention"
                " is faster than the export; start it again to see what is lost"
            )
        if error.code() in _GONE:
            raise TopicError(f"topic {message.topic()} is gone: {error.str()}")

    def _report(self, lost: Sequence[Lost]) -> None:
        if self._lose is None:
            first = lost[0]
            more = f" (and {len(lost) - 1} more lanes)" if len(lost) > 1 else ""
            raise ExportError(
                f"expected offset {first.offset} of {_named(first.lane)}, found {first.next_offset} as its"
                f" oldest{more}: retention took what lies between; --accept-loss goes on behind it and puts the hole on"
                " record"
            )
        self._lose(lost)

    def _started(self) -> Consumer:
        assert self._consumer is not None, "start comes first"
        return self._consumer

    def _unreachable(self, error: KafkaError) -> BrokerError:
        return BrokerError(f"Kafka at {self._servers} does not answer: {error.str()}")


def _message(message: KafkaMessage) -> Message:
    """A tombstone is a message of nothing; it is no record, and is kept as such."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert offset is not None
    return Message(Lane(topic, str(partition)), offset, message.value() or b"")


def _named(lane: Lane) -> str:
    return f"partition {lane.name} of topic {lane.topic}"
