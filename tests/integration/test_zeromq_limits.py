"""Work that is shared or not taken, an address that is taken, an end that is not heard, and bounded memory."""

import asyncio
import itertools
import json
import threading
from collections import Counter
from contextlib import ExitStack, suppress

import psutil
import pytest

from contracts.errors import StackError, UndeliveredError
from contracts.streams import BITCOIN, WALLEX
from tests.integration.zmq_posts_and_ticks import (
    Reading,
    ids,
    posts,
    publish,
    sink_of,
    ticks,
    transport,
)


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
