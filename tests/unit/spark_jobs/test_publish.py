"""Publishing: one object a folder, replaced whole, only where something changed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from contracts.settings import LakeSettings
from contracts.tables import CANDLES, MARKET_CAP, Table
from spark_jobs.edges.lake import Lake
from spark_jobs.edges.publish import escaped, folder_of, publish, split
from spark_jobs.edges.store import FolderStore
from tests.streaming.rows import table_of
from tests.unit.serve.rows import candle, lake_in, total, write


class World:
    """A lake in files, its store, and what publishing needs of the jobs' lake."""

    def __init__(self, folder: Path) -> None:
        self.settings: LakeSettings = lake_in(folder)
        self.store = FolderStore(folder / "lake")
        nothing = cast(Any, None)  # publishing reads the table's log alone: no Spark
        ours = cast(Any, SimpleNamespace(check=lambda: None))
        self.lake = Lake(nothing, self.settings, ours, nothing)

    def publish(self, table: Table = CANDLES) -> int:
        return publish(self.store, table, self.lake)

    def objects(self, table: Table = CANDLES) -> list[str]:
        return [key.removeprefix(f"{table.published_path}/") for key in self.store.keys(f"{table.published_path}/")]

    def delta(self, table: Table = CANDLES) -> DeltaTable:
        return DeltaTable(f"{self.settings.lake}/{table.path}")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    rows = [candle(0, "1 1 1 1 1"), candle(0, "2 2 2 2 2", coin="ETH"), candle(24 * 60, "3 3 3 3 3")]
    write(world.settings, CANDLES, rows)
    return world


def test_every_coin_and_date_is_one_object_at_a_fixed_key(world: World) -> None:
    assert world.publish() == 3
    assert world.objects() == [
        "coin=BTC/date=2024-03-19/part-0.parquet",
        "coin=BTC/date=2024-03-20/part-0.parquet",
        "coin=ETH/date=2024-03-19/part-0.parquet",
    ]


def test_nothing_is_written_where_nothing_changed(world: World) -> None:
    world.publish()
    assert world.publish() == 0


def test_only_the_dates_that_changed_are_written_again(world: World) -> None:
    world.publish()
    write(world.settings, CANDLES, [candle(24 * 60 + 10, "4 4 4 4 4")])
    assert world.publish() == 1
    file = world.settings.lake.removeprefix("file://") + "/published/candles/coin=BTC/date=2024-03-20/part-0.parquet"
    assert [str(close)[:1] for close in pq.ParquetFile(file).read()["close"].to_pylist()] == ["3", "4"]


def test_the_object_of_a_coin_that_vanished_is_deleted(world: World) -> None:
    world.publish()
    world.delta().delete("coin = 'ETH'")
    world.publish()
    assert world.objects() == ["coin=BTC/date=2024-03-19/part-0.parquet", "coin=BTC/date=2024-03-20/part-0.parquet"]


def test_all_objects_of_a_date_that_vanished_are_deleted(world: World) -> None:
    world.publish()
    world.delta().delete("date = '2024-03-19'")
    world.publish()
    assert world.objects() == ["coin=BTC/date=2024-03-20/part-0.parquet"]


def test_a_run_that_was_killed_before_its_version_was_written_is_done_again(world: World) -> None:
    world.publish()
    world.store.delete(["published/_versions/candles.json", *world.store.keys("published/candles/coin=ETH/")])
    assert world.publish() == 3
    assert len(world.objects()) == 3


def test_a_table_without_coins_is_one_object_a_date(world: World) -> None:
    write(world.settings, MARKET_CAP, [total(0, "1"), total(10, "2"), total(24 * 60, "3")])
    assert world.publish(MARKET_CAP) == 2
    assert world.objects(MARKET_CAP) == ["date=2024-03-19/part-0.parquet", "date=2024-03-20/part-0.parquet"]


def test_a_table_that_does_not_exist_publishes_nothing(tmp_path: Path) -> None:
    assert World(tmp_path).publish() == 0


def test_parts_are_sorted_by_identity_and_leave_out_what_the_path_says() -> None:
    rows = [candle(10, "2 2 2 2 2"), candle(0, "1 1 1 1 1"), candle(0, "3 3 3 3 3", coin="ADA")]
    dated = [{**row, "date": row["open_time"].date()} for row in rows]
    parts = dict(split(table_of(dated, CANDLES), CANDLES, ("coin",)))
    assert list(parts) == [("ADA",), ("BTC",)]
    assert parts["BTC",]["open"].to_pylist() == [1, 2]
    assert {"coin", "date"}.isdisjoint(parts["BTC",].column_names)
    assert not list(split(table_of([], MARKET_CAP), MARKET_CAP, ()))


def test_what_a_path_must_not_hold_is_escaped_as_hive_does() -> None:
    assert escaped("A/B=C:D 50%\x01é") == "A%2FB%3DC%3AD 50%25%01é"
    key = folder_of(CANDLES, ("A/B",), candle(0, "1 1 1 1 1")["open_time"].date())
    assert key == "published/candles/coin=A%2FB/date=2024-03-19/part-0.parquet"
