"""Thirty seeded runs in which frames are lost, doubled, reordered and connections broken: every candle is still right.

`COINLAKE_TEST_SEEDS=1,2,3` plays chosen seeds instead, one run each, at the places 0, 1, 2.
"""

import asyncio
import datetime as dt
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import structlog
from confluent_kafka import Consumer, Message, TopicPartition
from pyspark.sql import DataFrame, SparkSession

from contracts.records import AggTrade, Gap, Kline, Record, decode
from contracts.settings import JobSettings
from contracts.spark_schema import struct_type
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_KLINE_DATA, INGEST_GAPS, INGEST_REJECTED, Stream
from contracts.tables import BRONZE_BINANCE_AGG_TRADES, BRONZE_CRYPTO_KLINE_DATA, Table
from infra.stack import StackInfo
from ingest.gaps import NOT_RUNNING
from spark_jobs import land
from spark_jobs.build_candles import BINANCE_SOURCES, plan
from spark_jobs.transforms.parse import good_rows
from spark_jobs.transforms.repeats import mark_repeats
from tests.integration.chaotic_runs import Number, Plan, Played, plan_of, play
from tests.integration.conftest import own_stack

FIXED = tuple(range(1, 16))
FRESH = 5
AT_ONCE = 10
BUCKET = dt.timedelta(minutes=10)
Candles = dict[tuple[str, str, dt.datetime], dict[str, Any]]


def plans() -> list[Plan]:
    """Draw the runs: fixed seeds, and fresh ones that are other ones every time."""
    chosen = os.environ.get("COINLAKE_TEST_SEEDS")
    fresh = [random.SystemRandom().randrange(10**6, 10**9) for _ in range(FRESH)]
    seeds = [int(seed) for seed in chosen.split(",")] if chosen else [*FIXED, *fresh]
    return [plan_of(seed, place) for place, seed in enumerate(seeds)]


@dataclass(frozen=True)
class Evening:
    """All runs, and everything that they left in the topics, in the order of the offsets."""

    played: list[Played]
    messages: dict[str, list[Message]]
    records: dict[str, list[Record]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    with own_stack(tmp_path_factory.mktemp("chaos") / "home") as info:
        yield info


@pytest.fixture(scope="module")
def evening(stack: StackInfo) -> Evening:
    began = time.monotonic()
    with structlog.testing.capture_logs():
        played = asyncio.run(all_of(plans(), stack))
    print(f"{len(played)} runs in {time.monotonic() - began:.0f} s")
    streams = (CRYPTO_KLINE_DATA, BINANCE_AGG_TRADES, INGEST_GAPS, INGEST_REJECTED)
    messages = {stream.topic: messages_of(stack, stream) for stream in streams}
    records = {s.topic: [decode(m.value() or b"", s.record) for m in messages[s.topic]] for s in streams}
    return Evening(played, messages, records)


async def all_of(runs: Sequence[Plan], stack: StackInfo) -> list[Played]:
    """Play all runs, some of them at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(run: Plan) -> Played:
        async with room:
            print(run, flush=True)
            return await play(run, stack)

    return await asyncio.gather(*map(one, runs))


def messages_of(stack: StackInfo, stream: Stream) -> list[Message]:
    """Read a topic to its end."""
    consumer = Consumer(
        {"bootstrap.servers": stack.kafka_bootstrap_servers, "group.id": "test", "enable.partition.eof": True}
    )
    partitions = consumer.list_topics(stream.topic, timeout=10).topics[stream.topic].partitions
    consumer.assign([TopicPartition(stream.topic, partition, 0) for partition in partitions])
    found: list[Message] = []
    ended, deadline = 0, time.monotonic() + 30
    while ended < len(partitions):
        assert time.monotonic() < deadline
        for message in consumer.consume(1000, 0.2):
            if message.error() is None:
                found.append(message)
            else:
                ended += 1
    consumer.close()
    return found


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def gaps_of(evening: Evening, run: Plan) -> list[Gap]:
    """Return the gaps of a run's symbols as they stand in the end."""
    newest: dict[object, Gap] = {}
    for gap in evening.records[INGEST_GAPS.topic]:
        assert isinstance(gap, Gap)
        if gap.symbol in run.symbols:
            newest[gap.stream, gap.symbol, gap.from_time] = gap
    return list(newest.values())


def test_klines_and_trades_equal_rest(evening: Evening) -> None:
    assert evening.records[INGEST_REJECTED.topic] == []
    closed = [r for r in evening.records[CRYPTO_KLINE_DATA.topic] if isinstance(r, Kline) and r.closed]
    trades = [r for r in evening.records[BINANCE_AGG_TRADES.topic] if isinstance(r, AggTrade)]
    for played in evening.played:
        assert set(played.codes) == {0}, played.plan
        for symbol in played.plan.symbols:
            where = (str(played.plan), symbol)
            ours = {ms(k.open_time): k for k in closed if k.symbol == symbol}
            ids = {t.agg_trade_id: t for t in trades if t.symbol == symbol}
            if not played.plan.killed:
                assert len(ours) == sum(kline.symbol == symbol for kline in closed), where
                assert len(ids) == sum(trade.symbol == symbol for trade in trades), where
            assert max(ours) - min(ours) >= 20 * 60_000, where
            rows = [row for row in played.klines[symbol] if min(ours) <= row[0] <= max(ours)]
            assert sorted(ours) == [row[0] for row in rows], where
            for row in rows:
                kline = ours[row[0]]
                said = [kline.open, kline.high, kline.low, kline.close, kline.volume, kline.quote_volume, kline.trades]
                assert said == [*map(Decimal, [*row[1:6], row[7]]), row[8]], where
            told = [row for row in played.trades[symbol] if min(ids) <= row["a"] <= max(ids)]
            assert sorted(ids) == [row["a"] for row in told] == list(range(min(ids), max(ids) + 1)), where
            for one in told:
                trade = ids[one["a"]]
                assert [
                    trade.price,
                    trade.quantity,
                    ms(trade.event_time),
                    trade.first_trade_id,
                    trade.last_trade_id,
                ] == [*(Decimal(one["p"]), Decimal(one["q"]), one["T"], one["f"], one["l"])], where


def test_what_was_never_pushed_lies_in_a_gap_that_is_repaired(evening: Evening) -> None:
    refilled: Counter[int] = Counter()
    seen_halts = 0
    for played in evening.played:
        run, gaps = played.plan, gaps_of(evening, played.plan)
        for moment, number in unpushed(evening, played):
            refilled[run.seed] += 1
            topic, symbol, _ = number
            inside = [g for g in gaps if (g.stream, g.symbol) == (topic, symbol) and g.to_time and g.recoverable]
            assert any(gap.from_time <= moment <= gap.to_time for gap in inside if gap.to_time), "\n".join(
                [f"{run}: {number} of {moment}", *(line_of(g) for g in gaps if (g.stream, g.symbol) == (topic, symbol))]
            )
        for gap in gaps:
            where = (str(run), gap)
            assert gap.to_time is not None, where
            if not gap.recoverable:
                assert gap.stream == CRYPTO_KLINE_DATA.topic and run.halt is not None, where
                rows = [row[0] for row in played.klines[gap.symbol]]
                assert [at for at in rows if ms(gap.from_time) <= at < ms(gap.to_time)] == [], where
            elif not run.killed:
                assert gap.repaired_at is not None, where
        for symbol in run.symbols:
            causes = {(gap.stream, NOT_RUNNING in gap.cause) for gap in gaps if gap.symbol == symbol}
            assert (BINANCE_AGG_TRADES.topic, True) in causes, (str(run), "the pause between two generators")
            if run.halt is not None and first_kline(evening, symbol) < run.halt[0]:
                assert [g for g in gaps if g.symbol == symbol and not g.recoverable], (str(run), "the halt")
                seen_halts += 1
        assert refilled[run.seed] > 0, run
        unmarked = sum(gap.recoverable and gap.repaired_at is None for gap in gaps)
        halts = sum(not gap.recoverable for gap in gaps)
        print(
            f"seed {run.seed}: {len(gaps)} gaps, {halts} of a halt, {refilled[run.seed]} refilled, {unmarked} unmarked"
        )
    assert seen_halts or not any(played.plan.halt for played in evening.played)
    whole = {g.from_time: g for g in evening.records[INGEST_GAPS.topic] if isinstance(g, Gap) and g.symbol == "*"}
    assert [gap for gap in whole.values() if gap.repaired_at is None] == []


def line_of(gap: Gap) -> str:
    """Write a Gap in a line."""
    return f"{gap.from_time} to {gap.to_time}, {gap.missed} missed, repaired {gap.repaired_at}: {gap.cause}"


def first_kline(evening: Evening, symbol: str) -> dt.datetime:
    """Return when the first closed kline of a symbol on record opens."""
    klines = (r for r in evening.records[CRYPTO_KLINE_DATA.topic] if isinstance(r, Kline) and r.closed)
    return min(kline.open_time for kline in klines if kline.symbol == symbol)


def unpushed(evening: Evening, played: Played) -> Iterator[tuple[dt.datetime, Number]]:
    """Yield what is on record of a run though no connection ever pushed it."""
    for record in (*evening.records[CRYPTO_KLINE_DATA.topic], *evening.records[BINANCE_AGG_TRADES.topic]):
        moment, number = record.event_time, None
        if isinstance(record, Kline) and record.closed:
            moment, number = record.open_time, (CRYPTO_KLINE_DATA.topic, record.symbol, ms(record.open_time))
        elif isinstance(record, AggTrade):
            number = (BINANCE_AGG_TRADES.topic, record.symbol, record.agg_trade_id)
        if number is not None and number[1] in played.plan.symbols and number not in played.pushed:
            yield moment, number


def test_limits_were_kept(evening: Evening) -> None:
    for played in evening.played:
        broken = ("refused", "banned", "message_breaches", "stream_breaches", "connections_refused")
        assert [played.limits[name] for name in broken] == [0] * 5, played.plan
        assert played.limits["connections"] >= 6, played.plan


def test_candles_of_klines_and_of_trades_equal_the_brute_force(
    evening: Evening, spark: SparkSession, tmp_path: Path
) -> None:
    found = candles_of(evening, spark, tmp_path)
    compared = 0
    for played in evening.played:
        for symbol in played.plan.symbols:
            for open_time, wanted in by_hand(played.klines[symbol], *covered(evening, symbol)).items():
                where = (str(played.plan), symbol, open_time)
                own = found.get(("binance", symbol, open_time))
                made = found.get(("binance_trades", symbol, open_time))
                assert own is not None and made is not None, where
                assert {name: own[name] for name in wanted} == wanted, where
                assert {**own, "venue": None} == {**made, "venue": None}, where
                compared += 1
    print(f"{compared} candles of 10 minutes, each from klines and from trades, equal the brute force")
    assert compared >= 2 * len(evening.played)


def candles_of(evening: Evening, spark: SparkSession, folder: Path) -> Candles:
    """Land all messages as the jobs do, and make candles of 10 minutes of them as the jobs do."""
    bronze = {
        table.name: landed(evening, spark, folder, stream, table)
        for stream, table in (
            (CRYPTO_KLINE_DATA, BRONZE_CRYPTO_KLINE_DATA),
            (BINANCE_AGG_TRADES, BRONZE_BINANCE_AGG_TRADES),
        )
    }

    def read(table: Table) -> DataFrame:
        return bronze[table.name] if table.name in bronze else spark.createDataFrame([], table.schema)

    rows = [row for source in BINANCE_SOURCES for row in plan(source.candles(read), JobSettings()).collect()]
    return {
        (row["venue"], row["coin"] + row["quote"], row["open_time"].astimezone(dt.UTC)): row.asDict()
        for row in rows
        if row["interval"] == "10m"
    }


def landed(evening: Evening, spark: SparkSession, folder: Path, stream: Stream, table: Table) -> DataFrame:
    """Turn the messages of a topic into the rows of its bronze table."""
    file = folder / f"{table.name}.parquet"
    messages = [
        {
            "value": message.value(),
            "topic": message.topic(),
            "partition": message.partition(),
            "offset": message.offset(),
            "timestamp": dt.datetime.fromtimestamp(message.timestamp()[1] / 1000, dt.UTC),
        }
        for message in evening.messages[stream.topic]
    ]
    kinds = {"value": pa.binary(), "topic": pa.string(), "partition": pa.int32(), "offset": pa.int64()}
    schema = pa.schema({**kinds, "timestamp": pa.timestamp("us", tz="UTC")})
    pq.write_table(pa.Table.from_pylist(messages, schema), file)
    parsed = land.plan(spark.read.parquet(str(file)), stream, JobSettings().max_ahead_seconds)
    good = good_rows(parsed, struct_type(stream.record).names)
    rows = mark_repeats(good, spark.createDataFrame([], table.schema), stream.identity).persist()
    assert rows.count() == len(messages)
    return rows


def covered(evening: Evening, symbol: str) -> tuple[dt.datetime, dt.datetime]:
    """Return the time of which klines and trades of a symbol both tell."""
    closed = [r for r in evening.records[CRYPTO_KLINE_DATA.topic] if isinstance(r, Kline) and r.closed]
    klines = [kline for kline in closed if kline.symbol == symbol]
    trades = [
        r.event_time
        for r in evening.records[BINANCE_AGG_TRADES.topic]
        if isinstance(r, AggTrade) and r.symbol == symbol
    ]
    first = max(min(kline.open_time for kline in klines), min(trades))
    return first, min(max(kline.close_time for kline in klines), max(trades))


def by_hand(rows: Sequence[list[Any]], first: dt.datetime, last: dt.datetime) -> dict[dt.datetime, dict[str, Any]]:
    """Compute the candles of the buckets within [first, last), minute by minute, of klines as REST says them."""
    since = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    buckets: dict[dt.datetime, list[list[Any]]] = {}
    for row in rows:
        number = row[0] // (BUCKET // dt.timedelta(milliseconds=1))
        buckets.setdefault(since + number * BUCKET, []).append(row)
    return {
        open_time: {
            "open": Decimal(minutes[0][1]),
            "high": max(Decimal(row[2]) for row in minutes),
            "low": min(Decimal(row[3]) for row in minutes),
            "close": Decimal(minutes[-1][4]),
            "volume": sum(Decimal(row[5]) for row in minutes),
            "quote_volume": sum(Decimal(row[7]) for row in minutes),
            "trades": sum(row[8] for row in minutes),
            "samples": len(minutes),
            "complete": len(minutes) == 10,
        }
        for open_time, minutes in buckets.items()
        if first <= open_time and open_time + BUCKET <= last
    }
