"""Payload to acknowledged: bodies as the venues send them, parsed by the sources, sent by the sink to a real Kafka."""

import asyncio
import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.market import SEED, START
from contracts.records import Record
from contracts.settings import KafkaSettings
from contracts.streams import COIN_MARKET_CAP, INGEST_REJECTED, WALLEX
from infra.crashtest.run import fresh_stack
from infra.terminal import say
from ingest.kafka_sink import KafkaSink
from ingest.sink import Sink, route
from ingest.sources import coin_market_cap, wallex
from simulator import coinmarketcap_generated
from simulator import wallex as wallex_simulated
from simulator.market import Market
from simulator.wire import Content, Request

MINUTES = 30
"""How many minutes of market the bodies show before they start again."""
IN_FLIGHT = 8
SECONDS = 15.0
PACED_SECONDS = 60.0
PACE = 500.0


@dataclass(frozen=True)
class Payload:
    """One answer of a venue, as text, and when it came."""

    parse: Callable[[str, dt.datetime, dt.datetime], Sequence[Record]]
    body: str
    at: dt.datetime

    def records(self) -> Sequence[Record]:
        """Parse it as its source does."""
        return self.parse(self.body, self.at, self.at + dt.timedelta(seconds=1))


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What one measurement found; an acknowledgement is that of a whole poll, from send to the last record's answer.

    CPU is that of our process, librdkafka's threads with it: parse, encode, send and wait.
    """

    mode: str
    seconds: float
    polls: int
    records: int
    records_per_second: float
    cpu_us_per_record: float
    acknowledged_p50_ms: float
    acknowledged_p99_ms: float


def payloads(minutes: int = MINUTES) -> list[Payload]:
    """Let the generated market answer one poll of both venues a minute."""
    market = Market(SEED)
    listings = Request("/v3/cryptocurrency/listings/latest", {"convert": "USD"}, {})
    markets = Request("/v1/markets", {}, {})
    quotes, tickers = coinmarketcap_generated.generated(market), wallex_simulated.generated(market)
    made = []
    for minute in range(minutes):
        at = START + dt.timedelta(minutes=minute, seconds=7)
        made.append(Payload(coin_market_cap.parse, _body(quotes, listings, at), at))
        made.append(Payload(wallex.parse, _body(tickers, markets, at), at))
    return made


def _body(content: Content, request: Request, at: dt.datetime) -> str:
    answer = content(request, at)
    assert answer is not None
    return answer.body.decode()


async def flat_out(sink: Sink, bodies: Sequence[Payload], seconds: float) -> Ingested:
    """Parse and send as fast as it goes, a few polls in flight."""
    room = asyncio.Semaphore(IN_FLIGHT)
    meter = _Meter()
    async with asyncio.TaskGroup() as sending:
        for payload in _until(bodies, seconds):
            await room.acquire()
            task = sending.create_task(meter.send(sink, payload.records()))
            task.add_done_callback(lambda _: room.release())
            # The acknowledgements come through the event loop, which parsing never leaves by itself.
            await asyncio.sleep(0)
    return meter.measured("as fast as it goes")


async def paced(sink: Sink, bodies: Sequence[Payload], seconds: float, pace: float) -> Ingested:
    """Parse and send so many records a second, a whole poll at a time, each at its due time."""
    meter = _Meter()
    began, due = time.monotonic(), 0.0
    async with asyncio.TaskGroup() as sending:
        for payload in cycle(bodies):
            if due >= seconds:
                break
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            records = payload.records()
            sending.create_task(meter.send(sink, records))
            due += len(records) / pace
    return meter.measured(f"{pace:g} records/s")


def _until(bodies: Sequence[Payload], seconds: float) -> Iterator[Payload]:
    end = time.monotonic() + seconds
    for payload in cycle(bodies):
        if time.monotonic() >= end:
            return
        yield payload


class _Meter:
    """Counts what is sent and acknowledged since it was made."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()
        self._records = 0
        self._waits: list[float] = []

    async def send(self, sink: Sink, records: Sequence[Record]) -> None:
        sent = time.perf_counter()
        await sink.send_poll(route(records))
        self._waits.append(time.perf_counter() - sent)
        self._records += len(records)

    def measured(self, mode: str) -> Ingested:
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        p50, p99 = np.percentile(self._waits, (50, 99)).tolist()
        return Ingested(
            mode=mode,
            seconds=seconds,
            polls=len(self._waits),
            records=self._records,
            records_per_second=self._records / seconds,
            cpu_us_per_record=cpu / self._records * 1e6,
            acknowledged_p50_ms=p50 * 1000,
            acknowledged_p99_ms=p99 * 1000,
        )


def measure_ingest(out: Path, seconds: float = SECONDS, paced_seconds: float = PACED_SECONDS) -> list[Ingested]:
    """Measure both ways of sending on a stack of their own.

    Raises:
        StackError: the stack did not start.
        UndeliveredError: Kafka did not acknowledge everything.
    """
    home = out / "bench-stack"
    bodies = payloads()
    try:
        with fresh_stack(home, say=lambda line: say(f"  {line}")):
            found = asyncio.run(_measure(KafkaSettings.load(), bodies, seconds, paced_seconds))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for one in found:
        say(f"  {one.mode}: {one.records_per_second:,.0f} records/s, p99 {one.acknowledged_p99_ms:.1f} ms")
    return found


async def _measure(
    kafka: KafkaSettings, bodies: Sequence[Payload], seconds: float, paced_seconds: float
) -> list[Ingested]:
    async with KafkaSink(kafka.kafka_bootstrap_servers) as sink:
        await sink.start([COIN_MARKET_CAP, WALLEX, INGEST_REJECTED])
        await flat_out(sink, bodies, min(2.0, seconds))  # connections and caches: a first second is not like the others
        return [await flat_out(sink, bodies, seconds), await paced(sink, bodies, paced_seconds, PACE)]
