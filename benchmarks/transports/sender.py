"""The producer: a process of its own that sends numbered records by the sink of a transport."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from decimal import Decimal
from multiprocessing.sharedctypes import Synchronized
from typing import NamedTuple

from contracts.records import MarketTicker, Post, Record
from contracts.settings import KafkaSettings, TransportSettings
from contracts.streams import STREAMS, Stream
from ingest.clock import Clock
from ingest.sink import Sink
from ingest.transport import sink_of

IN_FLIGHT = 8
POLL = 200
"""Records of a poll, where it is sent as fast as it goes."""
NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


class Plan(NamedTuple):
    """What is sent: so many records to a topic, `pace` of them a second, or as fast as it goes where that is 0."""

    transport: str
    servers: str
    topic: str
    records: int
    pace: float

    @property
    def stream(self) -> Stream:
        """The stream of the topic."""
        return next(stream for stream in STREAMS if stream.topic == self.topic)

    def settings(self) -> tuple[TransportSettings, KafkaSettings]:
        """Return the settings of both transports, of which the first names one; all else is the default."""
        return (
            TransportSettings(_env_file=None, transport=self.transport),
            KafkaSettings(_env_file=None, kafka_bootstrap_servers=self.servers),
        )


def send(plan: Plan, sent: "Synchronized[int]") -> None:
    """Send it all; `sent` counts what the sink says is sent."""
    asyncio.run(_send(plan, sent))


async def _send(plan: Plan, sent: "Synchronized[int]") -> None:
    make = _ticker if plan.topic == "wallex" else _post
    async with sink_of(*plan.settings(), Clock()) as sink:
        await sink.start([plan.stream])
        await (_paced(sink, plan, make, sent) if plan.pace else _flat_out(sink, plan, make, sent))


async def _flat_out(sink: Sink, plan: Plan, make: Callable[[], Record], sent: "Synchronized[int]") -> None:
    room = asyncio.Semaphore(IN_FLIGHT)
    async with asyncio.TaskGroup() as sending:
        for _ in range(plan.records // POLL):
            await room.acquire()
            task = sending.create_task(_one(sink, plan.stream, [make() for _ in range(POLL)], sent))
            task.add_done_callback(lambda _: room.release())
            await asyncio.sleep(0)


async def _paced(sink: Sink, plan: Plan, make: Callable[[], Record], sent: "Synchronized[int]") -> None:
    began = time.monotonic()
    async with asyncio.TaskGroup() as sending:
        for number in range(plan.records):
            await asyncio.sleep(max(0.0, began + number / plan.pace - time.monotonic()))
            sending.create_task(_one(sink, plan.stream, [make()], sent))


async def _one(sink: Sink, stream: Stream, records: list[Record], sent: "Synchronized[int]") -> None:
    await sink.send_poll({stream: records})
    sent.value += len(records)


def _ticker() -> MarketTicker:
    """Make a record whose symbol is when it was made, on the clock that all processes of a machine share."""
    return MarketTicker(
        venue="wallex",
        event_time=NOW,
        ingest_time=NOW,
        symbol=str(time.monotonic_ns()),
        base="BTC",
        quote="TMN",
        price=Decimal("4100000000.5"),
        usdt_tmn=Decimal("63000.25"),
        bid_price=Decimal("4099000000"),
        ask_price=Decimal("4101000000"),
        volume_24h=Decimal("12.345678"),
    )


def _post() -> Post:
    """Make a record whose id is when it was made."""
    return Post(
        venue="x",
        event_time=NOW,
        ingest_time=NOW,
        coin="bitcoin",
        post_id=str(time.monotonic_ns()),
        text="one more block, one more post about it",
        lang="en",
        found_by="a query",
        raw="{}",
    )
