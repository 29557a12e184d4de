"""Holes as the follower counts them, of both kinds of feed: each once, whether it is filled or stays."""

import asyncio
from collections.abc import Callable, Sequence

from contracts.records import Gap, Record
from ingest.clock import Clock
from ingest.follow import Follower
from ingest.metrics import Metrics
from ingest.source import PushedSource
from ingest.sources.binance.feed import build_klines
from tests.unit.ingest.binance import stage
from tests.unit.ingest.binance.test_liquidations import beat, kept, listening, pushes
from tests.unit.ingest.binance.venue import kline_push
from tests.unit.ingest.fakes import FakeTail, ListSink


async def counted(
    feed: PushedSource, done: Callable[[Sequence[Gap]], bool], records: Sequence[Record] = ()
) -> tuple[float | None, list[Gap]]:
    """Follow a feed until its Gaps are as they should be; return how many holes were counted, and the Gaps."""
    sink, stop, metrics = ListSink(), asyncio.Event(), Metrics([feed.name], lambda: 0.0)
    clock = Clock(sleep=lambda seconds: asyncio.sleep(min(seconds, 0.01)))
    follower = Follower(feed, sink, metrics, clock, stop=stop, drain_seconds=5)
    await follower.resume(FakeTail(records=records))
    run = asyncio.create_task(follower.run(None))
    for _ in range(300):
        if done(sink.gaps):
            break
        await asyncio.sleep(0.01)
    stop.set()
    await run
    assert done(sink.gaps)
    return metrics.registry.get_sample_value("coinlake_ingest_gaps_total", {"venue": feed.name}), sink.gaps


async def test_a_hole_of_klines_that_is_filled_is_counted_as_it_opens() -> None:
    venue = stage.Venue(stage.pushes(kline_push(0), then="abort"), stage.pushes(kline_push(4)))
    venue.rest.has_minutes(*range(6))
    async with stage.running(venue, build_klines) as feed:
        count, gaps = await counted(feed, lambda gaps: any(gap.repaired_at for gap in gaps))
    assert [stage.told(gap) for gap in gaps] == [(1, 4, True, False), (1, 4, True, True)]
    assert count == 1


async def test_a_hole_of_liquidations_after_one_lost_connection_is_counted() -> None:
    async with listening(stage.Venue(pushes(beat(30), then="abort"), pushes(beat(60)))) as feed:
        count, gaps = await counted(feed, lambda gaps: len(gaps) == 1)
    assert (count, gaps[0].recoverable) == (1, False)


async def test_a_hole_of_liquidations_since_the_run_before_is_counted() -> None:
    async with listening(stage.Venue(pushes(beat(60)))) as feed:
        count, gaps = await counted(feed, lambda gaps: len(gaps) == 1, [kept(10)])
    assert (count, gaps[0].cause) == (1, "generator was not running")
