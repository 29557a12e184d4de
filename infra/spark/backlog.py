"""How much there is to do, asked before the JVM starts: what pays for a long run is a loss for a short one."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from contracts.errors import StoreError
from contracts.settings import KafkaSettings, LakeSettings
from contracts.tables import IMPORTED_AGG_TRADES, IMPORTED_KLINES, LANDINGS, Table
from infra.kafka.admin import admin_client
from spark_jobs.build_candles import BINANCE_QUERY
from spark_jobs.edges.checkpoints import Checkpoint, Reached
from spark_jobs.edges.kafka import offsets
from spark_jobs.edges.store import open_store

PATIENCE_SECONDS = 5.0
SHORT_RUN_MESSAGES = 750_000
"""Up to so many messages a run costs less CPU with the quick compiler alone, as measured in docs/performance.md."""


def waiting() -> int:
    """Count the messages and the rows of archives that a run would find to do now."""
    lake = LakeSettings.load()
    return backlog(KafkaSettings.load(), lake) + imported(lake)


def is_short(rows: int) -> bool:
    """Say whether a run over so many rows ends before the JVM's optimising compiler would have paid for itself."""
    return rows <= SHORT_RUN_MESSAGES


def backlog(kafka: KafkaSettings, lake: LakeSettings) -> int:
    """Count the messages that were not landed yet; 0 where Kafka or the store does not answer: the job will say so."""
    try:
        state = open_store(lake, lake.state)
        ends = _ends(kafka)
        landed = {
            landing.stream.topic: Checkpoint(state, landing.table).committed_offsets(landing.stream.topic) or {}
            for landing in LANDINGS
        }
        return sum(
            end - landed[topic].get(partition, 0) for topic, parts in ends.items() for partition, end in parts.items()
        )
    except (KafkaException, StoreError):
        return 0


def imported(lake: LakeSettings) -> int:
    """Count the rows of archives that no candle was built of yet; 0 where the store does not answer."""
    try:
        read = Checkpoint(open_store(lake, lake.state), BINANCE_QUERY).reached()
        return sum(_rows_since(lake, table, read) for table in (IMPORTED_KLINES, IMPORTED_AGG_TRADES))
    except (StoreError, DeltaError, OSError):
        return 0


def _rows_since(lake: LakeSettings, table: Table, read: Mapping[str, Reached]) -> int:
    try:
        found = DeltaTable(f"{lake.lake}/{table.path}", storage_options=lake.storage_options())
    except TableNotFoundError:
        return 0
    now, reached = _rows(found), read.get(str(found.metadata().id))
    if reached is None or reached.next_version == 0:
        return now
    if reached.next_version > found.version():
        return 0
    found.load_as_version(reached.next_version - 1)
    return now - _rows(found)


def _rows(table: DeltaTable) -> int:
    """Count a table's rows, from its files' statistics."""
    return pc.sum(pa.table(table.get_add_actions(flatten=True))["num_records"]).as_py() or 0


def _ends(kafka: KafkaSettings) -> dict[str, dict[int, int]]:
    """Return the end offset of every partition of every landed topic that is there."""
    admin = admin_client(kafka.kafka_bootstrap_servers)
    topics = admin.list_topics(timeout=PATIENCE_SECONDS).topics
    parts = [
        TopicPartition(landing.stream.topic, number)
        for landing in LANDINGS
        if landing.stream.topic in topics
        for number in topics[landing.stream.topic].partitions
    ]
    return offsets(admin, parts, OffsetSpec.latest(), PATIENCE_SECONDS)  # type: ignore[no-untyped-call]
