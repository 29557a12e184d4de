"""A steady load on Kafka through the generator's own sink, a journal of what was acknowledged, and who reads it."""

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, TopicPartition

from contracts.errors import BrokerError, UndeliveredError
from contracts.records import AggTrade, Record, decode
from contracts.streams import BINANCE_AGG_TRADES
from ingest.kafka_sink import KafkaSink
from ingest.sink import route

RECORDS, EVERY_SECONDS = 20, 0.05
"""400 records a second; each poll is of one symbol, and so of one partition."""
TOPIC = BINANCE_AGG_TRADES.topic
_SYMBOLS = [f"{base}USDT" for base in ("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOT", "TRX", "LTC", "BCH")]


@dataclass(frozen=True)
class Acknowledged:
    """A poll that Kafka has taken: its first id, and on the monotonic clock when it was sent and acknowledged."""

    first: int
    sent: float
    at: float


class Load:
    """Sends numbered trades from a thread of its own for the length of a block; ids begin at `first`."""

    def __init__(self, bootstrap_servers: str, journal: Path, *, first: int, delivery_seconds: float) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._journal = journal
        self._next = first
        self._delivery_seconds = delivery_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")
        self.refused: list[UndeliveredError] = []
        self.broken: list[BrokerError] = []

    def __enter__(self) -> Self:
        self._journal.touch()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def acknowledged(self) -> list[Acknowledged]:
        """What the journal says: only whole polls, each written down after its acknowledgement."""
        rows = (line.split() for line in self._journal.read_text().splitlines())
        return [Acknowledged(int(first), float(sent), float(at)) for first, sent, at in rows]

    def ids(self) -> list[int]:
        """Return the ids of all records that the journal says were acknowledged."""
        return [poll.first + number for poll in self.acknowledged for number in range(RECORDS)]

    def wait_for_each_sent_after(self, moment: float, seconds: float = 40) -> None:
        """Wait until a poll of each symbol that was sent after a moment is acknowledged."""

        def all_are() -> bool:
            return {_symbol(poll.first) for poll in self.acknowledged if poll.sent > moment} == set(_SYMBOLS)

        until(all_are, seconds, "an acknowledged poll of each symbol")

    async def _run(self) -> None:
        with self._journal.open("a", buffering=1) as journal:
            async with KafkaSink(self._bootstrap_servers, delivery_seconds=self._delivery_seconds) as sink:
                await sink.start([BINANCE_AGG_TRADES])
                async with asyncio.TaskGroup() as group:
                    while not self._stop.is_set():
                        group.create_task(self._send(sink, self._next, journal.write))
                        self._next += RECORDS
                        await asyncio.sleep(EVERY_SECONDS)

    async def _send(self, sink: KafkaSink, first: int, write: Callable[[str], object]) -> None:
        sent = time.monotonic()
        try:
            await sink.send_poll(route([_trade(first + number) for number in range(RECORDS)]))
        except UndeliveredError as error:
            self.refused.append(error)
        except BrokerError as error:
            self.broken.append(error)
        else:
            write(f"{first} {sent} {time.monotonic()}\n")


def _symbol(number: int) -> str:
    return _SYMBOLS[number // RECORDS % len(_SYMBOLS)]


def _trade(number: int) -> Record:
    symbol, now = _symbol(number), dt.datetime.now(dt.UTC)
    return AggTrade(
        venue="binance",
        event_time=now,
        ingest_time=now,
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        agg_trade_id=number,
        price=Decimal("1.5"),
        quantity=Decimal(1),
        first_trade_id=number,
        last_trade_id=number,
        buyer_is_maker=False,
    )


def longest_silence(acknowledged: list[Acknowledged]) -> float:
    """Return the longest time between two acknowledgements of the same symbol, in seconds."""
    times: dict[str, list[float]] = {}
    for poll in acknowledged:
        times.setdefault(_symbol(poll.first), []).append(poll.at)
    return max(later - earlier for of_symbol in times.values() for earlier, later in pairwise(sorted(of_symbol)))


def ids_in_kafka(bootstrap_servers: str, first: int) -> list[int]:
    """Read a topic's every partition from its start to its end with a plain consumer; ids from `first` on."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "reader", "enable.auto.commit": False})
    try:
        numbers = consumer.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
        ends = {number: consumer.get_watermark_offsets(TopicPartition(TOPIC, number))[1] for number in numbers}
        consumer.assign([TopicPartition(TOPIC, number, 0) for number in numbers])
        found: list[int] = []
        left, deadline = sum(ends.values()), time.monotonic() + 120
        while left:
            assert time.monotonic() < deadline, f"{left} messages were not read"
            for message in consumer.consume(1000, 0.5):
                assert message.error() is None, message.error()
                value = message.value()
                assert value is not None
                found.append(decode(value, AggTrade).agg_trade_id)
                left -= 1
    finally:
        consumer.close()
    return [number for number in found if number >= first]


def until(true: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is true, and return how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, f"expected {what} within {seconds:g} s"
        time.sleep(0.1)
    return time.monotonic() - began
