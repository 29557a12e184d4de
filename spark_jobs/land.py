"""Land topics in bronze: every message once, typed, or refused with its reason and its raw bytes."""

import datetime as dt
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from contracts.errors import TopicError
from contracts.records import Gap
from contracts.settings import JobSettings, KafkaSettings
from contracts.spark_schema import struct_type
from contracts.streams import COIN_MARKET_CAP, INGEST_REJECTED, WALLEX, Stream
from contracts.tables import LANDINGS, REJECTED, Landing, Table
from spark_jobs.context import Context
from spark_jobs.edges.checkpoints import Checkpoint
from spark_jobs.edges.kafka import TopicFacts, describe_topics, put_on_record, read_topic
from spark_jobs.edges.lake import EachBatch, newest_event_time, next_offsets, transaction_of
from spark_jobs.edges.progress import Outcome
from spark_jobs.transforms.parse import (
    REFUSAL,
    good_rows,
    name_kafka_columns,
    parse_records,
    refused_rows,
    rejected_at_ingest,
)
from spark_jobs.transforms.repeats import late, late_before, mark_repeats, without

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TOPIC_ID = "coinlake.topic_id"
"""The table property that says which topic a bronze table was landed from."""


def plan(messages: DataFrame, stream: Stream, max_ahead_seconds: float) -> DataFrame:
    """Parse the messages of one topic into typed rows, each with the reason why it is none."""
    return messages.transform(name_kafka_columns).transform(
        parse_records, struct_type(stream.record), max_ahead_seconds
    )


class Arrived(NamedTuple):
    """What a micro-batch brought: how many messages are refused, and the times between which the good rows lie."""

    refused: int
    oldest: dt.datetime | None
    newest: dt.datetime | None


def arrived(parsed: DataFrame) -> Arrived:
    """Read the facts of a parsed micro-batch in one pass; the times are null where no row is good."""
    good = F.col(REFUSAL).isNull()
    micros = F.unix_micros(F.when(good, F.col("event_time")))
    (found,) = parsed.agg(F.count_if(~good), F.min(micros), F.max(micros)).collect()
    refused, oldest, newest = found
    return Arrived(refused, moment_of(oldest), moment_of(newest))


def moment_of(micros: int | None) -> dt.datetime | None:
    """Return the UTC time of microseconds since 1970."""
    return None if micros is None else EPOCH + dt.timedelta(microseconds=micros)


def find_topics(kafka: KafkaSettings) -> dict[str, TopicFacts]:
    """Ask the broker about every topic that is landed.

    Raises:
        BrokerError: no broker answers.
        TopicError: a topic is missing.
    """
    return describe_topics(kafka, [*(landing.stream.topic for landing in LANDINGS), INGEST_REJECTED.topic])


def start(context: Context) -> list[StreamingQuery]:
    """Start landing every topic that has a message which was not landed yet, side by side.

    Raises:
        BrokerError: no broker answers.
        TopicError: a topic is missing, or is not the one that its bronze table was landed from.
    """
    facts = find_topics(context.kafka)
    rejected = _land_rejected(context, facts[INGEST_REJECTED.topic])
    landed = (_land(context, landing, facts[landing.stream.topic]) for landing in LANDINGS)
    return [*rejected, *chain.from_iterable(landed)]


def lateness_of(stream: Stream, rules: JobSettings) -> float:
    """Return the lateness of a stream in seconds; infinite where nothing waits for it."""
    seconds = {
        COIN_MARKET_CAP.topic: rules.lateness_coin_market_cap_seconds,
        WALLEX.topic: rules.lateness_wallex_seconds,
    }
    return seconds.get(stream.topic, float("inf"))


def _land(context: Context, landing: Landing, topic: TopicFacts) -> list[StreamingQuery]:
    stream, table, lake = landing.stream, landing.table, context.lake

    def land(batch: DataFrame, number: int) -> Outcome:
        parsed = plan(batch, stream, context.rules.max_ahead_seconds).persist()
        found = arrived(parsed)
        # Refused rows first: a fresh checkpoint starts after bronze's highest offset, so that one must be written last.
        if found.refused:
            with lake.alone(REJECTED):
                unseen = without(refused_rows(parsed), lake.read(REJECTED), REJECTED.identity)
                lake.append(unseen, REJECTED, transaction_of(batch, number, REJECTED))
        newest = newest_event_time(lake.delta(table))
        landed = lake.read(table).where(F.col("event_time").between(F.lit(found.oldest), F.lit(found.newest)))
        good = good_rows(parsed, struct_type(stream.record).names)
        # One task writes them, date by date: who reads the table as a stream gets a long batch in that order.
        rows = mark_repeats(good, landed, stream.identity).coalesce(1)
        too_late = 0
        cut_off = late_before(newest, lateness_of(stream, context.rules))
        if cut_off and found.oldest and found.oldest < cut_off:
            too_late = rows.where(late(cut_off)).count()
        written = lake.append(rows, table, transaction_of(batch, number, table))
        parsed.unpersist()
        return Outcome(rows_out=written, late=too_late, rejected=found.refused)

    return _start(context, stream, topic, table, land)


def _land_rejected(context: Context, topic: TopicFacts) -> list[StreamingQuery]:
    """Land what ingest refused, in the table where landing puts what it refuses itself."""

    def land(batch: DataFrame, number: int) -> Outcome:
        parsed = plan(batch, INGEST_REJECTED, context.rules.max_ahead_seconds)
        good = rejected_at_ingest(good_rows(parsed, struct_type(INGEST_REJECTED.record).names))
        rows = good.unionByName(refused_rows(parsed))
        return Outcome(context.lake.append(rows, REJECTED, transaction_of(batch, number, REJECTED)))

    return _start(context, INGEST_REJECTED, topic, REJECTED, land)


def _start(context: Context, stream: Stream, topic: TopicFacts, table: Table, land: EachBatch) -> list[StreamingQuery]:
    messages = _read(context, stream, topic, table)
    return [] if messages is None else [context.lake.run(table.name, messages, land)]


def _read(context: Context, stream: Stream, topic: TopicFacts, table: Table) -> DataFrame | None:
    """Read a topic from its checkpoint, or else from after what the table already holds; None where that is all of it.

    Raises:
        TopicError: it is not the topic that the table was landed from, or has lost what was not landed yet.
    """
    landed_from = context.lake.ensure(table, {TOPIC_ID: topic.id}).get(TOPIC_ID, topic.id)
    if landed_from != topic.id:
        raise TopicError(
            f"topic {stream.topic} was deleted and made again: table {table.name} was landed from topic id"
            f" {landed_from}, found {topic.id}, whose offsets mean other messages. Land it in another lake"
            " (COINLAKE_LAKE, COINLAKE_STATE), or bring the old topic back"
        )
    read = Checkpoint(context.state, table).committed_offsets(stream.topic)
    landed = next_offsets(context.lake.delta(table), stream.topic) if read is None else read
    lost = {number: first for number, first in topic.earliest.items() if landed.get(number, first) < first}
    if lost:
        _accept_loss(context, stream, table, {number: (landed[number], first) for number, first in lost.items()})
    elif all(landed.get(number, topic.earliest[number]) >= end for number, end in topic.ends.items()):
        return None
    return read_topic(
        context.spark,
        context.kafka,
        stream.topic,
        topic.partitions,
        {number: max(offset, topic.earliest.get(number, offset)) for number, offset in landed.items()},
        max_offsets_per_batch=context.rules.max_offsets_per_batch,
        fail_on_data_loss=not lost,
    )


def _accept_loss(context: Context, stream: Stream, table: Table, lost: Mapping[int, tuple[int, int]]) -> None:
    """Put on record that retention deleted messages before they were landed, if the user has said to go on.

    Raises:
        TopicError: the user has not.
    """
    ranges = ", ".join(f"partition {number} offsets {start} to {end - 1}" for number, (start, end) in lost.items())
    if not context.rules.accept_loss:
        raise TopicError(
            f"topic {stream.topic} has lost messages that were never landed ({ranges}): its retention deleted them."
            " Run once with COINLAKE_ACCEPT_LOSS=true to put the hole on record and go on after it"
        )
    now = dt.datetime.now(dt.UTC)
    since = newest_event_time(context.lake.delta(table)) or now
    put_on_record(
        context.kafka,
        Gap(
            venue=stream.topic,
            event_time=since,
            ingest_time=now,
            symbol="*",
            stream=stream.topic,
            from_time=since,
            to_time=now,
            cause=f"deleted by retention before it was landed: {ranges}",
            recoverable=False,
        ),
    )
