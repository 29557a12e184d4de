"""A feed that goes on where another ended: from the topic, from the holes on record, and without listening."""

import contextlib
import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pytest

from contracts.records import AggTrade, Gap, Kline, Record, Rejected
from ingest.sources.binance.feed import Pace, build_agg_trades, build_klines
from ingest.sources.binance.parse import Receipt, parse_agg_trade_row, parse_kline_row
from ingest.sources.binance.refill import PAGES_WAITING
from ingest.wire_json import load
from tests.unit.ingest.binance.stage import (
    LISTED,
    Venue,
    follow,
    ids,
    minutes,
    newest_gaps,
    pushes,
    running,
    settled,
    told,
)
from tests.unit.ingest.binance.venue import kline_push, kline_row, ms, trade, trade_push
from tests.unit.ingest.fakes import NOON, at


async def test_a_restart_takes_up_from_the_topic_and_finds_the_hole_within_it() -> None:
    first = Venue(pushes(kline_push(0), kline_push(1), kline_push(2), kline_push(4)))
    async with running(first, build_klines) as feed:
        before = [r for r in await follow(feed, lambda found: len(minutes(found)) == 4) if isinstance(r, Kline)]
    second = Venue(pushes(kline_push(7)))
    second.rest.has_minutes(*range(9))
    async with running(second, build_klines) as feed:
        feed.resume([kline for kline in before if kline.open_time != at(60)], [])
        assert feed.newest == at(300)
        found = await follow(feed, settled(5))
    assert sorted(minutes(found)) == [1, 3, 5, 6, 7]
    assert [(told(gap), gap.cause) for gap in newest_gaps(found)] == [
        ((1, 2, True, True), "generator was not running"),
        ((3, 4, True, True), "generator was not running"),
        ((5, 7, True, True), "generator was not running"),
    ]


def left_open(since: float, to: float, **fields: Any) -> Gap:
    """Build the Gap of a hole that an earlier run left on record, in seconds after noon."""
    said = {"venue": "binance", "symbol": "BTCUSDT", "stream": "crypto_kline_data", "cause": "as it was found"}
    times = {"event_time": at(since), "ingest_time": NOON, "from_time": at(since), "to_time": at(to)}
    return Gap(**{**said, **times, "recoverable": True, **fields})


def closed(*numbers: int) -> list[Record]:
    known = Receipt(at(100_000), dt.timedelta(days=1))
    rows = (load(json.dumps(kline_row(ms(at(60 * number))))) for number in numbers)
    klines: list[Record] = [parse_kline_row(row, LISTED, "1m", known) for row in rows]
    assert not any(isinstance(kline, Rejected) for kline in klines)
    return klines


async def test_a_restart_takes_up_holes_on_record_that_lie_before_the_end_of_the_topic() -> None:
    venue = Venue(pushes(kline_push(12)))
    venue.rest.has_minutes(*range(14))
    async with running(venue, build_klines) as feed:
        too_old = left_open(-30 * 3600, -29 * 3600)
        feed.resume(closed(10, 11), [too_old, left_open(120, 300), left_open(480, 540, repaired_at=NOON)])
        found = await follow(feed, settled(4))
    assert sorted(minutes(found)) == [2, 3, 4, 12]
    assert [(told(gap), gap.cause) for gap in newest_gaps(found)] == [((2, 5, True, True), "as it was found")]


async def test_a_restart_tells_of_a_hole_that_is_filled_though_the_record_does_not_say_so() -> None:
    venue = Venue(pushes(kline_push(12)))
    venue.rest.has_minutes(*range(14))
    async with running(venue, build_klines) as feed:
        feed.resume(closed(0, 1, 2, 3, 5, 6, *range(9, 12)), [left_open(120, 240), left_open(300, 540)])
        found = await follow(feed, settled(4, gaps=4))
    assert sorted(minutes(found)) == [4, 7, 8, 12]
    assert [told(gap) for gap in newest_gaps(found)] == [
        (2, 4, True, True),
        (4, 5, True, True),
        (5, 7, True, True),
        (7, 9, True, True),
    ]


async def test_a_restart_without_any_record_of_a_symbol_goes_on_from_its_hole_on_record() -> None:
    venue = Venue(pushes(kline_push(6)))
    venue.rest.has_minutes(*range(8))
    async with running(venue, build_klines) as feed:
        feed._pace = Pace(reorder_seconds=0.2, tick_seconds=0.01)
        feed.resume([], [left_open(120, 240)])
        found = await follow(feed, settled(5))
    assert sorted(minutes(found)) == [2, 3, 4, 5, 6]


async def test_a_restart_leaves_a_halt_on_record_as_it_is() -> None:
    venue = Venue(pushes(kline_push(10)))
    venue.rest.has_minutes(0, 9, 10, 11)
    async with running(venue, build_klines) as feed:
        feed._pace = Pace(reorder_seconds=0.2, tick_seconds=0.01)
        feed.resume(closed(0, 9), [left_open(60, 540, recoverable=False)])
        found = await follow(feed, settled(1))
        assert feed.whole
    assert (minutes(found), newest_gaps(found)) == ([10], [])


async def test_a_restart_takes_up_a_hole_in_trades_between_the_trades_that_its_gap_names() -> None:
    venue = Venue(pushes(trade_push(31)))
    venue.rest.has_trades(*range(1, 32))
    known = Receipt(at(100_000), dt.timedelta(days=1))
    before = [parse_agg_trade_row(load(json.dumps(trade(number))), LISTED, known) for number in (29, 30)]
    gap = left_open(1.2, 1.7, stream="binance_agg_trades")
    async with running(venue, build_agg_trades) as feed:
        feed.resume(before, [gap])
        found = await follow(
            feed,
            lambda found: len(ids(found)) >= 6 and all(gap.repaired_at for gap in newest_gaps(found)),
        )
    assert sorted(ids(found)) == [13, 14, 15, 16, 17, 31]
    assert [(gap.from_time, gap.repaired_at is not None) for gap in newest_gaps(found)] == [(at(1.2), True)]


async def test_a_restart_closes_each_of_two_gaps_on_record_of_which_one_reaches_into_the_other() -> None:
    venue = Venue(pushes(trade_push(31)))
    venue.rest.has_trades(*range(1, 32))
    known = Receipt(at(100_000), dt.timedelta(days=1))
    before = [parse_agg_trade_row(load(json.dumps(trade(number))), LISTED, known) for number in (29, 30)]
    # As trades of one millisecond may follow its end, 12 more than lie within the first one are taken to be missing.
    gaps = [
        left_open(1.2, 1.7, stream="binance_agg_trades", missed=12),
        left_open(1.8, 2.3, stream="binance_agg_trades", missed=4),
    ]
    async with running(venue, build_agg_trades) as feed:
        feed.resume(before, gaps)
        found = await follow(
            feed,
            lambda found: len(ids(found)) >= 6 and {at(1.2), at(1.8)} <= {g.from_time for g in repaired(found)},
        )
    assert {13, 14, 15, 16, 19, 20, 21, 22} <= set(ids(found))
    assert [gap.from_time for gap in newest_gaps(found)] == [at(1.2), at(1.8)]


def repaired(found: Sequence[Record]) -> list[Gap]:
    return [gap for gap in newest_gaps(found) if gap.repaired_at is not None]


async def test_catching_up_passes_rows_on_as_they_come() -> None:
    venue = Venue(pushes())
    venue.rest.has_trades(*range(1, 20_001))
    known = Receipt(at(100_000), dt.timedelta(days=1))
    first = parse_agg_trade_row(load(json.dumps(trade(1))), LISTED, known)
    async with running(venue, build_agg_trades) as feed:
        feed.resume([first], [])
        async with contextlib.aclosing(feed.catch_up()) as records:
            async for record in records:
                if isinstance(record, AggTrade):
                    break
        assert sum(path == "aggTrades" for path, _ in venue.rest.requests) <= PAGES_WAITING + 3


async def test_catching_up_fills_what_was_missed_and_starts_with_the_newest_where_nothing_is_known() -> None:
    venue = Venue(pushes())
    venue.rest.has_minutes(*range(11))
    async with running(venue, build_klines) as feed:
        fresh = [record async for record in feed.catch_up()]
    assert (minutes(fresh), newest_gaps(fresh)) == ([9], [])
    venue.rest.has_minutes(*range(16))
    async with running(venue, build_klines) as feed:
        feed.resume(fresh, [])
        later = [record async for record in feed.catch_up()]
    assert minutes(later) == [10, 11, 12, 13, 14]
    assert [told(gap) for gap in newest_gaps(later)] == [(10, 15, True, True)]
    assert venue.connections == []


@pytest.mark.parametrize(
    ("last", "standing"), [(8, [(0, 8, True)]), (4, [(0, 4, True), (4, 4, False)])], ids=["whole", "in part"]
)
async def test_a_refill_that_is_broken_off_leaves_on_record_how_far_it_came(
    last: int, standing: list[tuple[int, int, bool]]
) -> None:
    venue = Venue(pushes(trade_push(0), trade_push(9)))
    venue.rest.has_trades(*range(10))
    async with running(venue, build_agg_trades) as feed:
        records = feed.records()
        async for record in records:
            if isinstance(record, AggTrade) and record.agg_trade_id == last:
                break
        await records.aclose()
        gaps = list(feed.settle())
        assert list(feed.settle()) == []
    time_of = {number: trade_push(number)["T"] for number in range(10)}
    assert [(gap.from_time, gap.missed, gap.repaired_at is not None) for gap in gaps] == [
        (dt.datetime.fromtimestamp(time_of[before] / 1000, dt.UTC), missed, filled)
        for before, missed, filled in standing
    ]
