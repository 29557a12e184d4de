"""How far a query has read a Delta table: what is still to read is counted, and kept by maintenance."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from contracts.settings import LakeSettings
from contracts.tables import BRONZE_CRYPTO_KLINE_DATA, IMPORTED_KLINES
from infra.spark.backlog import imported
from spark_jobs.build_candles import BINANCE_QUERY
from spark_jobs.edges.checkpoints import Checkpoint, Reached
from spark_jobs.edges.store import FolderStore
from spark_jobs.maintain import readers_behind
from tests.unit.serve.rows import lake_in


def state_of(lake: LakeSettings) -> FolderStore:
    return FolderStore(Path(lake.state.removeprefix("file://")))


def imports_of(lake: LakeSettings, *commits: int) -> DeltaTable:
    """Make a table of imports by appends of so many rows."""
    uri = f"{lake.lake}/{IMPORTED_KLINES.path}"
    for rows in commits:
        write_deltalake(uri, pa.table({"row": pa.array(range(rows), pa.int64())}), mode="append")
    return DeltaTable(uri)


def reading(lake: LakeSettings, table: DeltaTable, version: int, *, in_snapshot: bool = False, index: int = -1) -> None:
    """Let the checkpoint of the candles say how far it has read, as Spark 4.2 writes it."""
    offset = {"sourceVersion": 1, "reservoirId": str(table.metadata().id), "reservoirVersion": version}
    said = {**offset, "index": index, "isStartingVersion": in_snapshot}
    folder = Path(lake.state.removeprefix("file://")) / "checkpoints" / BINANCE_QUERY
    for name, text in (("offsets", f"v1\n{{}}\n{json.dumps(said)}"), ("commits", "v1")):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "0").write_text(text)


@pytest.mark.parametrize(("next_version", "left"), [(0, 12), (1, 7), (2, 0), (3, 0)])
def test_rows_of_commits_that_are_still_to_read_are_counted(tmp_path: Path, next_version: int, left: int) -> None:
    lake = lake_in(tmp_path)
    table = imports_of(lake, 5, 7)
    assert imported(lake) == 12
    reading(lake, table, next_version)
    assert imported(lake) == left


def test_a_reader_is_behind_while_an_append_is_to_read_or_it_is_still_in_its_first_snapshot(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    table = imports_of(lake, 5, 7)
    for next_version, in_snapshot, behind in ((1, False, [BINANCE_QUERY]), (2, False, []), (2, True, [BINANCE_QUERY])):
        reading(lake, table, next_version, in_snapshot=in_snapshot, index=3 if in_snapshot else -1)
        reached = Checkpoint(state_of(lake), BINANCE_QUERY).reached()
        assert reached == {str(table.metadata().id): Reached(next_version, in_snapshot)}
        assert [*readers_behind(state_of(lake), BRONZE_CRYPTO_KLINE_DATA, table)] == behind
