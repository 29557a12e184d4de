"""Liquidations of a generated market, pushed each with a delay of its own, over connections that are lost."""

import asyncio
import datetime as dt

import aiohttp
import pytest

from contracts.records import Gap, Liquidation
from contracts.settings import IngestSettings
from contracts.streams import ALT_LIQUIDATIONS
from ingest.clock import Clock
from ingest.follow import Follower
from ingest.metrics import Metrics
from ingest.source import Surroundings
from ingest.sources.binance.liquidations import LiquidationFeed
from ingest.web_socket import connector
from ingest.weight import WeightBudget
from simulator.binance.liquidations_generated import GeneratedOrders
from simulator.binance.streams import StreamRules
from simulator.config import SimulatorConfig
from simulator.market import Market
from simulator.server import running
from tests.unit.ingest.fakes import FakeHttp, FakeTail, ListSink

BEGIN = dt.datetime(2025, 12, 27, 14, tzinfo=dt.UTC)
END = BEGIN + dt.timedelta(minutes=12)
SPEED = 120
A_MINUTE = 600
LATEST_MS = 1_012
"""How long after its trade an order is pushed at the latest."""
LATE_MS = 2_000
"""What docs/sources.md says a Gap begins and ends too early and too late."""

Key = tuple[int, str, str]


def ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def pushed(until: int) -> tuple[set[Key], list[int]]:
    """Return the orders that the market's venue pushes, and how long after its trade each is."""
    frames = [(at, frame["o"]) for at, frame in GeneratedOrders(Market(1), A_MINUTE).between(ms(BEGIN), until)]
    orders = [(at - order["T"], order) for at, order in frames if isinstance(order, dict)]
    keys = {(o["T"], o["s"], "long" if o["S"] == "SELL" else "short") for _, o in orders}
    return keys, [delay for delay, _ in orders]


def edges_passed(came: list[Key], spans: list[tuple[int, int]]) -> list[int]:
    """Return of each order that came though it is in a Gap how far it is from the nearer end: no Gap is too long."""
    return [min(key[0] - since, to - key[0]) for key in came for since, to in spans if since < key[0] < to]


async def reached(feed: LiquidationFeed, *, seconds: float = 30) -> int:
    """Wait until all up to the end has come or is in a Gap; return up to when that is so."""
    for _ in range(round(seconds / 0.02)):
        if feed.whole and feed.newest is not None and feed.newest >= END:
            return ms(feed.newest)
        await asyncio.sleep(0.02)
    pytest.fail(f"expected to hear of {END} within {seconds:g} s, found {feed.newest}")


async def followed(sink: ListSink) -> tuple[int, float | None]:
    """Follow the market to its end; return up to when all has come or is in a Gap, and the holes that were counted."""
    rules = StreamRules(seed=3, disconnect=0.006, double=0.05)
    config = SimulatorConfig(begin=BEGIN, speed=SPEED, liquidations_a_minute=A_MINUTE, streams=rules)
    async with running(config) as server, aiohttp.ClientSession() as session:
        url = server.url("binance_futures").replace("http", "ws", 1)
        clock = Clock(sleep=lambda seconds: asyncio.sleep(min(seconds, 0.05)))
        around = Surroundings(
            http=FakeHttp(),
            now=clock.now,
            max_ahead=dt.timedelta(seconds=60),
            count_stale=lambda *_: None,
            clock=clock,
            connect=connector(session, timeout_seconds=5),
            weight=WeightBudget(3000, clock.monotonic),
            attempts=WeightBudget(10_000, clock.monotonic),
            x_requests=WeightBudget(450, clock.monotonic),
        )
        feed = LiquidationFeed(IngestSettings(_env_file=None, binance_futures_stream_url=url), around)
        stop, metrics = asyncio.Event(), Metrics([feed.name], clock.monotonic)
        follower = Follower(feed, sink, metrics, clock, stop=stop, drain_seconds=5)
        await follower.resume(FakeTail())
        run = asyncio.create_task(follower.run(None))
        sure = await reached(feed)
        stop.set()
        await run
    return sure, metrics.registry.get_sample_value("coinlake_ingest_gaps_total", {"venue": feed.name})


async def test_each_order_is_there_once_or_in_a_gap_and_each_gap_is_counted_once() -> None:
    sink = ListSink()
    sure, counted = await followed(sink)
    came = [(ms(r.event_time), r.symbol, r.side) for r in sink.records(ALT_LIQUIDATIONS) if isinstance(r, Liquidation)]
    first = min(moment for moment, _, _ in came)
    all_of_it, delays = pushed(sure + LATEST_MS)
    assert (min(delays) < 100, max(delays)) == (True, 1_005)
    assert len(came) == len(set(came))
    assert set(came) <= pushed(sure + 60_000)[0]
    gaps = {gap.from_time: gap for gap in sink.gaps if isinstance(gap, Gap) and gap.to_time is not None}
    spans = [(ms(gap.from_time), ms(gap.to_time)) for gap in gaps.values() if gap.to_time is not None]
    missing = {key for key in all_of_it - set(came) if first + LATEST_MS < key[0] <= sure}
    assert len(spans) > 5
    assert len(missing) > 100
    assert [key for key in missing if not any(since < key[0] < to for since, to in spans)] == []
    assert [edge for edge in edges_passed(came, spans) if edge > 2 * LATE_MS] == []
    assert counted == len(gaps)
