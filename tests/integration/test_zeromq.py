"""The sink and the feed over real sockets on loopback: what arrives, what is lost, and that a loss is seen."""

import asyncio
import itertools
import threading
import time
from contextlib import ExitStack

import pytest
import zmq

from contracts.errors import BrokerError
from contracts.frames import Kind, subscription, unpack
from contracts.records import encode
from contracts.streams import BITCOIN, COIN_MARKET_CAP, INGEST_GAPS, WALLEX
from serve.export.zmq_feed import ZmqFeed
from tests.integration.zmq_posts_and_ticks import (
    Reading,
    ids,
    missing,
    posts,
    prices,
    publish,
    sink_of,
    ticks,
    transport,
)
from tests.unit.ingest.fakes import NOON, gap

GAP = gap(NOON, written=NOON)


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
        deadline = time.monotonic() + 240
        while not (lost := again.losses()) and time.monotonic() < deadline:
            await asyncio.to_thread(again.take, 0.1)
        again.close()
    assert [(one.offset, one.next_offset) for one in lost] == [(10, 40)]
