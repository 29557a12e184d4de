"""The topics of a run, read back when it is over."""

import datetime as dt
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from benchmarks.live_engines.meter import Place
from benchmarks.live_engines.windows import Contents, Told, WindowKey
from contracts.errors import BrokerError

_AT_ONCE = 10_000
PATIENCE_SECONDS = 60.0


class Stored(NamedTuple):
    """A message of a topic; `broker_ms` is Kafka's own time of it, a tombstone has no value."""

    place: Place
    broker_ms: int
    value: bytes | None


class Result(msgspec.Struct, frozen=True):
    """What every engine tells at the least; numbers may be JSON strings or JSON numbers."""

    symbol: str
    window_end: dt.datetime
    count: int
    mean: float
    vwap: float
    last: float
    event_time: dt.datetime


_result = msgspec.json.Decoder(Result, strict=False)


class _Numbered(msgspec.Struct, frozen=True):
    symbol: str
    agg_trade_id: int


_trade = msgspec.json.Decoder(_Numbered)


def read_topic(bootstrap_servers: str, topic: str) -> list[Stored]:
    """Read a topic from its beginning to where it ends now, partition by partition.

    Raises:
        BrokerError: no broker answers, or it takes longer than a minute.
    """
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": "live-results", "enable.auto.commit": False}
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        return [message for partition in partitions for message in _read_partition(consumer, topic, partition)]
    except KafkaException as error:
        raise BrokerError(f"{topic} could not be read: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _read_partition(consumer: Consumer, topic: str, partition: int) -> Iterator[Stored]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
    consumer.assign([TopicPartition(topic, partition, low)])
    deadline = time.monotonic() + PATIENCE_SECONDS
    reached = low
    while reached < high:
        if time.monotonic() > deadline:
            raise BrokerError(f"{topic}: expected {high} messages of partition {partition}, read {reached}")
        for message in consumer.consume(_AT_ONCE, timeout=0.2):
            if message.error() is not None:
                raise KafkaException(message.error())
            offset = message.offset() or 0
            reached = offset + 1
            yield Stored(Place(partition, offset), message.timestamp()[1], message.value())
        # Markers of transactions take offsets and are never delivered.
        (position,) = consumer.position([TopicPartition(topic, partition)])
        reached = max(reached, position.offset)


def told_by(messages: Iterable[Stored], received: Mapping[Place, int], symbols: Iterable[str]) -> list[Told]:
    """Return the results of these symbols in the order in which the meter received them.

    Raises:
        BrokerError: the meter has missed a message.
        msgspec.MsgspecError: a message is no result.
    """
    wanted = set(symbols)
    told = []
    for message in messages:
        if message.value is None:
            continue
        result = _result.decode(message.value)
        if result.symbol not in wanted:
            continue
        if message.place not in received:
            raise BrokerError(f"the meter has not received {message.place}")
        contents = Contents(result.count, result.mean, result.vwap, result.last, _milliseconds(result.event_time))
        window = WindowKey(result.symbol, _milliseconds(result.window_end))
        told.append(Told(window, contents, message.broker_ms, received[message.place]))
    return sorted(told, key=lambda result: result.received_ns)


def trade_times(messages: Iterable[Stored], symbols: Iterable[str]) -> dict[int, int]:
    """Return when Kafka had each trade of these symbols, in ms, by the number that the generator gave it."""
    wanted = set(symbols)
    times = {}
    for message in messages:
        trade = _trade.decode(message.value or b"")
        if trade.symbol in wanted:
            times[trade.agg_trade_id] = message.broker_ms
    return times


def _milliseconds(moment: dt.datetime) -> int:
    utc = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return round(utc.timestamp() * 1000)
