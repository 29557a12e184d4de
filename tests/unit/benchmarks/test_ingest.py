"""Payload to acknowledged: what is measured, against a sink that takes its time."""

import asyncio
from collections.abc import Sequence

import pytest

from benchmarks.ingest import IN_FLIGHT, Payload, flat_out, paced, payloads
from contracts.records import CoinQuote, MarketTicker, Record
from ingest.sink import Poll

BODIES: Sequence[Payload] = payloads(minutes=1)
QUOTES, TICKERS = (len(payload.records()) for payload in BODIES)


class SlowSink:
    """Acknowledges every poll after a while and remembers how many were in flight at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.in_flight = 0
        self.most_in_flight = 0
        self.sent: list[Record] = []

    async def send_poll(self, poll: Poll) -> None:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(self._seconds)
        self.sent += [record for records in poll.values() for record in records]
        self.in_flight -= 1


def test_payloads_are_bodies_of_both_venues_and_parse_to_records_alone() -> None:
    records = [record for payload in BODIES for record in payload.records()]
    assert {type(record) for record in records} == {CoinQuote, MarketTicker}
    assert QUOTES >= 100
    assert TICKERS >= 130


async def test_everything_sent_flat_out_is_counted_and_no_more_polls_are_in_flight_than_allowed() -> None:
    sink = SlowSink(0.05)
    found = await flat_out(sink, BODIES, 0.5)
    assert found.records == len(sink.sent) > 0
    assert found.records_per_second == pytest.approx(found.records / found.seconds)
    assert sink.in_flight == 0
    assert sink.most_in_flight <= IN_FLIGHT
    assert found.acknowledged_p50_ms >= 50


async def test_paced_sending_keeps_its_pace_and_waits_for_the_last_acknowledgement() -> None:
    sink = SlowSink(0.01)
    found = await paced(sink, BODIES, seconds=0.4, pace=1000)
    # Polls are due after 0, 0.112 (quotes / 1000), 0.112 + 0.137, ... s; the last before 0.4 s.
    due, polls = 0.0, 0
    while due < 0.4:
        due += (QUOTES, TICKERS)[polls % 2] / 1000
        polls += 1
    assert found.polls == polls
    assert found.records == len(sink.sent)
    assert 10 <= found.acknowledged_p50_ms <= found.acknowledged_p99_ms
