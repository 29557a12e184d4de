"""Kafka Connect into QuestDB: how long one row takes while a few arrive, and rows a second of a backlog."""

import asyncio
import datetime as dt
import shutil
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import msgspec
from confluent_kafka import Producer

from benchmarks.latency import frame_to_row_seconds, percentile
from benchmarks.query_api import fill_topic, liquidation
from benchmarks.usage import cpu_seconds, tree
from contracts.errors import StackError
from contracts.records import Liquidation, encode, replace
from contracts.settings import KafkaSettings, QuestDbSettings
from contracts.streams import ALT_LIQUIDATIONS, key_of
from infra.connect.connectors import Connector
from infra.connect.settings import ConnectSettings
from infra.environment import environment
from infra.stack import Liquidations, embedded_stack, status
from infra.terminal import say

BACKLOG = 200_000
PACE, WARMUP_SECONDS, PACED_SECONDS = 100.0, 10.0, 30.0
PATIENCE_SECONDS = 300.0
LATER = dt.timedelta(days=30)
"""The paced rows are of another time than the backlog, so that none of them is a repeat."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What one measurement found; times are from a record's `ingest_time` to its being seen in QuestDB, in ms.

    CPU is that of Connect and of QuestDB. A backlog has no times: its rows were received long before.
    """

    mode: str
    rows: int
    seconds: float
    rows_per_second: float
    connect_cpu_us_per_row: float
    questdb_cpu_us_per_row: float
    p50_ms: float | None = None
    p99_ms: float | None = None


def measure_connect(out: Path, backlog: int = BACKLOG, paced_seconds: float = PACED_SECONDS) -> list[Stored]:
    """Measure a few rows a second and then a backlog, on a stack of their own.

    Raises:
        StackError: the stack did not start, or the rows did not arrive.
    """
    home = out / "connect-stack"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    try:
        with (
            embedded_stack(home, liquidations=Liquidations.on_free_ports(), say=lambda line: say(f"  {line}")) as stack,
            environment({**stack.env(), "COINLAKE_HOME": str(home)}),
        ):
            pids = {part.name: part.pid or 0 for part in status(home)}
            found = asyncio.run(_measure(pids["connect"], pids["questdb"], backlog, paced_seconds))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for one in found:
        times = "" if one.p99_ms is None else f", p50 {one.p50_ms:.0f} ms, p99 {one.p99_ms:.0f} ms"
        say(f"  {one.mode}: {one.rows_per_second:,.0f} rows/s{times}")
    return found


async def _measure(connect: int, questdb: int, backlog: int, paced_seconds: float) -> list[Stored]:
    kafka, place = KafkaSettings.load(), QuestDbSettings.load()

    def used() -> tuple[float, float]:
        return cpu_seconds(tree(connect)), cpu_seconds(tree(questdb))

    # The few first: looking for new rows among a backlog would be measured with them.
    early, late = round(PACE * WARMUP_SECONDS), round(PACE * (WARMUP_SECONDS + paced_seconds))
    warm, rows = ([liquidation(number, 86_400) for number in span] for span in (range(early), range(early, late)))
    await _sent_and_seen(kafka, place, warm)
    before, began = used(), time.perf_counter()
    waits = await _sent_and_seen(kafka, place, rows)
    paced = _stored(f"{PACE:g} rows/s", len(rows), time.perf_counter() - began, before, used())
    p50, p99 = percentile(waits, 0.5) * 1000, percentile(waits, 0.99) * 1000
    _command("pause")
    fill_topic(kafka, backlog)
    before, began = used(), time.perf_counter()
    _command("resume")
    await _wait_for_rows(place, len(warm) + len(rows) + backlog)
    waited = _stored("a backlog", backlog, time.perf_counter() - began, before, used())
    return [msgspec.structs.replace(paced, p50_ms=p50, p99_ms=p99), waited]


async def _sent_and_seen(kafka: KafkaSettings, place: QuestDbSettings, rows: Sequence[Liquidation]) -> list[float]:
    """Send rows at their pace, and return the seconds until each was seen."""
    since = dt.datetime.now(dt.UTC)
    watching = asyncio.create_task(frame_to_row_seconds(place, since, len(rows), PATIENCE_SECONDS))
    await _send_paced(kafka, rows)
    return await watching


def _stored(mode: str, rows: int, seconds: float, before: tuple[float, float], after: tuple[float, float]) -> Stored:
    connect, questdb = (late - early for early, late in zip(before, after, strict=True))
    return Stored(
        mode=mode,
        rows=rows,
        seconds=seconds,
        rows_per_second=rows / seconds,
        connect_cpu_us_per_row=connect / rows * 1e6,
        questdb_cpu_us_per_row=questdb / rows * 1e6,
    )


def _command(word: str) -> None:
    url = f"{ConnectSettings.load().connect_url}/connectors/{Connector.read().name}/{word}"
    urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30).close()


async def _send_paced(kafka: KafkaSettings, rows: Sequence[Liquidation]) -> None:
    """Send each at its due time, received just then."""
    producer = Producer(
        {"bootstrap.servers": kafka.kafka_bootstrap_servers, "enable.idempotence": True, "linger.ms": 1}
    )
    for due, row in _grid(rows):
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        now = dt.datetime.now(dt.UTC)
        record = replace(row, ingest_time=now, event_time=row.event_time + LATER)
        producer.produce(ALT_LIQUIDATIONS.topic, encode(record), key_of(ALT_LIQUIDATIONS, record))
        producer.poll(0)
    if left := await asyncio.to_thread(producer.flush, PATIENCE_SECONDS):
        raise StackError(f"Kafka did not acknowledge {left} of {len(rows)} liquidations")


def _grid(rows: Sequence[Liquidation]) -> Iterator[tuple[float, Liquidation]]:
    began = time.monotonic()
    for number, row in enumerate(rows):
        yield began + number / PACE, row


async def _wait_for_rows(place: QuestDbSettings, count: int) -> None:
    connection = await asyncpg.connect(
        host=place.questdb_host,
        port=place.questdb_pg_port,
        user=place.questdb_user,
        password=place.questdb_password.get_secret_value(),
        database=place.questdb_database,
    )
    try:
        deadline, found = time.monotonic() + PATIENCE_SECONDS, 0
        while (found := await connection.fetchval("SELECT count() FROM alt_liquidations")) < count:
            if time.monotonic() > deadline:
                raise StackError(f"expected {count} rows in QuestDB, found {found} after {PATIENCE_SECONDS:g} s")
            await asyncio.sleep(0.02)
    finally:
        await connection.close()
