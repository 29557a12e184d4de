"""Whether a run would find anything to do, said from a query's checkpoint without starting the query."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from spark_jobs.edges.checkpoints import Checkpoint
from spark_jobs.edges.store import FolderStore

WATERMARK_MS = 1_710_849_600_000


class Query:
    """A table of two commits of rows, and the checkpoint of a query that reads it, as Spark 4.2 writes one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for _ in range(2):
            self.append()
        self.table = DeltaTable(str(folder / "table"))
        self._store = FolderStore(folder / "state")
        self.checkpoint = Checkpoint(self._store, "candles")

    def append(self, table: str = "table") -> DeltaTable:
        uri = str(self._folder / table)
        write_deltalake(uri, pa.table({"row": pa.array([1], pa.int64())}), mode="append")
        return DeltaTable(uri)

    def start_batch(self, number: int, next_version: int, *, in_snapshot: bool = False) -> None:
        read = {"reservoirId": str(self.table.metadata().id), "reservoirVersion": next_version, "index": -100}
        said = json.dumps({"sourceVersion": 1, **read, "isStartingVersion": in_snapshot})
        metadata = json.dumps({"batchWatermarkMs": WATERMARK_MS, "batchTimestampMs": WATERMARK_MS, "conf": {}})
        self._store.put(f"{self.checkpoint.path}/offsets/{number}", f"v1\n{metadata}\n{said}\n-".encode())

    def end_batch(self, number: int, next_watermark_ms: int = WATERMARK_MS) -> None:
        body = f'v1\n{{"nextBatchWatermarkMs":{next_watermark_ms}}}'
        self._store.put(f"{self.checkpoint.path}/commits/{number}", body.encode())


@pytest.fixture
def query(tmp_path: Path) -> Query:
    return Query(tmp_path)


@pytest.fixture
def ended(query: Query) -> Query:
    """The query has read both commits, in a batch that has ended."""
    query.start_batch(0, 2)
    query.end_batch(0)
    return query


def test_query_that_never_ran_is_behind(query: Query) -> None:
    assert query.checkpoint.is_behind([query.table])
    query.start_batch(0, 2)
    assert query.checkpoint.is_behind([query.table])


def test_query_that_has_read_all_is_not_behind(ended: Query) -> None:
    assert not ended.checkpoint.is_behind([ended.table])


def test_new_rows_are_still_to_read(ended: Query) -> None:
    assert ended.checkpoint.is_behind([ended.append()])


def test_rows_of_another_table_are_still_to_read_and_one_that_is_empty_has_none(ended: Query, tmp_path: Path) -> None:
    empty = DeltaTable.create(str(tmp_path / "empty"), pa.schema([("row", pa.int64())]))
    assert not ended.checkpoint.is_behind([ended.table, empty])
    assert ended.checkpoint.is_behind([ended.table, ended.append("other")])


def test_batch_that_did_not_end_is_due_though_it_reads_no_new_row(ended: Query) -> None:
    ended.start_batch(1, 2)
    assert ended.checkpoint.is_behind([ended.table])
    ended.end_batch(1)
    assert not ended.checkpoint.is_behind([ended.table])


def test_query_that_has_lost_its_offsets_is_behind(ended: Query) -> None:
    ended.end_batch(1)
    assert ended.checkpoint.is_behind([ended.table])


def test_batch_that_a_newer_watermark_calls_for_is_due(ended: Query) -> None:
    ended.end_batch(0, WATERMARK_MS + 1)
    assert ended.checkpoint.is_behind([ended.table])


def test_batch_after_the_ninth_is_newer_than_the_ninth(ended: Query) -> None:
    for number in (9, 10):
        ended.start_batch(number, 2 if number == 10 else 1)
        ended.end_batch(number)
    assert not ended.checkpoint.is_behind([ended.table])


def test_first_snapshot_is_not_read_to_its_end(query: Query) -> None:
    query.start_batch(0, 2, in_snapshot=True)
    query.end_batch(0)
    assert query.checkpoint.is_behind([query.table])
