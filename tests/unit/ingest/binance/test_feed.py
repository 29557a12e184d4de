"""The whole feed against a venue that speaks its protocol: what is emitted equals the truth, each hole is on record."""

import asyncio
import datetime as dt
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import FatalSourceError
from contracts.records import Gap, Kline, Record, Rejected
from ingest.clock import Clock
from ingest.sources.binance.connection import Patience
from ingest.sources.binance.feed import Pace, build_agg_trades, build_klines
from tests.unit.ingest.binance.stage import (
    Venue,
    follow,
    ids,
    minutes,
    newest_gaps,
    on_record,
    pushes,
    running,
    settled,
    told,
)
from tests.unit.ingest.binance.venue import kline_push, kline_row, ms, trade_push
from tests.unit.ingest.fakes import answer, at


async def test_a_kline_that_was_not_pushed_is_filled_over_rest_and_on_record() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(1), kline_push(4)))
    venue.rest.has_minutes(*range(6))
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(5))
    assert sorted(minutes(found)) == [0, 1, 2, 3, 4]
    gaps = [gap for gap in found if isinstance(gap, Gap)]
    assert [told(gap) for gap in gaps] == [(2, 4, True, False), (2, 4, True, True)]
    assert {(gap.venue, gap.symbol, gap.stream, gap.cause, gap.missed) for gap in gaps} == {
        ("binance", "BTCUSDT", "crypto_kline_data", "a push did not arrive", 2)
    }
    refilled = next(r for r in found if isinstance(r, Kline) and r.open_time == at(120))
    assert (refilled.event_time, refilled.closed) == (at(180) - dt.timedelta(milliseconds=1), True)


async def test_a_late_frame_closes_its_hole_before_rest_is_asked() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(2), kline_push(1), kline_push(3)))
    async with running(venue, build_klines) as feed:
        feed._pace = Pace(reorder_seconds=1, tick_seconds=0.01)
        found = await follow(feed, settled(4))
    assert minutes(found) == [0, 2, 1, 3]
    assert newest_gaps(found) == []
    assert [path for path, _ in venue.rest.requests] == ["exchangeInfo"]


async def test_an_answer_that_is_behind_its_date_gives_no_half_made_kline() -> None:
    half_made = kline_row(ms(at(120)), price="1.20")
    venue = Venue(pushes(kline_push(0), kline_push(4)))
    venue.rest.has_minutes(*range(6))
    venue.rest.instead["klines"] = [answer([kline_row(ms(at(60))), half_made], date=at(100_000))]
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(5))
    assert sorted(minutes(found)) == [0, 1, 2, 3, 4]
    assert {str(record.close) for record in found if isinstance(record, Kline)} == {"1.50"}
    assert [told(gap) for gap in newest_gaps(found)] == [(1, 4, True, True)]
    asked = [params["startTime"] for path, params in venue.rest.requests if path == "klines"]
    assert asked == [str(ms(at(60))), str(ms(at(120)))]


async def test_a_hole_is_asked_for_again_when_rest_is_back_after_a_long_outage() -> None:
    hurried = Clock(monotonic=lambda: time.monotonic() * 200, sleep=lambda seconds: asyncio.sleep(seconds / 200))
    venue = Venue(pushes(kline_push(0), kline_push(3)))
    venue.rest.has_minutes(*range(5))
    down = answer({}, status=503)
    venue.rest.instead["klines"] = [down] * 8
    async with running(venue, build_klines, clock=hurried, patience=Patience(10_000)) as feed:
        found = await follow(feed, settled(4))
    assert sorted(minutes(found)) == [0, 1, 2, 3]
    states = [(told(gap), "expected status 200, found 503" in gap.cause) for gap in found if isinstance(gap, Gap)]
    assert states == [
        ((1, 3, True, False), False),
        ((1, 3, True, False), True),
        ((1, 3, True, False), False),
        ((1, 3, True, True), False),
    ]


async def test_a_halt_is_on_record_with_its_exact_times_and_no_kline_is_invented() -> None:
    venue = Venue(pushes(kline_push(39), kline_push(120, closed=False, after=2)))
    venue.rest.has_minutes(39, 120, 121)
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(1, gaps=1))
        assert feed.whole
    [gap] = newest_gaps(found)
    assert told(gap) == (40, 120, False, False)
    assert gap.cause == "the venue has nothing for this time (a halt): there is nothing to refill"
    assert minutes(found) == [39]


async def test_a_hole_that_is_partly_a_halt_is_told_in_parts() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(9)))
    venue.rest.has_minutes(0, 1, 2, 7, 8, 9, 10)
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(6, gaps=3))
    assert sorted(minutes(found)) == [0, 1, 2, 7, 8, 9]
    assert [told(gap) for gap in newest_gaps(found)] == [(1, 3, True, True), (3, 7, False, False), (7, 9, True, True)]


async def test_what_is_older_than_the_limit_is_left_to_backfill_and_the_rest_is_filled() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(180)))
    venue.rest.has_minutes(*range(182))
    async with running(venue, build_klines, binance_refill_hours=1) as feed:
        found = await follow(
            feed, lambda found: len(minutes(found)) >= 61 and newest_gaps(found)[-1].repaired_at is not None
        )
    old, young = newest_gaps(found)
    assert told(old)[2:] == (True, False)
    assert old.cause.endswith('fill it with "coinlake backfill"')
    assert told(young)[2:] == (True, True)
    assert (old.from_time, young.to_time) == (at(60), at(180 * 60))
    assert old.to_time == young.from_time == at(121 * 60)
    assert sorted(minutes(found)) == [0, *range(121, 181)]


async def test_a_lost_connection_is_filled_up_and_names_its_cause() -> None:
    venue = Venue(
        pushes(kline_push(0), kline_push(1, closed=False, after=4), then="abort"),
        pushes(kline_push(3, closed=False, after=2), kline_push(3)),
    )
    venue.rest.has_minutes(*range(5))
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(4))
    assert sorted(minutes(found)) == [0, 1, 2, 3]
    [gap] = newest_gaps(found)
    assert told(gap) == (1, 3, True, True)
    assert "expected pushes, found a closed connection" in gap.cause


async def test_trades_are_filled_by_id_and_a_hole_stands_between_the_trades_around_it() -> None:
    venue = Venue(pushes(*[trade_push(number) for number in (10, 11, 15, 13, 11, 16)]))
    venue.rest.has_trades(*range(1, 17))
    async with running(venue, build_agg_trades) as feed:
        found = await follow(
            feed, lambda found: len(ids(found)) >= 7 and all(gap.repaired_at for gap in newest_gaps(found))
        )
    assert sorted(ids(found)) == list(range(10, 17))
    assert [(gap.from_time, gap.to_time, gap.missed) for gap in newest_gaps(found)] == [
        (at(1.1), at(1.3), 1),
        (at(1.3), at(1.5), 1),
    ]


async def test_an_update_that_is_older_than_another_or_than_the_closed_kline_is_not_emitted() -> None:
    def update(after: float) -> dict[str, Any]:
        return kline_push(0, closed=False, after=after)

    frames = [update(2), update(6), update(4), update(6), kline_push(0), update(8), kline_push(0), kline_push(1)]
    venue = Venue(pushes(*frames))
    async with running(venue, build_klines) as feed:
        found = [r for r in await follow(feed, settled(2)) if isinstance(r, Kline)]
    assert [(kline.event_time, kline.closed) for kline in found] == [
        (at(2), False),
        (at(6), False),
        (at(60), True),
        (at(120), True),
    ]


async def test_a_frame_that_is_no_record_is_rejected_and_its_kline_filled() -> None:
    venue = Venue(pushes(kline_push(0), kline_push(1, o="NaN"), kline_push(2)))
    venue.rest.has_minutes(0, 1, 2)
    async with running(venue, build_klines) as feed:
        found = await follow(feed, settled(3))
    assert [r.reason for r in found if isinstance(r, Rejected)] == ["open: expected a finite number, found NaN"]
    assert sorted(minutes(found)) == [0, 1, 2]


async def test_a_symbol_that_is_not_listed_ends_the_feed_and_names_the_setting() -> None:
    async with running(Venue(pushes()), build_klines, binance_symbols=("NOSUCH",)) as feed:
        with pytest.raises(FatalSourceError, match=r"code -1121\): check COINLAKE_BINANCE_SYMBOLS"):
            async for _ in feed.records():
                pass


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_is_dropped_doubled_or_reordered_the_closed_klines_equal_the_truth(data: st.DataObject) -> None:
    truth = data.draw(st.sets(st.integers(1, 28)), label="minutes the venue has") | {0, 29, 30}
    kept = [m for m in sorted(truth) if m in {0, 30} or data.draw(st.booleans())]
    shuffled = [0, *data.draw(st.permutations([*kept[1:-1], *kept[1:-1:3]])), 30]
    cut = data.draw(st.integers(1, len(shuffled)), label="the connection is lost before")
    first = pushes(*map(kline_push, shuffled[:cut]), then="abort")
    venue = Venue(first, pushes(*map(kline_push, shuffled[cut:] or [30])))
    venue.rest.has_minutes(*truth)

    def accounted_for(found: list[Record]) -> bool:
        known = {minute for minute in minutes(found) if minute in shuffled} | set(on_record(found))
        return settled(len(truth))(found) and known == set(range(31))

    async def emitted() -> Sequence[Record]:
        async with running(venue, build_klines) as feed:
            return await follow(feed, accounted_for)

    found = asyncio.run(emitted())
    assert sorted(minutes(found)) == sorted(truth)
    for minute, gap in on_record(found).items():
        assert gap.recoverable == (minute in truth)
        assert (gap.repaired_at is not None) == (minute in truth)
