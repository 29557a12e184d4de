"""Reading topics, and making sure they are the topics we think they are."""

import json
from collections.abc import Mapping, Sequence

import msgspec
from confluent_kafka import KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from pyspark.sql import DataFrame, SparkSession

from contracts.errors import BrokerError, TopicError
from contracts.records import Gap, encode
from contracts.settings import KafkaSettings
from contracts.streams import INGEST_GAPS, key_of

PATIENCE_SECONDS = 10.0
EARLIEST = -2
"""How Spark's Kafka source writes "the earliest offset" in JSON."""


class TopicFacts(msgspec.Struct, frozen=True):
    """A topic as the broker knows it. One that was deleted and made again has another `id`."""

    id: str
    partitions: int
    earliest: Mapping[int, int]
    """The first offset that is still there, by partition."""
    ends: Mapping[int, int]
    """The offset that the next message will have, by partition."""


def describe_topics(kafka: KafkaSettings, topics: list[str]) -> dict[str, TopicFacts]:
    """Ask the broker about topics.

    Raises:
        BrokerError: no broker answers.
        TopicError: a topic does not exist.
    """
    admin = AdminClient({"bootstrap.servers": kafka.kafka_bootstrap_servers, "log_level": 0, "socket.timeout.ms": 6000})
    try:
        admin.list_topics(timeout=PATIENCE_SECONDS)
    except KafkaException:
        raise BrokerError(
            f"expected a Kafka broker at {kafka.kafka_bootstrap_servers}, found none:"
            ' start it with "coinlake up" or set COINLAKE_KAFKA_BOOTSTRAP_SERVERS'
        ) from None
    described = {}
    for topic, future in admin.describe_topics(TopicCollection(topics), request_timeout=PATIENCE_SECONDS).items():
        try:
            described[topic] = future.result()
        except KafkaException:
            raise TopicError(f'topic {topic} does not exist: create it with "coinlake topics apply"') from None
    partitions = {topic: range(len(description.partitions)) for topic, description in described.items()}
    places = [TopicPartition(topic, number) for topic, numbers in partitions.items() for number in numbers]
    earliest, ends = (
        offsets(admin, places, spec, PATIENCE_SECONDS)
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest())  # type: ignore[no-untyped-call]
    )
    return {
        topic: TopicFacts(
            id=str(description.topic_id),
            partitions=len(partitions[topic]),
            earliest=earliest[topic],
            ends=ends[topic],
        )
        for topic, description in described.items()
    }


def offsets(
    admin: AdminClient, places: Sequence[TopicPartition], spec: OffsetSpec, patience_seconds: float
) -> dict[str, dict[int, int]]:
    """Ask for one offset of each of these partitions; return them by topic and partition.

    Raises:
        KafkaException: a partition's leader does not answer in that time.
    """
    found: dict[str, dict[int, int]] = {}
    for place, offset in admin.list_offsets(dict.fromkeys(places, spec), request_timeout=patience_seconds).items():
        found.setdefault(place.topic, {})[place.partition] = offset.result().offset
    return found


def read_topic(
    spark: SparkSession,
    kafka: KafkaSettings,
    topic: str,
    partitions: int,
    next_offsets: Mapping[int, int],
    *,
    max_offsets_per_batch: int,
    fail_on_data_loss: bool,
) -> DataFrame:
    """Read a topic as a stream.

    Where the checkpoint is new it starts at these offsets, in a partition without one at the earliest. A topic that
    lost records which were never read stops the stream, unless told otherwise.
    """
    start = json.dumps({topic: {str(number): next_offsets.get(number, EARLIEST) for number in range(partitions)}})
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", kafka.kafka_bootstrap_servers)
        .option("subscribe", topic)
        .option("startingOffsets", start)
        .option("failOnDataLoss", str(fail_on_data_loss).lower())
        .option("maxOffsetsPerTrigger", max_offsets_per_batch)
        .load()
    )


def put_on_record(kafka: KafkaSettings, gap: Gap) -> None:
    """Send a Gap to its topic and wait until it is acknowledged.

    Raises:
        BrokerError: it was not.
    """
    producer = Producer({"bootstrap.servers": kafka.kafka_bootstrap_servers, "enable.idempotence": True})
    producer.produce(INGEST_GAPS.topic, encode(gap), key_of(INGEST_GAPS, gap))
    if producer.flush(PATIENCE_SECONDS):
        raise BrokerError(f"expected {kafka.kafka_bootstrap_servers} to acknowledge a gap, found that it did not")
