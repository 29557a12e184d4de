"""Batches, back-pressure, retries, and the hole of a feed that cannot be reached."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import pytest

from contracts.errors import BrokerError, CoinlakeError, FatalSourceError, TransientSourceError, UndeliveredError
from contracts.records import Gap, Record, replace
from contracts.streams import INGEST_GAPS, WALLEX
from ingest.clock import Clock
from ingest.follow import BATCH_RECORDS, WAITING_RECORDS, Follower
from ingest.generate import run_all
from ingest.metrics import Metrics
from ingest.runner import Outcome
from ingest.sink import Poll, Sink
from tests.unit.ingest.fakes import NOON, BrokenSink, FakeTail, HangingSink, ListSink, at, ticker

Step = Sequence[Record | None] | CoinlakeError | Callable[[], Awaitable[None]]


class FakeFeed:
    """A PushedSource that plays steps, one list of steps for each call of `records`; then it waits for ever."""

    name = "wallex"
    venue = "wallex"
    stream = WALLEX
    refills = True
    topic_forgets = False
    symbols = ("S0",)

    def __init__(self, *calls: Sequence[Step]) -> None:
        self.newest: dt.datetime | None = None
        self.whole = True
        self.resumed: Sequence[Record] = ()
        self.yielded = 0
        self.unsettled: list[Gap] = []
        self._calls = list(calls)

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        self.resumed = records
        self.newest = max((record.event_time for record in records), default=None)

    def settle(self) -> list[Gap]:
        return self.unsettled

    async def records(self) -> AsyncGenerator[Record | None, None]:
        steps = self._calls.pop(0) if self._calls else [TransientSourceError("no answer", kind="connection")]
        for step in steps:
            if isinstance(step, CoinlakeError):
                raise step
            if isinstance(step, Sequence):
                for record in step:
                    self.yielded += 1
                    self.newest = record.event_time if record else self.newest
                    yield record
            else:
                await step()
        await asyncio.Event().wait()

    async def catch_up(self) -> AsyncGenerator[Record | None, None]:
        for step in self._calls.pop(0):
            if isinstance(step, CoinlakeError):
                raise step
            assert isinstance(step, Sequence)
            for record in step:
                yield record


def quick() -> Clock:
    async def sleep(_: float) -> None:
        await asyncio.sleep(0.001)

    return Clock(sleep=sleep)


def rows(count: int, start: int = 0) -> list[Record]:
    return [ticker(at(number), f"S{number}", NOON) for number in range(start, start + count)]


def hole() -> Gap:
    names = {"venue": "wallex", "symbol": "BTCTMN", "stream": WALLEX.topic, "cause": "a push did not arrive"}
    times = {"event_time": NOON, "ingest_time": NOON, "from_time": NOON, "to_time": at(9), "repaired_at": NOON}
    return Gap(**names, **times, recoverable=True)  # type: ignore[arg-type]


def lost(text: str = "lost") -> TransientSourceError:
    return TransientSourceError(text, kind="closed")


async def followed(
    feed: FakeFeed,
    sink: Sink,
    *,
    seconds: float = 0.15,
    once: bool = False,
    tail: FakeTail | None = None,
    drain_seconds: float = 10,
) -> tuple[Outcome, Metrics]:
    metrics = Metrics(["wallex"], lambda: 0.0)
    follower = Follower(feed, sink, metrics, quick(), stop=asyncio.Event(), drain_seconds=drain_seconds)
    await follower.resume(tail or FakeTail())
    return await asyncio.wait_for(follower.run(seconds, once=once), 10), metrics


async def test_records_arrive_in_order_in_bounded_batches() -> None:
    sink = ListSink()
    outcome, metrics = await followed(FakeFeed([rows(1300)]), sink, seconds=0.5)
    assert sink.records(WALLEX) == rows(1300)
    assert max(len(poll[WALLEX]) for poll in sink.polls) <= BATCH_RECORDS
    assert outcome.served == len(sink.polls) < 100
    assert metrics.seconds_since_success() == {"wallex": 0.0}


async def test_a_batch_spans_five_seconds_at_most_however_much_is_waiting() -> None:
    received = (0, 3, 5, 5.001, 9, 10.001, 10.002, 60)
    sent = [ticker(at(number), f"S{number}", at(seconds)) for number, seconds in enumerate(received)]
    sink = ListSink()
    await followed(FakeFeed([sent]), sink)
    batches = [[(record.ingest_time - NOON).total_seconds() for record in poll[WALLEX]] for poll in sink.polls]
    assert batches == [[0, 3, 5], [5.001, 9, 10.001], [10.002], [60]]
    assert sink.records(WALLEX) == sent


async def test_what_is_kept_for_the_next_batch_is_sent_before_the_end() -> None:
    sent = [ticker(at(number), f"S{number}", at(10 * number)) for number in range(3)]
    sink = ListSink(refuse=lambda call: call in {0, 1})
    outcome, _ = await followed(FakeFeed([sent]), sink, seconds=0.01)
    assert (sink.records(WALLEX), outcome.unwritten) == (sent, False)


async def test_a_batch_that_is_not_acknowledged_is_sent_again_and_nothing_is_lost() -> None:
    sink = ListSink(refuse=lambda call: call in {0, 1, 3})
    outcome, metrics = await followed(FakeFeed([rows(700)]), sink, seconds=0.5)
    assert sink.records(WALLEX) == rows(700)
    assert not outcome.unwritten
    errors = {"venue": "wallex", "kind": "undelivered"}
    assert metrics.registry.get_sample_value("coinlake_ingest_errors_total", errors) == 3


async def test_a_kafka_that_does_not_answer_stops_the_source_and_not_the_memory() -> None:
    feed, sink = FakeFeed([rows(10_000)]), HangingSink()
    follower = Follower(feed, sink, Metrics(["wallex"], lambda: 0.0), quick(), stop=asyncio.Event(), drain_seconds=10)
    await follower.resume(FakeTail())
    run = asyncio.create_task(follower.run(None))
    await asyncio.sleep(0.2)
    assert feed.yielded <= WAITING_RECORDS + BATCH_RECORDS + 1
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run


async def test_a_kafka_that_does_not_answer_does_not_hold_up_the_end() -> None:
    outcome, _ = await followed(FakeFeed([rows(3)]), HangingSink(), drain_seconds=0.1)
    assert outcome.unwritten


class RowlessSink(ListSink):
    """Acknowledges everything but rows of the stream."""

    async def send_poll(self, poll: Poll) -> None:
        if WALLEX in poll:
            raise UndeliveredError("Kafka did not acknowledge 1 of 1 records (_MSG_TIMED_OUT)", count=1)
        await super().send_poll(poll)


async def test_a_hole_is_called_filled_only_behind_the_rows_that_fill_it() -> None:
    sink = ListSink()
    await followed(FakeFeed([[*rows(2), hole()]]), sink)
    assert [list(poll) for poll in sink.polls] == [[WALLEX], [INGEST_GAPS]]
    rowless = RowlessSink()
    outcome, _ = await followed(FakeFeed([[*rows(2), hole()]]), rowless, drain_seconds=0.1)
    assert (rowless.gaps, outcome.unwritten) == ([], True)


async def test_rows_that_kafka_refuses_until_the_end_fail_the_run() -> None:
    stop, sink = asyncio.Event(), RowlessSink()
    made = Follower(
        FakeFeed([rows(1500)]), sink, Metrics(["wallex"], lambda: 0.0), Clock(), stop=stop, drain_seconds=0.2
    )
    await made.resume(FakeTail())
    asyncio.get_running_loop().call_later(0.1, stop.set)
    with pytest.raises(UndeliveredError, match=r"newest records of wallex"):
        await asyncio.wait_for(run_all([made.run(None)], sink, stop=stop, drain_seconds=0.2), 5)


async def test_a_stop_sends_what_was_received() -> None:
    stop = asyncio.Event()

    async def asked() -> None:
        stop.set()

    class SlowSink(ListSink):
        async def send_poll(self, poll: Poll) -> None:
            await asyncio.sleep(0.05)
            await super().send_poll(poll)

    sink = SlowSink()
    follower = Follower(
        FakeFeed([rows(900), asked]), sink, Metrics(["wallex"], lambda: 0.0), quick(), stop=stop, drain_seconds=10
    )
    await follower.resume(FakeTail())
    await asyncio.wait_for(follower.run(None), 5)
    assert sink.records(WALLEX) == rows(900)


async def test_a_stop_says_how_the_holes_stand_behind_what_was_received_of_them() -> None:
    feed, sink = FakeFeed([rows(3)]), ListSink()
    feed.unsettled = [hole()]
    await followed(feed, sink)
    assert (sink.records(WALLEX), sink.gaps) == (rows(3), feed.unsettled)


async def test_a_stop_that_cuts_a_record_off_calls_no_hole_filled() -> None:
    feed, sink = FakeFeed([rows(10_000)]), ListSink(refuse=lambda call: call < 20)
    feed.unsettled = [hole()]
    await followed(feed, sink, seconds=0.01)
    assert feed.yielded < 10_000
    assert sink.gaps == []


async def test_a_connection_that_is_lost_once_is_made_again_without_a_gap_of_the_whole_stream() -> None:
    sink = ListSink()
    await followed(FakeFeed([rows(2), lost()], [rows(2, 2), lost()], [rows(1, 4)]), sink)
    assert sink.records(WALLEX) == rows(5)
    assert sink.gaps == []


def facts(gaps: Sequence[Gap]) -> list[tuple[str, str, dt.datetime, dt.datetime | None, bool, bool]]:
    return [(g.symbol, g.cause, g.from_time, g.to_time, g.recoverable, g.repaired_at is not None) for g in gaps]


async def test_a_venue_that_stays_away_is_one_gap_from_the_newest_record_to_the_first_after_it() -> None:
    sink = ListSink()
    feed = FakeFeed([rows(2), lost("one")], [lost("two")], [lost("three")], [rows(1, 60)])
    await followed(feed, sink)
    assert facts(sink.gaps) == [
        ("*", "two", at(1), None, True, False),
        ("*", "two", at(1), at(60), True, True),
    ]
    assert len({gap.from_time for gap in sink.gaps}) == 1


async def test_the_gap_of_the_whole_stream_stays_open_until_every_hole_is_filled() -> None:
    sink = ListSink()
    feed = FakeFeed([lost()], [lost()], [rows(3)])
    feed.whole = False
    await followed(feed, sink, tail=FakeTail(records=[ticker(at(-60))]))
    assert [gap.to_time for gap in sink.gaps] == [None]
    assert feed.resumed == [ticker(at(-60))]
    assert sink.gaps[0].from_time == at(-60)


async def test_a_venue_that_is_nowhere_is_one_gap_and_never_served() -> None:
    sink = ListSink()
    outcome, _ = await followed(FakeFeed(), sink)
    assert (outcome.served, outcome.fatal) == (0, False)
    assert [(gap.symbol, gap.cause, gap.recoverable) for gap in sink.gaps] == [("*", "no answer", True)]


async def test_a_fatal_feed_ends_with_a_gap() -> None:
    sink = ListSink()
    outcome, _ = await followed(FakeFeed([rows(1), FatalSourceError("no such symbol", kind="code_-1121")]), sink)
    assert outcome.fatal
    assert sink.records(WALLEX) == rows(1)
    assert facts(sink.gaps) == [("*", "no such symbol", NOON, None, True, False)]


async def test_once_sends_what_was_missed_and_ends() -> None:
    sink = ListSink()
    outcome, _ = await followed(FakeFeed([rows(3)]), sink, seconds=5, once=True)
    assert sink.records(WALLEX) == rows(3)
    assert outcome.served > 0


async def test_once_with_a_venue_that_is_nowhere_is_a_gap() -> None:
    sink = ListSink()
    outcome, _ = await followed(FakeFeed([lost("nowhere")]), sink, seconds=5, once=True)
    assert outcome.served == 0
    assert [gap.cause for gap in sink.gaps] == ["nowhere"]
    assert list(sink.polls[0]) == [INGEST_GAPS]


async def test_a_producer_that_cannot_go_on_ends_the_run() -> None:
    with pytest.raises(BrokerError):
        await followed(FakeFeed([rows(1)]), BrokenSink())


async def test_a_venue_that_has_nothing_to_tell_is_served_and_sends_nothing() -> None:
    sink = ListSink()
    outcome, metrics = await followed(FakeFeed([[None, None]]), sink)
    assert (outcome.served, sink.polls) == (2, [])
    assert metrics.seconds_since_success() == {"wallex": 0.0}


async def test_a_quiet_venue_that_is_there_again_ends_a_row_of_failures() -> None:
    sink = ListSink()
    await followed(FakeFeed([rows(1), lost()], [[None], lost()], [[None], lost()], [[None]]), sink)
    assert sink.gaps == []


def counted(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("coinlake_ingest_gaps_total", {"venue": "wallex"})


async def test_a_hole_that_a_source_tells_is_counted_once_its_repair_and_its_parts_are_not() -> None:
    opened = replace(hole(), to_time=at(60), repaired_at=None)
    filled = replace(opened, to_time=at(20), repaired_at=at(90))
    rest = replace(opened, from_time=at(20), event_time=at(20), recoverable=False)
    another = replace(opened, symbol="ETHTMN", recoverable=False)
    _, metrics = await followed(FakeFeed([[opened, filled, rest, *rows(1), another]]), ListSink())
    assert counted(metrics) == 2


async def test_a_new_hole_is_told_before_what_fills_it_and_its_end_after_it_though_all_is_of_one_batch() -> None:
    opened = replace(hole(), to_time=at(60), repaired_at=None)
    filled = replace(opened, repaired_at=at(90))
    sink = ListSink()
    await followed(FakeFeed([[*rows(1), opened, *rows(2, 1), filled]]), sink)
    assert sink.polls == [{INGEST_GAPS: [opened]}, {WALLEX: rows(3)}, {INGEST_GAPS: [filled]}]


async def test_a_hole_told_before_that_is_told_to_be_smaller_follows_what_came_of_it() -> None:
    opened = replace(hole(), to_time=at(60), repaired_at=None)
    smaller = replace(opened, to_time=at(20))
    sink = ListSink()
    await followed(FakeFeed([[smaller, *rows(2)]]), sink, tail=FakeTail(gap=opened))
    assert sink.polls == [{WALLEX: rows(2)}, {INGEST_GAPS: [smaller]}]


async def test_a_hole_that_an_earlier_run_told_is_not_counted_again() -> None:
    before = replace(hole(), symbol="*", to_time=None, repaired_at=None, recoverable=False)
    end = replace(before, to_time=at(30))
    later = replace(end, from_time=at(40), event_time=at(40), to_time=at(50))
    _, metrics = await followed(FakeFeed([[end, *rows(1), later]]), ListSink(), tail=FakeTail(gap=before))
    assert counted(metrics) == 1


async def test_a_hole_of_the_whole_stream_is_counted_as_it_opens_and_not_as_it_ends() -> None:
    feed = FakeFeed([rows(2), lost("one")], [lost("two")], [rows(1, 60)])
    _, metrics = await followed(feed, ListSink())
    assert counted(metrics) == 1


async def test_a_hole_that_cannot_be_filled_is_closed_and_not_called_repaired() -> None:
    feed, sink = FakeFeed([rows(1), lost("first")], [lost("second")], [[None]]), ListSink()
    feed.refills = False
    await followed(feed, sink)
    opened, closed = sink.gaps
    assert (opened.to_time, opened.recoverable) == (None, False)
    assert (closed.from_time, closed.to_time, closed.repaired_at, closed.recoverable) == (NOON, NOON, None, False)


async def test_the_end_of_a_hole_that_the_source_tells_is_left_as_it_is() -> None:
    end = replace(hole(), symbol="*", repaired_at=None, recoverable=False)
    feed, sink = FakeFeed([rows(1), lost()], [lost()], [[end, ticker(at(30))]]), ListSink()
    await followed(feed, sink)
    assert sink.gaps[-1] == end
    assert len(sink.gaps) == 2


@pytest.mark.parametrize(("forgets", "gaps"), [(True, 1), (False, 0)])
async def test_the_end_of_a_run_is_on_record_where_the_topic_may_have_forgotten_it(forgets: bool, gaps: int) -> None:
    feed, sink = FakeFeed([rows(3)]), ListSink()
    feed.topic_forgets = forgets
    await followed(feed, sink)
    said = [(gap.from_time, gap.to_time, gap.cause, gap.recoverable) for gap in sink.gaps]
    assert said == [(at(2), None, "generator was not running", True)][:gaps]


async def test_a_hole_that_is_open_at_the_end_is_not_told_a_second_time() -> None:
    feed, sink = FakeFeed([rows(2), FatalSourceError("no access", kind="forbidden")]), ListSink()
    feed.topic_forgets = True
    outcome, _ = await followed(feed, sink)
    assert outcome.fatal
    assert [(gap.from_time, gap.cause) for gap in sink.gaps] == [(at(1), "no access")]
