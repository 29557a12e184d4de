"""The query API with 50 clients at once: requests a second and how long they take, on QuestDB and on the lake."""

import asyncio
import datetime as dt
import itertools
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
import numpy as np
import pyarrow as pa
from confluent_kafka import Producer
from deltalake import Schema

from benchmarks.usage import cpu_seconds, tree
from contracts.errors import StackError
from contracts.records import Liquidation, encode
from contracts.settings import KafkaSettings, LakeSettings
from contracts.streams import ALT_LIQUIDATIONS, key_of
from contracts.tables import CANDLES, MARKET_CAP, Table
from infra.children import Child
from infra.demo.replay import coinlake
from infra.environment import environment
from infra.stack import Liquidations, embedded_stack
from infra.terminal import say
from serve.query.client import asking
from spark_jobs.edges.publish import folder_of, parquet, split
from spark_jobs.edges.store import ObjectStore, open_store

CLIENTS = 50
SECONDS = 15.0
WARMUP_SECONDS = 3.0
PATIENCE_SECONDS = 120.0
ROWS = 50_000
"""Liquidations in QuestDB."""
COINS, DAYS = 100, 3
"""Candles of 10 minutes, published by coin and date."""
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


class Question(NamedTuple):
    """What the clients ask, over and over; `params` are taken in turn."""

    store: str
    key: str
    params: Sequence[Mapping[str, str]] = ({},)


COIN_NAMES = tuple(f"C{number:03}" for number in range(COINS))
SERIES = {"venue": "coin_market_cap", "quote": "USD", "hours": "24"}
QUESTIONS = (
    Question("questdb", "liquidations_newest"),
    Question("questdb", "liquidation_totals", ({"hours": "24"},)),
    Question("lake", "market_cap", ({"hours": "24"},)),
    Question("lake", "candles", tuple({"coin": coin, **SERIES} for coin in COIN_NAMES)),
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One question asked by so many clients at once, each again as soon as it has its answer.

    Times are from the request to the last byte, in ms. `cores` is the server's CPU seconds per second.
    """

    store: str
    query: str
    clients: int
    seconds: float
    requests: int
    failed: int
    requests_per_second: float
    rows_per_answer: float
    p50_ms: float
    p99_ms: float
    cores: float


def measure_query_api(out: Path, seconds: float = SECONDS, clients: int = CLIENTS) -> list[Asked]:
    """Measure every question on a stack of its own, filled anew.

    Raises:
        StackError: the stack or the server did not start, or the liquidations did not arrive.
    """
    home = out / "query-stack"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    try:
        with (
            embedded_stack(home, liquidations=Liquidations.on_free_ports(), say=lambda line: say(f"  {line}")) as stack,
            environment({**stack.env(), "COINLAKE_HOME": str(home), "COINLAKE_QUERY_PORT": "0"}),
        ):
            fill_lake(open_store(LakeSettings.load(), LakeSettings.load().lake))
            fill_topic(KafkaSettings.load(), ROWS)
            with _server(home) as (url, server):
                _wait_for_rows(url, ROWS)
                found = [asyncio.run(ask(url, question, server.pid, seconds, clients)) for question in QUESTIONS]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for one in found:
        say(f"  {one.store} {one.query}: {one.requests_per_second:,.0f} requests/s, p99 {one.p99_ms:.0f} ms")
    return found


async def ask(url: str, question: Question, pid: int, seconds: float, clients: int) -> Asked:
    """Ask one question for so long after a warm-up; `pid` is the server's process."""
    waits: list[float] = []
    rows = failed = 0
    turns = itertools.cycle(question.params)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:

        async def client(until: float) -> None:
            nonlocal rows, failed
            while (began := time.perf_counter()) < until:
                async with session.get(f"{url}/api/q/{question.key}", params=next(turns)) as answer:
                    body = await answer.read()
                waits.append(time.perf_counter() - began)
                failed += answer.status != 200
                rows += int(answer.headers.get("X-Row-Count", 0))
                del body

        async def crowd(length: float) -> None:
            until = time.perf_counter() + length
            await asyncio.gather(*(client(until) for _ in range(clients)))

        await crowd(min(WARMUP_SECONDS, seconds))
        waits.clear()
        rows = failed = 0
        began, cpu = time.perf_counter(), cpu_seconds(tree(pid))
        await crowd(seconds)
        passed, used = time.perf_counter() - began, cpu_seconds(tree(pid)) - cpu
    p50, p99 = np.percentile(waits, (50, 99)).tolist()
    return Asked(
        store=question.store,
        query=question.key,
        clients=clients,
        seconds=passed,
        requests=len(waits),
        failed=failed,
        requests_per_second=len(waits) / passed,
        rows_per_answer=rows / len(waits),
        p50_ms=p50 * 1000,
        p99_ms=p99 * 1000,
        cores=used / passed,
    )


@contextmanager
def _server(home: Path) -> Iterator[tuple[str, Child]]:
    port_file = home / "query.port"
    command = coinlake("serve-query", "--port-file", str(port_file))
    with Child("query API", command, each_line=lambda _: None, log=home / "logs" / "serve-query.log") as server:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not port_file.exists():
            if not server.running() or time.monotonic() > deadline:
                raise StackError(f"query API did not start: {server.last_words()}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{int(port_file.read_text())}", server


def fill_topic(kafka: KafkaSettings, count: int) -> None:
    """Send liquidations of one day to their topic.

    Raises:
        StackError: Kafka did not acknowledge all of them.
    """
    producer = Producer({"bootstrap.servers": kafka.kafka_bootstrap_servers, "enable.idempotence": True})
    for number in range(count):
        record = liquidation(number, count)
        while True:
            try:
                producer.produce(ALT_LIQUIDATIONS.topic, encode(record), key_of(ALT_LIQUIDATIONS, record))
                break
            except BufferError:
                producer.poll(0.1)
    if left := producer.flush(PATIENCE_SECONDS):
        raise StackError(f"Kafka did not acknowledge {left} of {count} liquidations")


def liquidation(number: int, count: int) -> Liquidation:
    """Return one of `count` that are spread over a day."""
    at = START + dt.timedelta(days=1) * number / count
    quantity = Decimal(number % 997 + 1) / 1000
    coin = COIN_NAMES[number % COINS]
    return Liquidation(
        venue="benchmark",
        event_time=at.replace(microsecond=at.microsecond // 1000 * 1000),
        ingest_time=at,
        symbol=f"{coin}USDT",
        base=coin,
        quote="USDT",
        side="long" if number % 2 else "short",
        quantity=quantity,
        filled_quantity=quantity,
        bankruptcy_price=Decimal("60000.5"),
        average_price=Decimal("60000.1"),
        notional=quantity * Decimal("60000.1"),
        sampled=True,
    )


def _wait_for_rows(url: str, count: int) -> None:
    deadline, counted = time.monotonic() + PATIENCE_SECONDS, 0
    while (counted := asking(url)("liquidations_newest")[0]["liquidations"]) < count:
        if time.monotonic() > deadline:
            raise StackError(f"expected {count} liquidations in QuestDB, found {counted} after {PATIENCE_SECONDS:g} s")
        time.sleep(0.5)


def fill_lake(store: ObjectStore) -> None:
    """Publish candles and market caps as the job publishes them."""
    for day in range(DAYS):
        times = [START + dt.timedelta(days=day, minutes=10 * number) for number in range(144)]
        _publish(store, CANDLES, times[0].date(), [candle(coin, at) for coin in COIN_NAMES for at in times])
        _publish(store, MARKET_CAP, times[0].date(), [market_cap(at) for at in times])


def _publish(store: ObjectStore, table: Table, date: dt.date, rows: Sequence[Mapping[str, Any]]) -> None:
    made = pa.Table.from_pylist(list(rows), pa.schema(Schema.from_json(table.schema.json()).to_arrow()))
    folders = tuple(name for name in table.published_by if name != "date")
    for folder, part in split(made, table, folders):
        store.put(folder_of(table, folder, date), parquet(part))


def candle(coin: str, at: dt.datetime) -> dict[str, Any]:
    """Return one candle of 10 minutes."""
    price = Decimal(at.minute + at.hour * 60 + 1) + Decimal("0.123456789012345678")
    return {
        "venue": "coin_market_cap",
        "coin": coin,
        "quote": "USD",
        "interval": "10m",
        "open_time": at,
        "close_time": at + dt.timedelta(minutes=10),
        **dict.fromkeys(("open", "high", "low", "close", "average"), price),
        "samples": 10,
        "expected": 10,
        "complete": True,
        "date": at.date(),
    }


def market_cap(at: dt.datetime) -> dict[str, Any]:
    """Return one total market cap."""
    return {
        "open_time": at,
        "close_time": at + dt.timedelta(minutes=10),
        "interval": "10m",
        "market_cap": Decimal("2412345678901.12345678"),
        "coins": COINS,
        "oldest_age_seconds": 600,
        "largest_coin": COIN_NAMES[0],
        "dominance": Decimal("0.5"),
        "date": at.date(),
    }
