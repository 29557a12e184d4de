"""The lake's tables as they change: made anew, published again, with a log or a file that is not as it has to be."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from deltalake import DeltaTable

from contracts.errors import NoDataError
from contracts.settings import LakeSettings
from contracts.tables import BRONZE_WALLEX, CANDLES, MARKET_CAP
from serve.published import version_file
from serve.query.duck import Duck
from serve.query.kafka_facts import KafkaFacts, Row
from serve.query.kafka_store import KafkaStore
from serve.query.lake_facts import LakeFacts
from serve.query.lake_tables import LakeTables
from serve.query.queries import STORE_NAMES, read_queries
from serve.query.query_file import LOOK_SECONDS
from serve.query.slots import Slots
from serve.reconcile.stored import LATEST
from tests.unit.serve.query.served import lake_query, served, write_queries
from tests.unit.serve.rows import at, candle, lake_in, published, ticker, total, write


def made_anew(folder: Path, lake: LakeSettings) -> None:
    """Remove bronze_wallex and make it anew, of more versions than before."""
    shutil.rmtree(folder / "lake" / BRONZE_WALLEX.path)
    for minute in range(5):
        write(lake, BRONZE_WALLEX, [ticker(minute, minute, "1")])


def two_versions(lake: LakeSettings) -> None:
    for offset in (100, 101):
        write(lake, BRONZE_WALLEX, [ticker(30, offset, "1")])


def test_a_table_that_was_made_anew_is_opened_anew(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    tables = LakeTables(lake, 0)
    with pytest.raises(NoDataError, match="expected table wallex, found none"):
        tables.open("bronze_wallex")
    two_versions(lake)
    assert tables.open("bronze_wallex").count_rows() == 2
    write(lake, BRONZE_WALLEX, [ticker(30, 102, "1")])
    assert tables.open("bronze_wallex").count_rows() == 3
    made_anew(tmp_path, lake)
    found = tables.open("bronze_wallex").to_table().to_pylist()
    assert sorted(row["kafka_offset"] for row in found) == [0, 1, 2, 3, 4]
    shutil.rmtree(tmp_path / "lake")
    with pytest.raises(NoDataError):
        tables.open("bronze_wallex")


def test_new_entries_of_a_log_are_all_that_is_read(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    tables = LakeTables(lake, 0)
    two_versions(lake)
    before = tables.delta(BRONZE_WALLEX)
    write(lake, BRONZE_WALLEX, [ticker(30, 102, "1")])
    assert tables.delta(BRONZE_WALLEX) is before
    assert tables.delta(BRONZE_WALLEX, anew=True) is not before


async def test_a_table_that_is_made_anew_while_it_is_remembered_is_looked_for_again(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    two_versions(lake)
    queries = {"offsets": lake_query("SELECT kafka_offset FROM bronze_wallex ORDER BY 1")}
    async with served(tmp_path, queries, lake, query_fresh_seconds=1000) as api:
        assert (await api.ask("offsets")).body["rows"] == [[100], [101]]
        made_anew(tmp_path, lake)
        write_queries(api.file, {"more": lake_query("SELECT kafka_offset AS n FROM bronze_wallex ORDER BY 1")})
        await asyncio.sleep(LOOK_SECONDS)
        assert (await api.ask("more")).body["rows"] == [[0], [1], [2], [3], [4]]


class _Kafka(KafkaFacts):
    """A Kafka with one topic of one partition, whose consumers have committed nothing."""

    def __init__(self) -> None:
        super().__init__("nowhere:1")

    def topics(self) -> list[Row]:
        topic = BRONZE_WALLEX.name
        offsets = {"first_offset": 0, "next_offset": 1000, "messages": 1000, "newest_message_time": None}
        return [{"topic": topic, "partition": 0, **offsets}]

    def committed(self) -> list[Row]:
        return []


async def landed(tables: LakeTables) -> AsyncGenerator[int, None]:
    """Yield up to which offset wallex has landed, as often as it is asked for."""
    file = json.dumps({"lag": lake_query("SELECT next_offset FROM lag", store="kafka")}).encode()
    duck = Duck(threads=1, memory="100MB", running=1)
    store = KafkaStore(_Kafka(), tables, duck, Slots(1, 1), 0)
    try:
        named = read_queries(file, dict.fromkeys(STORE_NAMES, store.check))["lag"]
        while True:
            ((offset,),) = (await store.answer(named, {})).rows
            assert isinstance(offset, int)
            yield offset
    finally:
        duck.close()


async def test_what_has_landed_is_counted_again_in_a_table_that_was_made_anew(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    two_versions(lake)
    tables = LakeTables(lake, 1000)
    tables.delta(BRONZE_WALLEX)  # remembered, and not read yet
    made_anew(tmp_path, lake)
    async with aclosing(landed(tables)) as offsets:
        assert await anext(offsets) == 5


async def test_a_commit_between_two_looks_is_counted_the_next_time(tmp_path: Path) -> None:
    """The table is shared: another thread may bring it up to now after its files were read."""
    lake = lake_in(tmp_path)
    two_versions(lake)

    class Overtaken(DeltaTable):
        def to_pyarrow_dataset(self, *given: Any, **named: Any) -> Any:
            rows = super().to_pyarrow_dataset(*given, **named)
            if self.version() == 1:
                write(lake, BRONZE_WALLEX, [ticker(30, 102, "1")])
                self.update_incremental()
            return rows

    found = Overtaken(f"{lake.lake}/{BRONZE_WALLEX.path}")
    tables = cast(
        LakeTables, SimpleNamespace(delta=lambda table, anew=False: found if table is BRONZE_WALLEX else none())
    )
    async with aclosing(landed(tables)) as offsets:
        assert [await anext(offsets), await anext(offsets)] == [102, 103]


def none() -> DeltaTable:
    raise NoDataError("no table")


def test_who_was_told_of_a_new_version_gets_its_rows(tmp_path: Path) -> None:
    lake, now = lake_in(tmp_path), [0.0]
    tables = LakeTables(lake, 1, lambda: now[0])
    facts = LakeFacts(lake, tables)
    published(lake, CANDLES, [candle(0, "1 1 1 1 1")])
    facts.publishes()
    facts.last_commits()
    now[0] = 0.9
    names = ("candles", "recent_candles", "gold_candles", "recent_gold_candles")
    assert [tables.open(name).count_rows() for name in names] == [1] * 4
    published(lake, CANDLES, [candle(10, "2 2 2 2 2")])
    assert [tables.open(name).count_rows() for name in names] == [1] * 4  # known for a second, and nobody knows better
    now[0] = 1.1
    assert facts.publishes()["version"].to_pylist() == [1]
    assert facts.last_commits()["version"].to_pylist() == [1]
    assert [tables.open(name).count_rows() for name in names] == [2] * 4


def test_a_commit_of_a_table_that_was_made_anew_is_the_newest_of_its_log(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    two_versions(lake)
    tables = LakeTables(lake, 0)
    facts = LakeFacts(lake, tables)
    assert facts.last_commits()["newest_time"].to_pylist() == [at(30)]
    made_anew(tmp_path, lake)
    (row,) = facts.last_commits().to_pylist()
    assert (row["version"], row["newest_time"]) == (4, at(4))
    remembering = LakeFacts(lake, LakeTables(lake, 1000))
    assert remembering.last_commits().num_rows == 1
    shutil.rmtree(tmp_path / "lake")
    assert facts.last_commits().num_rows == remembering.last_commits().num_rows == 0


def test_a_published_version_that_the_log_has_no_more_has_no_newest_time(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    for minute in range(3):
        published(lake, MARKET_CAP, [total(10 * minute, "1")])
    (tmp_path / "lake" / version_file(MARKET_CAP)).write_text('{"version": 1}')
    log = tmp_path / "lake" / MARKET_CAP.path / "_delta_log"
    DeltaTable(f"{lake.lake}/{MARKET_CAP.path}").create_checkpoint()
    (log / f"{0:020}.json").unlink()
    facts = LakeFacts(lake, LakeTables(lake, 0))
    (row,) = facts.publishes().to_pylist()
    assert (row["version"], row["newest_time"]) == (1, None)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": "x"}', "\xff"])
async def test_a_file_of_the_lake_that_is_not_as_it_has_to_be_is_named(text: str, tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, MARKET_CAP, [total(0, "1")])
    keys = {"lake_newest": version_file(MARKET_CAP), "reconcile_score": LATEST}
    for key in keys.values():
        file = tmp_path / "lake" / key
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text.encode("latin-1"))
    async with served(tmp_path, None, lake) as api:
        for query, key in keys.items():
            answer = await api.ask(query)
            assert (answer.status, answer.body["kind"]) == (503, "store_down")
            assert answer.body["error"].startswith(f"lake: {key}: expected ")
