"""Whether bronze holds what an independent consumer read: every record once, or a newer one of its compacted key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from pyspark.sql.types import DataType, DecimalType

from contracts.records import Rejected, decode
from contracts.streams import INGEST_REJECTED
from contracts.tables import LANDINGS, REJECTED, Landing
from contracts.topics import Topic
from infra.crashtest.compare import rows_of
from infra.crashtest.lake import LakeUnderTest
from infra.crashtest.reader import Seen
from infra.kafka.topics import read_topics

Where = tuple[str, int, int]
_WIDE = Context(prec=76, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Landed:
    """One topic: messages read, of those compacted away for a newer one, rows in bronze, and what does not agree."""

    topic: str
    read: int
    compacted: int
    rows: int
    wrong: int


def check_landed(lake: LakeUnderTest, messages: Sequence[Seen]) -> list[Landed]:
    """Compare every bronze table with what was read of its topic; refused messages are looked for in `rejected`."""
    refused = {_where(row): row for row in rows_of(lake, REJECTED)}
    topics = read_topics()
    told = [message for message in messages if message.topic == INGEST_REJECTED.topic]
    return [
        agree_on_rejected(told, {where: row for where, row in refused.items() if where[0] == INGEST_REJECTED.topic}),
        *_check_records(lake, messages, refused, topics),
    ]


def _check_records(
    lake: LakeUnderTest,
    messages: Sequence[Seen],
    refused: Mapping[Where, Mapping[str, object]],
    topics: Mapping[str, Topic],
) -> list[Landed]:
    return [
        agree(
            landing,
            [message for message in messages if message.topic == landing.stream.topic],
            rows_of(lake, landing.table),
            refused,
            compacted="compact" in topics[landing.stream.topic].config.get("cleanup.policy", ""),
        )
        for landing in LANDINGS
    ]


def agree(
    landing: Landing,
    messages: Sequence[Seen],
    rows: Sequence[Mapping[str, object]],
    refused: Mapping[Where, Mapping[str, object]],
    *,
    compacted: bool,
) -> Landed:
    """Count what does not agree: a message in no row, a row of no message, a row that says otherwise or is doubled."""
    landed = {_where(row): row for row in rows}
    wrong = len(rows) - len(landed)
    gone = 0
    newest = {message.key: message.offset for message in sorted(messages, key=lambda each: each.offset)}
    for message in messages:
        where = (message.topic, message.partition, message.offset)
        row, refusal = landed.pop(where, None), refused.get(where)
        if row is not None and refusal is None:
            wrong += not _same(row, message, landing)
        elif refusal is not None and row is None:
            wrong += refusal["payload"] != message.value
        elif compacted and message.offset < newest[message.key]:
            gone += 1
        else:
            wrong += 1
    return Landed(landing.stream.topic, len(messages), gone, len(rows), wrong + len(landed))


def agree_on_rejected(messages: Sequence[Seen], rows: Mapping[Where, Mapping[str, object]]) -> Landed:
    """Count what ingest refused and `rejected` does not hold with its reason and payload, or holds without cause."""
    left = dict(rows)
    wrong = 0
    for message in messages:
        row = left.pop((message.topic, message.partition, message.offset), None)
        record = decode(message.value, Rejected)
        wrong += row is None or (row["reason"], row["payload"]) != (record.reason, record.payload)
    return Landed(INGEST_REJECTED.topic, len(messages), 0, len(rows), wrong + len(left))


def _same(row: Mapping[str, object], message: Seen, landing: Landing) -> bool:
    record = decode(message.value, landing.stream.record)
    columns = landing.table.schema
    return all(row[name] == _fitted(getattr(record, name), columns[name].dataType) for name in record.__struct_fields__)


def _fitted(value: object, kind: DataType) -> object:
    """Round a decimal to the places of its column, half up: the venue may send more."""
    if isinstance(value, Decimal) and isinstance(kind, DecimalType):
        return _WIDE.quantize(value, Decimal(1).scaleb(-kind.scale))
    return value


def _where(row: Mapping[str, object]) -> Where:
    return str(row["kafka_topic"]), int(str(row["kafka_partition"])), int(str(row["kafka_offset"]))
