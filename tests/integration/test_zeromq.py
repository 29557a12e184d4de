"""The sink and the feed over real sockets on loopback: what arrives, what is lost, and that a loss is seen."""

import asyncio
import itertools
import json
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress

import psutil
import pytest
import zmq

from contracts.errors import BrokerError, StackError, UndeliveredError
from contracts.frames import Kind, subscription, unpack
from contracts.records import encode
from contracts.settings import TransportSettings
from contracts.streams import BITCOIN, COIN_MARKET_CAP, INGEST_GAPS, WALLEX, Stream
from ingest.clock import Clock
from ingest.zmq_sink import ZmqSink
from serve.export.zmq_feed import ZmqFeed
from tests.integration.zmq_posts_and_ticks import Reading, ids, posts, prices, ticks, transport
from tests.unit.ingest.fakes import NOON, gap

GAP = gap(NOON, written=NOON)


def sink_of(settings: TransportSettings) -> ZmqSink:
    assert settings.zmq is not None
    return ZmqSink(settings.zmq, settings, Clock())


async def publish(settings: TransportSettings, *polls: dict[Stream, list[object]]) -> str:
    """Send polls in one run, and return its name."""
    async with sink_of(settings) as sink:
        await sink.start({stream: None for poll in polls for stream in poll})
        for poll in polls:
            await sink.send_poll(poll)  # type: ignore[arg-type]
    return sink.run


def missing(reading: Reading) -> list[int]:
    return [number for lost in reading.lost for number in range(lost.offset, lost.next_offset)]


async def test_everything_arrives_once_and_in_order() -> None:
    settings = transport()
    with Reading(settings, WALLEX, BITCOIN) as reading:
        polls = [
            {WALLEX: ticks(range(start, start + 250)), BITCOIN: posts(range(start, start + 250))}
            for start in range(0, 5000, 250)
        ]
        run = await publish(settings, *polls)
    assert prices(reading.messages) == ids(reading.messages) == list(range(5000))
    assert {message.lane.name for message in reading.messages} == {run}
    assert [message.offset for message in reading.messages if message.lane.topic == "wallex"] == list(range(5000))
    assert reading.lost == []


async def test_without_the_wait_a_slow_joiner_loses_what_came_before_it_and_knows_how_many() -> None:
    settings = transport(wait_for_subscribers=0)
    number = itertools.count(100)
    with ExitStack() as readers:
        async with sink_of(settings) as sink:
            await sink.start([WALLEX])
            await sink.send_poll({WALLEX: ticks(range(100))})
            reading = readers.enter_context(Reading(settings, WALLEX))
            for _ in range(1000):
                await sink.send_poll({WALLEX: ticks([next(number)])})
                await asyncio.sleep(0.01)
                if len(reading.messages) > 10:
                    break
    arrived = prices(reading.messages)
    assert arrived[0] >= 100
    assert missing(reading) + arrived == list(range(next(number)))


async def test_with_the_wait_nothing_is_sent_before_the_subscriber_is_there() -> None:
    settings = transport()
    sending = asyncio.create_task(publish(settings, {WALLEX: ticks(range(100))}))
    await asyncio.sleep(0.5)
    assert not sending.done()
    with Reading(settings, WALLEX) as reading:
        await sending
    assert prices(reading.messages) == list(range(100))
    assert reading.lost == []


async def test_it_waits_for_as_many_subscribers_of_each_topic_as_were_asked_for() -> None:
    settings = transport(wait_for_subscribers=2)
    polls = {WALLEX: ticks(range(10)), BITCOIN: posts(range(10))}
    sending = asyncio.create_task(publish(settings, polls))  # type: ignore[arg-type]
    with Reading(settings, WALLEX, BITCOIN) as one, Reading(settings, WALLEX) as another:
        await asyncio.sleep(0.5)
        assert not sending.done(), "there is one worker only"
        with Reading(settings, BITCOIN) as worker:
            await sending
    assert prices(one.messages) == prices(another.messages) == list(range(10))
    assert sorted(ids(one.messages) + ids(worker.messages)) == list(range(10))


async def test_what_a_consumer_subscribes_to_a_moment_after_its_first_topic_is_waited_for() -> None:
    settings = transport()
    assert settings.zmq is not None
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    consumer = context.socket(zmq.SUB)

    async def gap_at_once() -> None:
        async with sink_of(settings) as sink:
            await sink.start([WALLEX, INGEST_GAPS])
            await sink.send_poll({INGEST_GAPS: [GAP]})

    sending = asyncio.create_task(gap_at_once())
    await asyncio.sleep(0.05)
    consumer.setsockopt(zmq.SUBSCRIBE, subscription("wallex"))
    consumer.connect(settings.zmq.ticks)
    await asyncio.sleep(0.05)
    consumer.setsockopt(zmq.SUBSCRIBE, subscription("ingest_gaps"))
    await sending
    taken = []
    while await asyncio.to_thread(consumer.poll, 500):
        taken.append(unpack(consumer.recv_multipart()))
    consumer.close(0)
    context.term()
    assert [one.value for one in taken if one.kind is Kind.RECORD] == [encode(GAP)]


async def test_a_generator_that_nobody_listens_to_says_which_topics_and_ends() -> None:
    settings = transport(wait_for_subscribers_seconds=0.3)
    with (
        Reading(settings, WALLEX) as reading,
        pytest.raises(
            BrokerError, match=r"expected 1 consumers of each topic within 0.3 s, found fewer of coin_market_cap:"
        ),
    ):
        try:
            await publish(settings, {WALLEX: [], COIN_MARKET_CAP: []})
        finally:
            reading.stop()


async def test_a_topic_that_was_not_asked_for_is_not_delivered() -> None:
    settings = transport()
    with Reading(settings, WALLEX) as reading, Reading(settings, INGEST_GAPS) as other:
        await publish(settings, {WALLEX: ticks(range(50))})
    assert prices(reading.messages) == list(range(50))
    assert other.messages == []


async def test_a_slow_subscriber_holds_up_nobody_and_sees_exactly_what_it_lost() -> None:
    settings = transport(wait_for_subscribers=2, zmq_high_water_mark=200, zmq_linger_seconds=20)
    asleep, count = threading.Event(), 40_000
    with Reading(settings, WALLEX) as quick, Reading(settings, WALLEX, nap=asleep.is_set) as slow:
        async with sink_of(settings) as sink:
            await sink.start([WALLEX])
            asleep.set()
            for start in range(0, count, 25):
                await sink.send_poll({WALLEX: ticks(range(start, start + 25))})
                # Never near the mark: what was read is told to the publisher a hundred at a time.
                await asyncio.to_thread(quick.wait_for, start)
            asleep.clear()
    assert prices(quick.messages) == list(range(count))
    assert quick.lost == []
    arrived = prices(slow.messages)
    assert sorted(arrived + missing(slow)) == list(range(count))
    assert arrived == sorted(arrived)
    assert len(missing(slow)) > count / 4


async def test_workers_share_posts_and_each_post_is_given_to_one() -> None:
    settings = transport(wait_for_subscribers=3)
    with Reading(settings, BITCOIN) as one, Reading(settings, BITCOIN) as two, Reading(settings, BITCOIN) as three:
        await publish(settings, *[{BITCOIN: posts(range(start, start + 100))} for start in range(0, 3000, 100)])
    shares = [ids(worker.messages) for worker in (one, two, three)]
    assert Counter(itertools.chain(*shares)) == Counter(range(3000))
    assert min(map(len, shares)) > 500
    assert one.lost == two.lost == three.lost == []


async def test_work_that_no_worker_takes_is_undelivered_and_says_how_much() -> None:
    settings = transport(wait_for_subscribers=0, zmq_delivery_seconds=0.3)
    with ExitStack() as readers:
        async with sink_of(settings) as sink:
            await sink.start([BITCOIN])
            with pytest.raises(UndeliveredError, match=r"took 7 of 7 records within 0\.3 s") as refused:
                await sink.send_poll({BITCOIN: posts(range(7))})
            assert (refused.value.count, sink.in_flight) == (7, 0)
            reading = readers.enter_context(Reading(settings, BITCOIN))
            await sink.send_poll({BITCOIN: posts(range(7))})
            await asyncio.to_thread(reading.wait_for, 7)
            reading.stop()
    assert ids(reading.messages) == list(range(7))
    assert [message.offset for message in reading.messages] == list(range(7)), "what was not taken has no number"


async def test_what_comes_while_a_consumer_is_away_is_lost_and_on_record_by_its_position() -> None:
    settings = transport()
    async with sink_of(settings) as sink:
        feed = ZmqFeed(settings, [WALLEX])
        feed.start({})
        await sink.start([WALLEX])
        await sink.send_poll({WALLEX: ticks(range(10))})
        taken = [message for _ in range(10) for message in feed.take(0.05)]
        feed.close()
        position = {taken[-1].lane: taken[-1].offset + 1}
        await asyncio.sleep(0.1)
        await sink.send_poll({WALLEX: ticks(range(10, 40))})
        again = ZmqFeed(settings, [WALLEX])
        again.start(position)
        deadline = time.monotonic() + 10
        while not (lost := again.losses()) and time.monotonic() < deadline:
            await asyncio.to_thread(again.take, 0.1)
        again.close()
    assert [(one.offset, one.next_offset) for one in lost] == [(10, 40)]


async def test_an_address_that_is_taken_is_an_error_that_names_it() -> None:
    settings = transport(wait_for_subscribers=0)
    async with sink_of(settings) as first:
        await first.start([WALLEX])
        async with sink_of(settings) as second:
            with pytest.raises(
                StackError, match=rf"{settings.transport}: expected .* free, found: Address already in use"
            ):
                await second.start([WALLEX])


async def test_an_end_that_a_subscriber_does_not_take_is_an_error() -> None:
    settings, asleep = transport(zmq_linger_seconds=0.5), threading.Event()
    with Reading(settings, WALLEX, nap=asleep.is_set) as reading:
        with pytest.raises(UndeliveredError, match=r"within 0\.5 s after the end, found that at least one has not"):
            async with sink_of(settings) as sink:
                await sink.start([WALLEX])
                asleep.set()
                await asyncio.sleep(0.2)
                await sink.send_poll({WALLEX: ticks(range(10))})
        reading.stop()


async def test_memory_is_bounded_by_the_high_water_mark() -> None:
    settings, asleep = transport(zmq_high_water_mark=500, zmq_linger_seconds=0.2), threading.Event()
    batch = ticks(range(500))
    size = len(json.dumps(str(batch)))
    grown: dict[int, int] = {}
    with Reading(settings, WALLEX, nap=asleep.is_set) as reading:
        with suppress(UndeliveredError):  # nobody reads, up to the end
            async with sink_of(settings) as sink:
                await sink.start([WALLEX])
                asleep.set()
                for count in range(1, 301):
                    await sink.send_poll({WALLEX: batch})
                    if count in (100, 300):
                        grown[count] = psutil.Process().memory_info().rss
        reading.stop()
    assert grown[300] - grown[100] < 20 * size, "100,000 further messages wait nowhere"
