"""What stands behind the tables: turns, what is remembered for a moment, landed offsets, replaced files."""

import asyncio
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from contracts.errors import NoDataError, StoreError
from contracts.settings import LakeSettings
from contracts.tables import BRONZE_WALLEX, CANDLES, Table
from serve.query.duck_sql import parse, varying_functions
from serve.query.errors import BusyError
from serve.query.fresh import Fresh
from serve.query.lake_tables import TABLE_NAMES, LakeTables
from serve.query.landed import next_offsets
from serve.query.queries import STORE_NAMES, read_queries
from serve.query.query_file import SHIPPED
from serve.query.remembered import Remembered
from serve.query.result import Column, Result
from serve.query.slots import Slots
from tests.unit.serve.query.served import lake_query, parameter, served
from tests.unit.serve.rows import candle, lake_in, published, ticker, write

# --- what is remembered -----------------------------------------------------------------------------------------------


def test_a_value_is_looked_up_again_when_it_is_old_or_asked_for_anew() -> None:
    now, looked = [0.0], []

    def look_up() -> int:
        looked.append(now[0])
        return len(looked)

    fresh: Fresh[int] = Fresh(1.0, lambda: now[0])
    assert [fresh.get("a", look_up), fresh.get("a", look_up)] == [1, 1]
    now[0] = 0.9
    assert fresh.get("a", look_up) == 1
    assert fresh.get("a", look_up, anew=True) == 2
    now[0] = 1.8
    assert fresh.get("a", look_up) == 2
    now[0] = 2.0
    assert fresh.get("a", look_up) == 3
    assert fresh.get("b", look_up) == 4


def test_many_who_ask_at_once_look_it_up_once() -> None:
    entered, go, looked = threading.Event(), threading.Event(), []

    def look_up() -> int:
        looked.append(1)
        entered.set()
        go.wait(10)
        return 7

    fresh: Fresh[int] = Fresh(0)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(fresh.get("a", look_up, anew=True))) for _ in range(5)]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    while sum(thread.is_alive() for thread in threads) < len(threads):
        pass
    go.set()
    for thread in threads:
        thread.join(10)
    assert found == [7] * 5
    assert len(looked) <= 2  # those who asked after the first had begun may share one more


def test_an_error_is_not_remembered() -> None:
    fresh: Fresh[int] = Fresh(100)

    def fail() -> int:
        raise NoDataError("none")

    with pytest.raises(NoDataError):
        fresh.get("a", fail)
    assert fresh.get("a", lambda: 7) == 7


def test_an_error_is_that_of_all_who_asked_before_it_was_raised() -> None:
    """A store that hangs is waited for once, not once for each who asks."""
    entered, go, looked = threading.Event(), threading.Event(), []

    def hang() -> int:
        looked.append(1)
        entered.set()
        go.wait(10)
        raise StoreError("no answer")

    fresh: Fresh[int] = Fresh(0)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(fresh.get, "a", hang)
        assert entered.wait(10)
        others = [pool.submit(fresh.get, "a", hang) for _ in range(4)]
        time.sleep(0.2)  # all of them have asked by now
        go.set()
        for asked in (first, *others):
            with pytest.raises(StoreError, match="no answer"):
                asked.result(10)
    assert len(looked) == 1
    assert fresh.get("a", lambda: 7) == 7


def test_nobody_waits_for_long_for_what_another_looks_up() -> None:
    entered, go = threading.Event(), threading.Event()

    def hang() -> int:
        entered.set()
        go.wait(10)
        return 7

    fresh: Fresh[int] = Fresh(100, patience_seconds=0.1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fresh.get, "a", hang)
        assert entered.wait(10)
        with pytest.raises(StoreError, match=r"a: nothing found within 0\.1 s"):
            fresh.get("a", lambda: 8)
        assert fresh.get("b", lambda: 9) == 9
        go.set()
        assert first.result(10) == 7
    assert fresh.get("a", lambda: 8) == 7


def test_what_is_forgotten_while_it_is_looked_up_is_looked_up_again() -> None:
    now = [0.0]
    fresh: Fresh[int] = Fresh(100, lambda: now[0])

    def look_up() -> int:
        fresh.forget("a")
        return 1

    assert fresh.get("a", look_up) == 1
    assert fresh.get("a", lambda: 2) == 2
    assert fresh.get("a", lambda: 3) == 2


def test_what_was_begun_before_one_asked_is_not_anew_for_him() -> None:
    entered, go = threading.Event(), threading.Event()

    def look_up() -> int:
        entered.set()
        go.wait(10)
        return 1

    fresh: Fresh[int] = Fresh(100)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fresh.get, "a", look_up)
        assert entered.wait(10)
        second = pool.submit(fresh.get, "a", lambda: 2, anew=True)
        time.sleep(0.2)
        go.set()
        assert [first.result(10), second.result(10)] == [1, 2]


# --- turns ------------------------------------------------------------------------------------------------------------


async def test_turns_are_taken_one_after_the_other_and_given_back_after_an_error() -> None:
    slots = Slots(1, 1)
    order: list[str] = []

    async def work(name: str) -> None:
        async with slots.turn(5):
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)

    await asyncio.gather(work("a"), work("b"))
    assert order == ["a", "a", "b", "b"]
    with pytest.raises(ZeroDivisionError):
        async with slots.turn(5):
            1 / 0  # noqa: B018
    await work("c")
    assert slots.waiting == 0


async def test_who_gets_no_turn_in_time_is_told_so() -> None:
    slots = Slots(1, 5)
    async with slots.turn(1):
        with pytest.raises(BusyError, match=r"no turn within 0\.05 s"):
            async with slots.turn(0.05):
                pass
    assert slots.waiting == 0


# --- the lake's files -------------------------------------------------------------------------------------------------


def published_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("part-0.parquet"))


def opened(lake: LakeSettings, table: Table) -> DeltaTable:
    return LakeTables(lake, 0).delta(table)


def test_landed_offsets_are_those_of_each_partition_whatever_the_files(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    def landed(minute: float, *places: tuple[int, int]) -> None:
        write(lake, BRONZE_WALLEX, [ticker(minute, offset, "1", kafka_partition=number) for number, offset in places])

    landed(24 * 60, (0, 100), (1, 5))
    landed(24 * 60, (0, 2), (2, 40))
    landed(0, (1, 9))  # a late row: the file of the least offsets holds the newest one of its partition
    assert next_offsets(opened(lake, BRONZE_WALLEX), 3) == {0: 101, 1: 10, 2: 41}


async def test_a_file_that_is_gone_by_the_time_it_is_read_is_looked_for_again(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, CANDLES, [candle(0, "1 1 1 1 1"), candle(24 * 60, "2 2 2 2 2")])
    queries = {name: lake_query(f"SELECT {name} FROM candles ORDER BY 1") for name in ("open", "close")}
    async with served(tmp_path, queries, lake, query_fresh_seconds=1000) as api:
        assert len((await api.ask("open")).body["rows"]) == 2
        published_files(tmp_path)[1].unlink()
        answer = await api.ask("close")
        assert answer.status == 200, answer.text
        assert answer.body["rows"] == [["1.000000000000000000"]]


async def test_a_damaged_file_is_the_stores_fault(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, CANDLES, [candle(0, "1 1 1 1 1"), candle(24 * 60, "2 2 2 2 2")])
    for file in published_files(tmp_path):
        file.write_bytes(b"no parquet")
    async with served(tmp_path, {"closes": lake_query("SELECT close FROM candles")}, lake) as api:
        answer = await api.ask("closes")
    assert (answer.status, answer.body["kind"]) == (503, "store_down")
    assert answer.body["error"].startswith("lake: ")


# --- answers that are known -------------------------------------------------------------------------------------------


async def test_an_answer_is_known_until_its_table_or_the_question_is_another(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, CANDLES, [candle(0, "1 1 1 1 1")])
    queries = {
        "from": lake_query(
            "SELECT close FROM candles WHERE close >= :least ORDER BY 1", parameters={"least": parameter("decimal")}
        ),
        "chance": lake_query("SELECT random() AS n FROM candles"),
        "now": lake_query("SELECT current_timestamp AS n FROM candles"),
        "ago": lake_query("SELECT ago(INTERVAL 1 hour) AS n FROM candles"),
        "query": lake_query("SELECT close, made.n FROM candles, query('SELECT now() AS n') AS made"),
    }
    async with served(tmp_path, queries, lake) as api:
        first = (await api.ask("from", least="0")).body["rows"]
        # The file is no Parquet any more, and nobody looks: what is listed is the same.
        (file,) = published_files(tmp_path)
        whole, status = file.read_bytes(), file.stat()
        file.write_bytes(b"x" * len(whole))
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert (await api.ask("from", least="0")).body["rows"] == first == [["1.000000000000000000"]]
        assert (await api.ask("from", least="0.5")).status == 503
        file.write_bytes(whole)
        for key in ("chance", "now", "ago", "query"):
            assert (await api.ask(key)).body["rows"] != (await api.ask(key)).body["rows"], key
        published(lake, CANDLES, [candle(10, "2 2 2 2 2")])
        assert len((await api.ask("from", least="0")).body["rows"]) == 2


def test_what_was_not_asked_for_longest_is_forgotten_first() -> None:
    remembered, sources = Remembered(most_bytes=8 * 10_000), {"t": object()}
    results = [Result((Column("n", "integer"),), [(number,)], nbytes=9_000) for number in range(9)]
    for number, result in enumerate(results[:8]):
        remembered.put("SELECT", {"n": number}, sources, result)
    assert remembered.get("SELECT", {"n": 0}, sources) is results[0]
    remembered.put("SELECT", {"n": 8}, sources, results[8])
    assert remembered.get("SELECT", {"n": 1}, sources) is None
    assert [remembered.get("SELECT", {"n": n}, sources) for n in (0, 8)] == [results[0], results[8]]
    assert remembered.get("SELECT", {"n": True}, sources) is None
    assert remembered.get("SELECT", {"n": 0}, {"t": object()}) is None
    remembered.put("SELECT", {"n": 9}, sources, Result((Column("n", "integer"),), [(1,)], nbytes=10_001))
    assert remembered.get("SELECT", {"n": 9}, sources) is None  # more than an eighth of all


def test_answers_from_what_was_replaced_are_forgotten_and_so_is_that(tmp_path: Path) -> None:
    """A dataset keeps what it knows of every file that was read: far more than an answer."""
    lake = lake_in(tmp_path)
    published(lake, CANDLES, [candle(0, "1 1 1 1 1")])
    remembered, caps = Remembered(), object()
    result = Result((Column("n", "integer"),), [(1,)])
    opened = [LakeTables(lake, 0).open("candles") for _ in range(3)]
    alive = [weakref.ref(one) for one in opened]
    remembered.put("SELECT 0", {}, {"market_cap": caps}, result)
    for number, candles in enumerate(opened):
        remembered.put(f"SELECT {number}", {}, {"candles": candles}, result)
        remembered.put("JOIN", {}, {"candles": candles, "market_cap": caps}, result)
    last = {"candles": opened[-1]}
    del candles, opened
    assert [one() is not None for one in alive] == [False, False, True]
    assert remembered.get("SELECT 2", {}, last) is result
    assert remembered.get("JOIN", {}, {**last, "market_cap": caps}) is result
    assert remembered.get("SELECT 0", {}, {"market_cap": caps}) is result


def test_what_the_shipped_queries_of_the_lake_say_lasts_as_long_as_their_tables() -> None:
    """Where one said what varies by itself, its answers would be worked out each time."""
    known = (*TABLE_NAMES, "last_commits", "publishes", "reconcile_scores")
    with duckdb.connect() as connection:
        varying = varying_functions(connection)
        parsed = {
            key: parse(connection, named.statement.written(lambda name: f"${name}"), known, varying)
            for key, named in read_queries(SHIPPED.read_bytes(), dict.fromkeys(STORE_NAMES, lambda _: None)).items()
            if named.query.store == "lake"
        }
    assert [key for key, found in parsed.items() if not found.is_lasting] == []
