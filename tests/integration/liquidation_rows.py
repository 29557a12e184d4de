"""What QuestDB and the topic of dead letters hold, read as a user reads them."""

import asyncio
import datetime as dt
import json
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import asyncpg
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.records import Liquidation
from contracts.streams import ALT_LIQUIDATIONS, ALT_LIQUIDATIONS_DEAD_LETTERS
from infra.stack import StackInfo

Row = Mapping[str, Any]
WAIT_SECONDS = 180


def select(stack: StackInfo, query: str, *parameters: object) -> list[Row]:
    """Ask QuestDB as the user who reads."""

    async def ask() -> list[Row]:
        env = stack.env()
        connection = await asyncpg.connect(
            host=env["COINLAKE_QUESTDB_HOST"],
            port=int(env["COINLAKE_QUESTDB_PG_PORT"]),
            user=env["COINLAKE_QUESTDB_USER"],
            password=env["COINLAKE_QUESTDB_PASSWORD"],
            database="qdb",
        )
        try:
            return [dict(row) for row in await connection.fetch(query, *parameters)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def rows_of(stack: StackInfo, venue: str) -> list[Row]:
    """Return the rows of one venue, which is one test's own."""
    return select(stack, "SELECT * FROM alt_liquidations WHERE venue = $1 ORDER BY event_time", venue)


def wait_for_rows(stack: StackInfo, venue: str, count: int) -> list[Row]:
    """Wait until so many rows of a venue are there, and a little longer for one too many."""
    wait_until(lambda: len(rows_of(stack, venue)) >= count, f"{count} rows of {venue}")
    time.sleep(1)
    return rows_of(stack, venue)


def wait_until(holds: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Wait until something holds, or fail by its name."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


def as_row(record: Liquidation) -> dict[str, Any]:
    """Return the row that a record must be: each value as it is in the record, times without their zone."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return {name: _stored(value) for name, value in fields.items()}


def _stored(value: object) -> object:
    if isinstance(value, dt.datetime):
        cut = value.astimezone(dt.UTC).replace(tzinfo=None)
        return cut.replace(microsecond=cut.microsecond // 1000 * 1000)
    return value


def without_kafka_time(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return rows as the records they came from, in the order of their identities."""
    found = [{name: value for name, value in row.items() if name != "kafka_time"} for row in rows]
    return sorted(found, key=identity)


def identity(row: Row) -> tuple[Any, ...]:
    """Return what a row must be alone with."""
    return tuple(str(row[name]) for name in ALT_LIQUIDATIONS.identity)


def decimals(row: Row) -> dict[str, Any]:
    """Return the amounts of a row."""
    return {name: value for name, value in row.items() if isinstance(value, Decimal)}


def dead_letters(stack: StackInfo) -> list[tuple[bytes, str]]:
    """Return every dead letter with the reason in its headers."""
    consumer = Consumer(
        {"bootstrap.servers": stack.kafka_bootstrap_servers, "group.id": "-", "enable.auto.commit": False}
    )
    found: list[tuple[bytes, str]] = []
    try:
        parts = consumer.list_topics(ALT_LIQUIDATIONS_DEAD_LETTERS, timeout=10).topics[ALT_LIQUIDATIONS_DEAD_LETTERS]
        for number in parts.partitions:
            place = TopicPartition(ALT_LIQUIDATIONS_DEAD_LETTERS, number, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            for _ in range(end):
                message = consumer.poll(10)
                assert message is not None
                reason = dict(message.headers())["__connect.errors.exception.message"]
                found.append((message.value(), reason.decode()))
    finally:
        consumer.close()
    return found


def committed(stack: StackInfo, connector: str) -> dict[int, int]:
    """Return how far a connector has told Kafka that it has come, by partition that has messages."""
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap_servers})
    asked = ConsumerGroupTopicPartitions(f"connect-{connector}")
    answer = admin.list_consumer_group_offsets([asked])[asked.group_id].result(10)
    return {place.partition: place.offset for place in answer.topic_partitions if place.offset > 0}


def ends(stack: StackInfo) -> dict[int, int]:
    """Return the end of each partition of the topic that has messages."""
    consumer = Consumer({"bootstrap.servers": stack.kafka_bootstrap_servers, "group.id": "-"})
    try:
        numbers = consumer.list_topics(ALT_LIQUIDATIONS.topic, timeout=10).topics[ALT_LIQUIDATIONS.topic].partitions
        found = {
            number: consumer.get_watermark_offsets(TopicPartition(ALT_LIQUIDATIONS.topic, number), timeout=10)[1]
            for number in numbers
        }
        return {number: end for number, end in found.items() if end}
    finally:
        consumer.close()


def task_states(stack: StackInfo, connector: str) -> list[str]:
    """Return the states of a connector and its tasks."""
    with urllib.request.urlopen(f"{stack.connect_url}/connectors/{connector}/status", timeout=10) as answer:
        status = json.load(answer)
    return [part["state"] for part in (status["connector"], *status["tasks"])]
