"""A market with posts across midnight, sent to its topics slice by slice, and `coinlake export hdf5` in front of it."""

import random
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from confluent_kafka import Producer

from contracts.records import Record, encode, replace
from contracts.streams import key_of, stream_of
from infra.stack import StackInfo
from tests.integration import oracle
from tests.unit.serve.export.messages import after, kline, polled, post, quote, ticker, trade

TOPICS = (
    *("coin_market_cap", "wallex", "binance_ticker", "crypto_kline_data", "binance_agg_trades", "bitcoin", "ethereum"),
)
SYMBOLS = [f"{base}USDT" for base in ("BTC", "ETH", "BNB", "SOL", "XRP", "ADA")]
_FROM = 12 * 60 * 60 - 420
"""Seven minutes before midnight."""
_PARTITIONS = {"binance_ticker": 3, "crypto_kline_data": 3, "binance_agg_trades": 3, "bitcoin": 3, "ethereum": 3}


class Sent(NamedTuple):
    """A message before it is sent."""

    topic: str
    partition: int
    key: bytes
    value: bytes


def market(seed: int, seconds: int) -> Iterator[list[Sent]]:
    """Draw a market, a list of messages for each of its seconds of event time; some are late, repeated or no record."""
    drawn = random.Random(seed)
    number = 0
    for second in range(_FROM, _FROM + seconds):
        sent: list[Record] = []
        for symbol in SYMBOLS:
            number += 1
            price = str(Decimal(drawn.randrange(10**12)) / 10**6)
            sent.append(trade(number, price, second + drawn.randrange(1000) / 1000, symbol=symbol))
        if not second % 20:
            # Ids of their own, and a time that is over.
            sent.append(trade(10**9 + number, "1.25", second - 400, symbol=drawn.choice(SYMBOLS)))
            # Thrice the same answer, of which compaction may leave the last alone.
            minute = second // 60
            sent.append(quote(1, f"{60_000 + minute}.5", minute * 60))
            sent.append(quote(1027, f"{3000 + minute}.25", minute * 60, coin="ETH"))
            sent.append(ticker(drawn.choice([None, "4100000000"]), second))
            sent.append(polled(str(drawn.randrange(60_000, 61_000)), second))
        sent.append(kline(str(drawn.randrange(60_000, 61_000)), second, interval=drawn.choice(["1m", "5m"])))
        text = drawn.choice(["to the moon 🚀", "sell it all", "", "gm " * drawn.randrange(200), "trailing\0\0"])
        sent.append(post(str(second), text, second, coin=drawn.choice(["bitcoin", "ethereum"]), likes=second))
        messages = [_sent(record) for record in [*sent, *drawn.sample(sent, 2)]]
        if not second % 50:
            ahead = replace(sent[0], event_time=after(second + 600))
            messages += [Sent("wallex", 0, b"spoiled-%d" % second, b"{spoiled %d" % second), _sent(ahead)]
        yield messages


def _sent(record: Record) -> Sent:
    stream = stream_of(record)
    partition = sum(str(getattr(record, stream.symbol)).encode()) % _PARTITIONS.get(stream.topic, 1)
    return Sent(stream.topic, partition, key_of(stream, record), encode(record))


class Sending:
    """Sends messages from a thread of its own, evenly over some seconds; `finish` waits until all are there."""

    def __init__(self, stack: StackInfo, messages: Sequence[Sent], seconds: float) -> None:
        self._servers = stack.kafka_bootstrap_servers
        self._messages = messages
        self._pause = seconds / 20
        self._left: int | None = None
        self._thread = threading.Thread(target=self._run, name="sending")
        self._thread.start()

    def finish(self) -> None:
        self._thread.join()
        assert self._left == 0

    def _run(self) -> None:
        producer = Producer({"bootstrap.servers": self._servers, "enable.idempotence": True})
        at_once = len(self._messages) // 20 + 1
        for start in range(0, len(self._messages), at_once):
            for one in self._messages[start : start + at_once]:
                producer.produce(one.topic, one.value, one.key, partition=one.partition)
            producer.poll(0)
            time.sleep(self._pause)
        self._left = producer.flush(30)


def exporting(folder: Path, *arguments: str) -> list[str]:
    """Return the command of an export."""
    return [sys.executable, "-m", "infra.cli", "export", "hdf5", str(folder), *arguments]


def readable(folder: Path) -> int:
    """Demand that each table of each file can be read, and return the number of files."""
    files = list(folder.glob("*.h5"))
    for path in files:
        with pd.HDFStore(path, "r") as store:
            for name in store:
                pd.read_hdf(path, name)
    return len(files)


def in_topics(stack: StackInfo) -> list[tuple[str, bytes]]:
    """Read what the topics hold by an own consumer, each partition in its order, as (topic, value)."""
    read = oracle.consume(stack.kafka_bootstrap_servers, *TOPICS)
    return [(message.topic, message.value) for message in read]
