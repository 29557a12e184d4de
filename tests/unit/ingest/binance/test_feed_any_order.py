"""Whatever comes in whatever order, over restarts and kills: what was not pushed lies in a Gap, and nothing is doubled.

A feed is driven arrival by arrival, with no socket and no waiting, by what a seed draws.
"""

import asyncio
import datetime as dt
import json
import random
from collections.abc import Iterable

import pytest

from contracts.errors import TransientSourceError
from contracts.records import AggTrade, Gap, Record
from contracts.settings import IngestSettings
from ingest.sources.binance.connection import Frame
from ingest.sources.binance.continuity import Hole
from ingest.sources.binance.feed import Feed, build_agg_trades
from ingest.sources.binance.parse import Receipt, parse_agg_trade_row
from ingest.sources.binance.refill import Probed, Recalled, Refilled
from ingest.sources.binance.tracks import Track
from ingest.wire_json import load
from tests.unit.ingest.binance.stage import LISTED, TRADES
from tests.unit.ingest.binance.venue import FakeBinance, trade, trade_push
from tests.unit.ingest.fakes import NOON, FakeTime, at, surroundings

TRADES_OF_A_RUN = 60


class Refills:
    """Takes holes as the refiller does, and keeps them, each with the number that is to be answered next."""

    def __init__(self) -> None:
        self.asked: list[tuple[Track, Hole, int]] = []

    def ask(self, track: Track, hole: Hole, cutoff: dt.datetime) -> None:
        self.asked.append((track, hole, hole.first))

    def taken(self) -> None:
        """Nobody waits for room."""


class Topics:
    """What is on record: the trades, and each Gap as it stands."""

    def __init__(self) -> None:
        self.trades: list[AggTrade] = []
        self.gaps: dict[dt.datetime, Gap] = {}

    def take(self, records: Iterable[Record]) -> None:
        for record in records:
            if isinstance(record, AggTrade):
                self.trades.append(record)
            else:
                assert isinstance(record, Gap)
                self.gaps[record.from_time] = record


def build(time: FakeTime) -> Feed:
    feed = build_agg_trades(
        IngestSettings(_env_file=None, binance_symbols=("BTCUSDT",)), surroundings(FakeBinance(time), time)
    )
    assert isinstance(feed, Feed)
    asyncio.run(feed.listings.know(["BTCUSDT"]))
    return feed


def record_of(number: int, seconds: float) -> AggTrade:
    receipt = Receipt(NOON + dt.timedelta(hours=1), dt.timedelta(days=1))
    parsed = parse_agg_trade_row(load(json.dumps(trade(number, seconds=seconds))), LISTED, receipt)
    assert isinstance(parsed, AggTrade)
    return parsed


class Market:
    """Trades of which many share a millisecond, some of which are pushed, and feeds that follow them in turn."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.time = FakeTime()
        self.time.seconds = 100_000
        self.topics = Topics()
        self.pushed: set[int] = set()
        self.traded = 0
        self.trades: list[AggTrade] = []
        self.frames: list[Frame] = []
        seconds = 0.0
        for number in range(TRADES_OF_A_RUN):
            self.trades.append(record_of(number, seconds))
            self.frames.append(Frame(TRADES, load(json.dumps(trade_push(number, seconds=seconds)))))
            seconds += self.draw.choice((0, 0, 0.1, 0.3))

    def play(self) -> None:
        """Follow to the last trade, feed after feed."""
        while self.traded < TRADES_OF_A_RUN:
            self._one_feed()
            self._trade()

    def _one_feed(self) -> None:
        feed = build(self.time)
        feed.resume(self.topics.trades, list(self.topics.gaps.values()))
        recalls, feed._on_record = feed._on_record, []
        self._connect(feed)
        refills = Refills()
        for _ in range(self.draw.randrange(5, 25)):
            self.time.seconds += self.draw.choice((0.1, 0.5, 1, 3))
            kinds = ("push", "look", "refill", "recall", "probe", "lose")
            match self.draw.choices(kinds, (8, 4, 4, 2, 2, 0.5))[0]:
                case "push":
                    self._push(feed)
                case "look":
                    self._look(feed, refills)
                case "refill" if refills.asked:
                    self._refill(feed, refills)
                case "recall" if recalls:
                    self._recall(feed, recalls.pop(0))
                case "probe" if self.traded:
                    newest = self.trades[self.traded - 1]
                    feed._probed(Probed(feed.tracks[TRADES], (self.traded, newest.event_time)))
                case "lose":
                    self._lose(feed, refills)
        if self.draw.random() < 0.7:  # else it is killed
            self.topics.take(feed.settle())

    def _connect(self, feed: Feed) -> None:
        feed._unseen = set(feed.tracks)
        feed._heard = dict.fromkeys(feed.tracks, feed._around.clock.monotonic())

    def _trade(self) -> range:
        """Let some trades happen."""
        before, self.traded = self.traded, min(TRADES_OF_A_RUN, self.traded + self.draw.randrange(6))
        return range(before, self.traded)

    def _push(self, feed: Feed) -> None:
        burst = [number for number in self._trade() if self.draw.random() > 0.25]
        if self.draw.random() < 0.2:
            self.draw.shuffle(burst)
        self.pushed.update(burst)
        for number in burst:
            self.topics.take(feed._pushed(self.frames[number]))

    def _look(self, feed: Feed, refills: Refills) -> None:
        try:
            self.topics.take(feed._overdue(refills))  # type: ignore[arg-type]
        except TransientSourceError:
            self._lose(feed, refills)

    def _refill(self, feed: Feed, refills: Refills) -> None:
        """Answer some rows of the hole that was asked for first, and how it ended where these were the last."""
        track, hole, number = refills.asked.pop(0)
        until = min(hole.last + 1, number + self.draw.randrange(1, 6))
        rows: list[Record] = [*self.trades[number:until]]
        self.topics.take(feed._refilled(Refilled(track, hole, rows)))
        if until > hole.last:
            later = self.draw.random() < 0.1
            ended = Refilled(track, hole, [], ended=True, error="no more" if later else None, later=later)
            self.topics.take(feed._refilled(ended))
        else:
            refills.asked.insert(0, (track, hole, until))

    def _recall(self, feed: Feed, gap: Gap) -> None:
        assert gap.to_time is not None
        before, after = self._first_at(gap.from_time), self._first_at(gap.to_time)
        last = after + (gap.missed or 0)
        if before < last:
            now = feed._around.clock.monotonic()
            hole = Hole(before + 1, last, gap.from_time, gap.to_time, now, gap.cause)
            self.topics.take(feed._recalled(Recalled(feed.tracks[TRADES], gap, hole)))

    def _lose(self, feed: Feed, refills: Refills) -> None:
        refills.asked.clear()
        self.topics.take(feed.settle())
        feed.tracks[TRADES].continuity.ask_again()
        self._connect(feed)

    def _first_at(self, moment: dt.datetime) -> int:
        return next(trade.agg_trade_id for trade in self.trades if trade.event_time >= moment)


def test_what_rest_says_late_of_a_gap_on_record_makes_a_hole_that_was_filled_since_no_shorter() -> None:
    """The run before left the hole of trade 1 behind; this one is pushed trade 4 next, and has 1 to 3 filled."""
    time, topics = FakeTime(), Topics()
    time.seconds = 100_000
    times = {"event_time": at(0), "ingest_time": NOON, "from_time": at(0), "to_time": at(1)}
    names = {"venue": "binance", "symbol": "BTCUSDT", "stream": "binance_agg_trades", "cause": "as it was found"}
    left = Gap(**names, **times, recoverable=True, missed=1)  # type: ignore[arg-type]
    feed, refills = build(time), Refills()
    feed.resume([record_of(0, 0)], [left])
    feed._heard = dict.fromkeys(feed.tracks, time.monotonic())
    topics.take(feed._pushed(Frame(TRADES, load(json.dumps(trade_push(4, seconds=4))))))
    time.seconds += 10
    topics.take(feed._overdue(refills))  # type: ignore[arg-type]
    ((track, hole, _),) = refills.asked
    rows: list[Record] = [record_of(number, number) for number in (1, 2, 3)]
    topics.take(feed._refilled(Refilled(track, hole, rows)))
    topics.take(feed._refilled(Refilled(track, hole, [], ended=True)))
    asked = Hole(1, 2, at(0), at(1), time.monotonic(), left.cause)
    topics.take(feed._recalled(Recalled(track, left, asked)))
    (gap,) = topics.gaps.values()
    assert (gap.from_time, gap.to_time, gap.repaired_at is not None) == (at(0), at(4), True)


@pytest.mark.parametrize("seeds", [range(start, start + 40) for start in range(0, 400, 40)], ids=lambda seeds: seeds[0])
def test_every_trade_that_was_not_pushed_lies_in_a_gap_and_none_is_there_twice(seeds: range) -> None:
    unpushed = 0
    for seed in seeds:
        market = Market(seed)
        market.play()
        found = market.topics.trades
        assert len({one.agg_trade_id for one in found}) == len(found), f"seed {seed}"
        for one in (one for one in found if one.agg_trade_id not in market.pushed):
            unpushed += 1
            assert any(lies_in(one, gap) for gap in market.topics.gaps.values()), f"seed {seed}: {one.agg_trade_id}"
    assert unpushed > 100


def lies_in(one: AggTrade, gap: Gap) -> bool:
    assert gap.to_time is not None
    return gap.recoverable and gap.from_time <= one.event_time <= gap.to_time
