"""The grid, the retries inside a slot, and the holes on record."""

import asyncio
import datetime as dt
from collections.abc import Sequence

import pytest

from contracts.errors import BrokerError, FatalSourceError, TransientSourceError, UndeliveredError
from contracts.streams import INGEST_GAPS, INGEST_REJECTED, WALLEX, key_of
from ingest.gaps import PollSeen
from ingest.generate import exit_code, polls_in, run_all
from ingest.metrics import Metrics
from ingest.runner import OVERRAN, UNACKNOWLEDGED, Outcome, Poller
from ingest.sink import Sink
from tests.unit.ingest.fakes import (
    NOON,
    BrokenSink,
    FakeSource,
    FakeTail,
    FakeTime,
    HangingSink,
    ListSink,
    at,
    gap,
    rejected,
)


def down(retry_after: float | None = None, text: str = "venue down") -> TransientSourceError:
    return TransientSourceError(text, kind="http_5xx", retry_after=retry_after)


def poller(
    time: FakeTime, source: FakeSource, sink: Sink, *, interval: float = 60, stop: asyncio.Event | None = None
) -> tuple[Poller, Metrics]:
    metrics = Metrics([source.name], time.monotonic)
    made = Poller(source, sink, metrics, time.clock(), interval_seconds=interval, stop=stop or asyncio.Event())
    return made, metrics


async def polled(
    time: FakeTime, source: FakeSource, sink: Sink, polls: int, *, interval: float = 60, tail: FakeTail | None = None
) -> tuple[Outcome, Metrics]:
    made, metrics = poller(time, source, sink, interval=interval)
    await made.resume(tail or FakeTail())
    return await made.run(polls), metrics


def facts(sink: ListSink) -> list[tuple[dt.datetime, dt.datetime | None, int | None, str]]:
    return [(g.from_time, g.to_time, g.missed, g.cause) for g in sink.gaps]


async def test_polls_stay_on_the_grid_however_long_each_takes() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, work_seconds={0: 7.3, 1: 0.2, 2: 31.9, 3: 1})
    await polled(time, source, sink, 4)
    assert source.polled_at == [0, 60, 120, 180]
    assert sink.gaps == []


async def test_a_thousand_polls_do_not_drift() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, work_seconds=dict.fromkeys(range(1000), 0.01))
    await polled(time, source, sink, 1000, interval=0.1)
    assert source.polled_at[-1] == pytest.approx(99.9, abs=1e-6)


async def test_a_poll_that_overruns_is_followed_at_once_and_later_slots_do_not_shift() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, work_seconds={0: 70})
    await polled(time, source, sink, 3)
    assert source.polled_at == [0, 70, 120]
    assert sink.gaps == []


async def test_slots_that_pass_during_a_long_poll_are_missed_polls() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, work_seconds={0: 190})
    await polled(time, source, sink, 5)
    assert source.polled_at == [0, 190, 240]
    assert facts(sink) == [(NOON, None, 2, OVERRAN), (NOON, at(190), 2, OVERRAN)]


async def test_a_retry_inside_the_slot_leaves_no_gap() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [down(), down(), None])
    outcome, _ = await polled(time, source, sink, 2)
    assert outcome == Outcome("wallex", served=2, fatal=False, unwritten=False)
    assert len(source.polled_at) == 4
    assert source.polled_at[3] == 60
    first, second = source.polled_at[1], source.polled_at[2] - source.polled_at[1]
    assert 0.5 <= first <= 1
    assert 1 <= second <= 2
    assert sink.gaps == []


async def test_retries_stop_at_the_next_slot() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [down()] * 100)
    await polled(time, source, sink, 1)
    assert max(source.polled_at) < 60
    assert 4 <= len(source.polled_at) <= 9
    assert facts(sink) == [(NOON + dt.timedelta(seconds=time.seconds), None, 1, "venue down")]


async def test_retry_after_is_honoured() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [down(retry_after=25)])
    await polled(time, source, sink, 1)
    assert source.polled_at == [0, 25]
    assert sink.gaps == []


async def test_a_venue_that_asks_to_wait_longer_than_the_slot_is_not_asked_again_before() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [None, down(retry_after=150, text="too many requests")])
    await polled(time, source, sink, 5)
    assert source.polled_at == [0, 60, 210, 240]
    assert facts(sink) == [
        (NOON, None, 1, "too many requests"),
        (NOON, None, 2, "too many requests"),
        (NOON, at(210), 2, "too many requests"),
    ]


async def test_a_hole_is_one_gap_that_opens_grows_and_closes_under_one_key() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [None, down(60), down(60), down(60)])
    _, metrics = await polled(time, source, sink, 6)
    assert facts(sink) == [
        (NOON, None, 1, "venue down"),
        (NOON, None, 2, "venue down"),
        (NOON, None, 3, "venue down"),
        (NOON, at(240), 3, "venue down"),
    ]
    assert {key_of(INGEST_GAPS, found) for found in sink.gaps} == {b"wallex:*:wallex:2024-03-19T12:00:00.000Z"}
    assert {(found.symbol, found.recoverable, found.stream) for found in sink.gaps} == {("*", False, "wallex")}
    assert metrics.registry.get_sample_value("coinlake_ingest_gaps_total", {"venue": "wallex"}) == 1
    missed = {"venue": "wallex", "outcome": "missed"}
    assert metrics.registry.get_sample_value("coinlake_ingest_polls_total", missed) == 3


async def test_slots_that_pass_inside_a_hole_make_it_grow_by_their_number() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [None, down(60), down()], work_seconds={2: 190})
    await polled(time, source, sink, 6)
    assert source.polled_at == [0, 60, 120, 310]
    assert [(found.missed, found.to_time) for found in sink.gaps] == [(1, None), (2, None), (4, None), (4, at(310))]


async def test_a_poll_that_kafka_does_not_acknowledge_becomes_a_gap() -> None:
    time, sink = FakeTime(), ListSink(refuse=lambda call: call == 1)
    source = FakeSource(time)
    await polled(time, source, sink, 3)
    assert facts(sink) == [(NOON, None, 1, UNACKNOWLEDGED), (NOON, at(120), 1, UNACKNOWLEDGED)]
    assert [record.event_time for record in sink.records(WALLEX)] == [NOON, at(120)]


async def test_a_gap_stays_open_until_the_closing_poll_itself_is_acknowledged() -> None:
    time, sink = FakeTime(), ListSink(refuse=lambda call: call == 2)
    source = FakeSource(time, [None, down(60)])
    await polled(time, source, sink, 4)
    assert facts(sink) == [
        (NOON, None, 1, "venue down"),
        (NOON, None, 2, "venue down"),
        (NOON, at(180), 2, "venue down"),
    ]


async def test_a_gap_that_could_not_be_written_is_told_in_the_outcome() -> None:
    time = FakeTime()
    outcome, _ = await polled(time, FakeSource(time), ListSink(refuse=lambda _: True), 2)
    assert outcome.unwritten
    assert outcome.served == 0


async def test_rejected_rows_travel_with_their_poll_and_an_answer_of_only_rejected_rows_is_a_missed_poll() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [None, *[[rejected(at(60))] for _ in range(20)]])
    _, metrics = await polled(time, source, sink, 2)
    assert facts(sink)[-1][2:] == (1, "wallex: expected at least one usable row, found 1 rejected")
    assert sink.records(INGEST_REJECTED) == [rejected(at(60))]
    assert metrics.registry.get_sample_value("coinlake_ingest_rejected_total", {"venue": "wallex"}) == 1


async def test_what_a_failed_try_rejected_travels_with_the_poll_that_succeeds() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [[rejected(at(0))], None])
    await polled(time, source, sink, 1)
    assert facts(sink) == []
    assert sink.records(INGEST_REJECTED) == [rejected(at(0))]


async def test_a_fatal_venue_stops_and_its_hole_stays_open() -> None:
    time, sink = FakeTime(), ListSink()
    source = FakeSource(time, [None, FatalSourceError("the API key is invalid", kind="code_1001")])
    outcome, _ = await polled(time, source, sink, 5)
    assert outcome.fatal
    assert source.polled_at == [0, 60]
    assert facts(sink) == [(NOON, None, 1, "the API key is invalid")]


def seen(seconds: float, *, ingested: float, found: int = 2) -> PollSeen:
    return PollSeen(at(seconds), at(ingested), found, expected=2)


@pytest.mark.parametrize(
    ("polls", "still_open", "expected"),
    [
        pytest.param([], None, [], id="a new topic has no hole"),
        pytest.param([seen(-3000, ingested=-90)], None, [], id="1.5 intervals of our clock are no hole"),
        pytest.param(
            [seen(-3000, ingested=-91)],
            None,
            [(-3000, None, None, "generator was not running"), (-3000, 0, None, "generator was not running")],
            id="a longer pause is a hole from the newest poll to the first one served",
        ),
        pytest.param(
            [seen(-60, ingested=-60, found=1), seen(-120, ingested=-120)],
            None,
            [(-120, None, None, "generator was not running"), (-120, 0, None, "generator was not running")],
            id="after an incomplete poll the hole starts at the poll before, however short the pause",
        ),
        pytest.param(
            [seen(-120, ingested=-120)],
            gap(at(-120), written=at(-60)),
            [(-120, 0, 2, "down")],
            id="a gap that is still open goes on",
        ),
        pytest.param(
            [seen(-900, ingested=-900)],
            gap(at(-900), written=at(-800)),
            [
                (-900, None, None, "down; then generator was not running"),
                (-900, 0, None, "down; then generator was not running"),
            ],
            id="an open gap goes on over a stop, and its length is unknown",
        ),
        pytest.param(
            [seen(-60, ingested=-60)],
            gap(at(-180), written=at(-120)),
            [(-180, -60, 2, "down")],
            id="a gap whose closing record was lost is closed at the newest poll",
        ),
    ],
)
async def test_a_start_puts_the_hole_since_the_last_run_on_record(
    polls: Sequence[PollSeen], still_open: object, expected: list[tuple[float, float | None, int | None, str]]
) -> None:
    time, sink = FakeTime(), ListSink()
    await polled(time, FakeSource(time), sink, 1, tail=FakeTail(polls, still_open))  # type: ignore[arg-type]
    found = [
        (
            (g.from_time - NOON).total_seconds(),
            None if g.to_time is None else (g.to_time - NOON).total_seconds(),
            g.missed,
            g.cause,
        )
        for g in sink.gaps
    ]
    assert found == expected


async def test_a_gap_after_a_quick_restart_starts_at_the_newest_poll_of_the_run_before() -> None:
    time, sink = FakeTime(), ListSink()
    await polled(time, FakeSource(time, [down(60)]), sink, 1, tail=FakeTail([seen(-50, ingested=-50)]))
    assert facts(sink) == [(at(-50), None, 1, "venue down")]


async def test_a_venue_clock_that_went_back_closes_the_gap_with_no_length() -> None:
    time, sink = FakeTime(), ListSink()
    await polled(time, FakeSource(time), sink, 1, tail=FakeTail([seen(5000, ingested=-500)]))
    assert [(g.from_time, g.to_time) for g in sink.gaps] == [(at(5000), None), (at(5000), at(5000))]


async def test_a_stop_ends_a_poll_at_once_and_leaves_the_open_gap_open() -> None:
    time, sink, stop = FakeTime(), ListSink(), asyncio.Event()

    async def answer_never() -> None:
        stop.set()
        await asyncio.Event().wait()

    source = FakeSource(time, [None, down(60), answer_never])
    made, _ = poller(time, source, sink, stop=stop)
    outcomes = await run_all([made.run(None)], sink, stop=stop, drain_seconds=5)
    assert [(outcome.served, outcome.fatal) for outcome in outcomes] == [(1, False)]
    assert facts(sink) == [(NOON, None, 1, "venue down")]


async def test_a_stop_waits_for_acknowledgements_only_until_the_deadline() -> None:
    time, sink, stop = FakeTime(), HangingSink(), asyncio.Event()
    made, _ = poller(time, FakeSource(time), sink, stop=stop)
    asyncio.get_running_loop().call_later(0.05, stop.set)
    with pytest.raises(UndeliveredError) as caught:
        await asyncio.wait_for(run_all([made.run(None)], sink, stop=stop, drain_seconds=0.2), 5)
    assert str(caught.value) == "Kafka did not acknowledge 1 records within 0.2 s after the stop"
    assert caught.value.count == 1
    assert caught.value.exit_code != 0


async def test_a_producer_that_cannot_go_on_ends_the_run_with_one_error() -> None:
    time, sink = FakeTime(), BrokenSink()
    pollers = [poller(time, FakeSource(time), sink)[0] for _ in range(2)]
    with pytest.raises(BrokerError, match=r"^Kafka: the producer cannot go on$"):
        await run_all([one.run(None) for one in pollers], sink, stop=asyncio.Event(), drain_seconds=1)


async def test_the_run_fails_where_the_newest_gap_is_not_in_kafka() -> None:
    time, sink = FakeTime(), ListSink(refuse=lambda _: True)
    made, _ = poller(time, FakeSource(time), sink)
    with pytest.raises(UndeliveredError, match="did not acknowledge the newest records of wallex"):
        await run_all([made.run(1)], sink, stop=asyncio.Event(), drain_seconds=1)


async def test_a_fatal_venue_does_not_stop_the_others_and_the_exit_code_says_so() -> None:
    time, sink, stop = FakeTime(), ListSink(), asyncio.Event()
    bad = FakeSource(time, [FatalSourceError("the API key is missing", kind="code_1002")])
    good = FakeSource(time)
    outcomes = await run_all(
        [poller(time, source, sink)[0].run(3) for source in (bad, good)], sink, stop=stop, drain_seconds=1
    )
    assert [(outcome.fatal, outcome.served) for outcome in outcomes] == [(True, 0), (False, 3)]
    assert exit_code(outcomes, stopped=False) == 1
    assert exit_code(outcomes[1:], stopped=False) == 0
    assert exit_code([Outcome("wallex", served=5, fatal=True, unwritten=False)], stopped=True) == 1


@pytest.mark.parametrize(("stopped", "code"), [(False, 1), (True, 0)])
def test_a_venue_that_was_never_served_fails_the_run_unless_it_was_stopped(stopped: bool, code: int) -> None:
    assert exit_code([Outcome("wallex", served=0, fatal=False, unwritten=False)], stopped=stopped) == code


def test_a_duration_holds_one_poll_an_interval() -> None:
    assert polls_in(dt.timedelta(hours=3), 60) == 180
    assert polls_in(dt.timedelta(seconds=0.3), 0.1) == 3
    assert polls_in(dt.timedelta(seconds=1), 60) == 1
