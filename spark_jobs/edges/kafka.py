"""Reading topics, and making sure they are the topics we think they are."""

import json
from collections.abc import Mapping

import msgspec
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from pyspark.sql import DataFrame, SparkSession

from contracts.errors import BrokerError, TopicError
from contracts.settings import KafkaSettings

PATIENCE_SECONDS = 10.0
EARLIEST = -2
"""How Spark's Kafka source writes "the earliest offset" in JSON."""


class TopicFacts(msgspec.Struct, frozen=True):
    """A topic as the broker knows it. One that was deleted and made again has another `id`."""

    id: str
    partitions: int


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
    found = {}
    for topic, future in admin.describe_topics(TopicCollection(topics), request_timeout=PATIENCE_SECONDS).items():
        try:
            description = future.result()
        except KafkaException:
            raise TopicError(f'topic {topic} does not exist: create it with "coinlake topics apply"') from None
        found[topic] = TopicFacts(id=str(description.topic_id), partitions=len(description.partitions))
    return found


def read_topic(
    spark: SparkSession,
    kafka: KafkaSettings,
    topic: str,
    partitions: int,
    next_offsets: Mapping[int, int],
    max_offsets_per_batch: int,
) -> DataFrame:
    """Read a topic as a stream.

    Where the checkpoint is new it starts at these offsets, in a partition without one at the earliest. A topic that
    lost records which were never read stops the stream (`failOnDataLoss`).
    """
    start = json.dumps({topic: {str(number): next_offsets.get(number, EARLIEST) for number in range(partitions)}})
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", kafka.kafka_bootstrap_servers)
        .option("subscribe", topic)
        .option("startingOffsets", start)
        .option("failOnDataLoss", "true")
        .option("maxOffsetsPerTrigger", max_offsets_per_batch)
        .load()
    )
