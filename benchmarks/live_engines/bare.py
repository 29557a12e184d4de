"""The floor: one consumer, one producer and a dictionary between them, with nothing that survives a crash.

What an engine needs above this is the price of its state being safe. It reads from where the topic ends, after a crash
too, since it has kept no offset. Out come the fields that every engine tells.
"""

import datetime as dt
import os
import time
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from benchmarks.live_engines.windows import WindowKey, ends_of
from contracts.records import AggTrade, decode, wire_time
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_DATA_AGGREGATED

LINGER_MS = 1
KEEP_MS = 10_000
SWEEP_SECONDS = 1.0


@dataclass
class Sums:
    """A window so far."""

    count: int = 0
    price: float = 0.0
    quantity: float = 0.0
    notional: float = 0.0


@dataclass
class Windows:
    """All windows that may still get an event."""

    open: dict[WindowKey, Sums] = field(default_factory=dict)

    def tell(self, trade: AggTrade) -> list[bytes]:
        """Add a trade to its windows; return each as it is then."""
        price, quantity = float(trade.price), float(trade.quantity)
        told = []
        for end in ends_of(round(trade.event_time.timestamp() * 1000)):
            sums = self.open.setdefault(WindowKey(trade.symbol, end), Sums())
            sums.count += 1
            sums.price += price
            sums.quantity += quantity
            sums.notional += price * quantity
            result = {
                "symbol": trade.symbol,
                "window_end": wire_time(dt.datetime.fromtimestamp(end / 1000, dt.UTC)),
                "count": sums.count,
                "mean": sums.price / sums.count,
                "vwap": sums.notional / sums.quantity,
                "last": price,
                "event_time": wire_time(trade.event_time),
            }
            told.append(msgspec.json.encode(result))
        return told

    def forget(self, before_ms: int) -> None:
        """Drop windows that ended before."""
        for window in [window for window in self.open if window.end_ms < before_ms]:
            del self.open[window]


def main() -> None:
    """Run until killed."""
    servers = os.environ["COINLAKE_KAFKA_BOOTSTRAP_SERVERS"]
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bare", "enable.auto.commit": False})
    source = BINANCE_AGG_TRADES.topic
    partitions = consumer.list_topics(source, timeout=30).topics[source].partitions
    consumer.assign([TopicPartition(source, partition, OFFSET_END) for partition in partitions])
    producer = Producer({"bootstrap.servers": servers, "linger.ms": LINGER_MS})
    windows, swept = Windows(), time.monotonic()
    while True:
        message = consumer.poll(0.1)
        value = None if message is None or message.error() else message.value()
        if value is not None:
            trade = decode(value, AggTrade)
            for told in windows.tell(trade):
                producer.produce(CRYPTO_DATA_AGGREGATED.topic, told, trade.symbol.encode())
        producer.poll(0)
        if time.monotonic() - swept > SWEEP_SECONDS:
            swept = time.monotonic()
            windows.forget(round(time.time() * 1000) - KEEP_MS)


if __name__ == "__main__":
    main()
