"""The sink and the tail against librdkafka's in-process mock cluster."""

import asyncio
import datetime as dt
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from contracts.errors import BrokerError, TopicError, UndeliveredError
from contracts.records import Record, decode, encode, replace
from contracts.streams import INGEST_GAPS, WALLEX, Stream, key_of
from ingest.gaps import PollSeen, still_open
from ingest.kafka_sink import KafkaSink
from ingest.kafka_tail import KafkaTail
from ingest.murmur2 import partition_of
from ingest.sink import route
from tests.unit.ingest.fakes import NOON, at, gap, ticker


@pytest.fixture
def cluster() -> Iterator[str]:
    """A mock broker of its own, with the topics that are written to once."""
    broker = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    address = next(iter(broker.list_topics(timeout=10).brokers.values()))
    for topic in (WALLEX.topic, INGEST_GAPS.topic):
        broker.list_topics(topic, timeout=10)
    yield f"{address.host}:{address.port}"
    broker.purge()


@pytest.fixture
async def sink(cluster: str) -> AsyncIterator[KafkaSink]:
    async with KafkaSink(cluster) as made:
        await made.start([WALLEX, INGEST_GAPS])
        yield made


def read_all(cluster: str, topic: str, count: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": cluster, "group.id": "test", "fetch.wait.max.ms": 10})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    messages: list[Message] = []
    for _ in range(100):
        messages += consumer.consume(1000, 0.1)
        if len(messages) >= count:
            break
    consumer.close()
    return messages


def poll_of(moment: dt.datetime, symbols: int = 5) -> list[Record]:
    return [ticker(moment, f"S{number}TMN") for number in range(symbols)]


async def test_every_record_of_a_poll_arrives_with_its_key_partition_and_poll_size(
    cluster: str, sink: KafkaSink
) -> None:
    sent = [*poll_of(NOON), gap(NOON, written=NOON)]
    await sink.send_poll(route(sent))
    assert sink.in_flight == 0
    messages = await asyncio.to_thread(read_all, cluster, "wallex", 5)
    by_key = {message.key() or b"": message for message in messages}
    assert sorted(by_key) == [b"S0TMN", b"S1TMN", b"S2TMN", b"S3TMN", b"S4TMN"]
    partitions = len(
        Consumer({"bootstrap.servers": cluster, "group.id": "t"}).list_topics("wallex").topics["wallex"].partitions
    )
    for record in sent[:5]:
        message = by_key[key_of(WALLEX, record)]
        assert message.value() == encode(record)
        assert message.headers() == [("poll_records", b"5")]
        assert message.partition() == partition_of(key_of(WALLEX, record), partitions)
    [gap_message] = await asyncio.to_thread(read_all, cluster, "ingest_gaps", 1)
    assert gap_message.headers() == [("poll_records", b"1")]


async def test_a_longer_key_still_goes_to_the_partition_of_its_symbol(cluster: str, sink: KafkaSink) -> None:
    rows = [gap(at(second), written=NOON) for second in range(8)]
    await sink.send_poll(route(rows))
    messages = await asyncio.to_thread(read_all, cluster, "ingest_gaps", 8)
    assert len({message.key() for message in messages}) == 8
    assert len({message.partition() for message in messages}) == 1


async def test_a_missing_topic_is_named_with_the_command_that_makes_it(cluster: str) -> None:
    missing = Stream(topic="binance_ticker", record=WALLEX.record, key=("symbol",), identity=(), symbol="symbol")
    async with KafkaSink(cluster) as sink:
        with pytest.raises(TopicError) as caught:
            await sink.start([WALLEX, missing])
    assert str(caught.value) == 'topic binance_ticker does not exist: create it with "coinlake topics apply"'


async def test_a_broker_that_is_not_there_is_one_clear_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with KafkaSink(address) as sink:
        with pytest.raises(BrokerError) as caught:
            await sink.start([WALLEX], seconds=0.5)
    assert str(caught.value) == (
        f"Kafka at {address}: expected an answer within 0.5 s, found none: "
        'start it with "coinlake up" or set COINLAKE_KAFKA_BOOTSTRAP_SERVERS'
    )


async def test_a_broker_outage_ends_in_undelivered_and_the_sink_goes_on_living() -> None:
    broker = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    address = next(iter(broker.list_topics(timeout=10).brokers.values()))
    broker.list_topics("wallex", timeout=10)
    async with KafkaSink(f"{address.host}:{address.port}", delivery_seconds=4) as sink:
        await sink.start([WALLEX])
        await sink.send_poll(route(poll_of(NOON)))
        del broker
        with pytest.raises(UndeliveredError) as caught:
            await asyncio.wait_for(sink.send_poll(route(poll_of(at(60)))), 20)
        assert caught.value.count == 5
        assert str(caught.value) == "Kafka did not acknowledge 5 of 5 records (_MSG_TIMED_OUT)"
        assert sink.in_flight == 0


async def test_a_record_that_is_too_large_is_reported_and_the_others_arrive(cluster: str, sink: KafkaSink) -> None:
    huge = ticker(NOON, "X" * 2_000_000)
    with pytest.raises(UndeliveredError, match=r"1 of 3 records \(MSG_SIZE_TOO_LARGE\)"):
        await asyncio.wait_for(sink.send_poll(route([huge, *poll_of(NOON, 2)])), 10)
    assert len(await asyncio.to_thread(read_all, cluster, "wallex", 2)) == 2


async def test_polls_sent_side_by_side_are_each_acknowledged(cluster: str, sink: KafkaSink) -> None:
    await asyncio.gather(*(sink.send_poll(route(poll_of(at(number), 50))) for number in range(20)))
    messages = await asyncio.to_thread(read_all, cluster, "wallex", 1000)
    assert {(message.key(), decode(message.value() or b"", WALLEX.record).event_time) for message in messages} == {
        (f"S{symbol}TMN".encode(), at(number)) for symbol in range(50) for number in range(20)
    }


async def test_the_tail_of_an_empty_topic_has_no_poll_and_no_gap(cluster: str) -> None:
    tail = KafkaTail(cluster)
    assert list(await tail.newest_polls("wallex", WALLEX)) == []
    assert await tail.gaps("wallex", WALLEX) == []


async def test_the_tail_finds_the_newest_two_polls_and_sees_that_one_is_incomplete(
    cluster: str, sink: KafkaSink
) -> None:
    for second in (0, 60, 120):
        await sink.send_poll(route(poll_of(at(second))))
    partial = Producer({"bootstrap.servers": cluster})
    partial.produce("wallex", encode(ticker(at(180))), b"BTCTMN", headers=[("poll_records", b"5")])
    partial.produce("wallex", b"not a record", b"x")
    partial.flush(5)
    assert list(await KafkaTail(cluster).newest_polls("wallex", WALLEX)) == [
        PollSeen(at(180), at(180), 1, 5),
        PollSeen(at(120), at(120), 5, 5),
    ]
    assert list(await KafkaTail(cluster).newest_polls("another venue", WALLEX)) == []


async def test_the_tail_finds_the_gap_that_no_later_record_closed(cluster: str, sink: KafkaSink) -> None:
    first, second = gap(NOON, written=NOON), gap(at(600), written=at(660))
    for record in (first, replace(first, to_time=at(60)), second):
        await sink.send_poll(route([record]))
    assert await KafkaTail(cluster).gaps("wallex", WALLEX) == [replace(first, to_time=at(60)), second]
    assert still_open(await KafkaTail(cluster).gaps("wallex", WALLEX)) == second
    await sink.send_poll(route([replace(second, to_time=at(720))]))
    assert still_open(await KafkaTail(cluster).gaps("wallex", WALLEX)) is None


async def test_the_tail_reaches_further_back_where_a_symbol_is_not_at_the_very_end(
    cluster: str, sink: KafkaSink
) -> None:
    quiet, loud = ticker(NOON, "QUIETTMN"), [ticker(at(number), "LOUDTMN") for number in range(30)]
    await sink.send_poll(route([quiet, *loud]))
    tail = KafkaTail(cluster, pushed_messages=10)
    assert quiet not in await tail.newest_records("wallex", WALLEX, ["LOUDTMN"])
    assert quiet in await tail.newest_records("wallex", WALLEX, ["LOUDTMN", "QUIETTMN"])


async def test_the_tail_reaches_further_back_where_a_venue_is_not_at_the_very_end(
    cluster: str, sink: KafkaSink
) -> None:
    quiet, loud = ticker(NOON, "BTCTMN"), [replace(ticker(at(number), "BTCTMN"), venue="loud") for number in range(30)]
    await sink.send_poll(route([quiet, *loud]))
    tail = KafkaTail(cluster, pushed_messages=10)
    assert await tail.newest_records("wallex", WALLEX, ()) == [quiet]
    assert await tail.newest_records("loud", WALLEX, ()) == loud[-10:]
    assert await tail.newest_records("unheard of", WALLEX, ()) == []


async def test_the_tail_names_all_records_of_a_venue_however_many_stand_behind_them(
    cluster: str, sink: KafkaSink
) -> None:
    quiet = [ticker(at(number)) for number in range(3)]
    await sink.send_poll(route([*quiet, *[replace(ticker(at(9)), venue="loud")] * 300]))
    tail = KafkaTail(cluster, pushed_messages=10)
    assert await tail.newest_records("wallex", WALLEX, ()) == [], "out of the reach of a start"
    found = await tail.names("wallex", WALLEX, lambda record: record.event_time.isoformat().encode())
    assert found == {at(number).isoformat().encode() for number in range(3)}
