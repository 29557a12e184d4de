"""Where a search of posts goes on after a pause or a kill, and what is on record where it cannot."""

import asyncio
import dataclasses
import itertools

import pytest

from contracts.errors import TransientSourceError
from contracts.records import Gap, Record, replace
from contracts.streams import BITCOIN, INGEST_GAPS
from ingest.follow import Follower
from ingest.gaps import NOT_RUNNING
from ingest.http import Answer
from ingest.metrics import Metrics
from ingest.sources.x.post_ids import first_id_at, time_of
from tests.unit.contracts.test_posts import post
from tests.unit.ingest.fakes import NOON, FakeTail, ListSink, answer, at
from tests.unit.ingest.test_x_feed import DOWN, OLD, WEEK, Stage, begun, followed, ids, kept, open_gap, told
from tests.unit.ingest.test_x_search import NO_HIT, page

HOUR, DAY = 3_600, 86_400


def made(seconds: float) -> int:
    """Return the id of a post that was made at a moment."""
    return first_id_at(at(seconds)) + 1


def pages(*seconds: float, token: str | None = None) -> Answer:
    """Return a page of posts that were made at moments, newest first."""
    body = page(*map(made, seconds), token=token)
    for item, moment in zip(body["data"], seconds, strict=True):
        item["created_at"] = at(moment).isoformat()
    return answer(body)


def ended_gap(since: float, until: float, *, written: float) -> Gap:
    return replace(open_gap(since), to_time=at(until), ingest_time=at(written), recoverable=False)


async def beginning_of(stage: Stage) -> tuple[object, ...]:
    [gap, *_], *_ = await stage.polls(1)
    assert isinstance(gap, Gap)
    return told(gap)


async def test_a_first_search_says_what_it_did_not_ask_for() -> None:
    more = Stage(pages(-40, -50, token="older"))
    assert await beginning_of(more) == (at(-WEEK), at(-49), "the first search", False, False)
    assert more.asked("next_token") == [None], "older pages cost money"


async def test_where_the_topic_forgot_where_it_stood_everything_since_the_last_gap_may_be_missing() -> None:
    stage = Stage(pages(-40, -50, token="older"))
    stage.feed.resume([], [ended_gap(-40 * DAY, -39 * DAY, written=0), ended_gap(-90 * DAY, -80 * DAY, written=0)])
    cause = "nothing in the topic says any more where the search stood"
    assert await beginning_of(stage) == (at(-39 * DAY), at(-49), cause, False, False)


async def test_an_outage_at_the_first_start_is_a_hole_that_the_newest_page_does_not_fill() -> None:
    late = [dataclasses.replace(one, date=at(HOUR)) for one in (pages(3500, 3400, token="older"), answer(NO_HIT))]
    stage = Stage(DOWN, TransientSourceError("http://venue: 503", kind="http_5xx", retry_after=HOUR), *late)
    sink = await followed(stage, FakeTail())
    opened, closed, stopped = map(told, sink.gaps)
    assert opened == (NOON, None, "http", True, False)
    assert closed == (NOON, at(3401), "the first search", False, False), "and never called repaired"
    assert stopped == (at(HOUR - 30), None, NOT_RUNNING, True, False)


async def test_a_search_that_never_succeeded_is_the_first_one_yet() -> None:
    """The Gap that is open then is on our own clock, which may be hours ahead of the venue's."""
    stage = Stage(pages(-40, -50, token="older"))
    stage.feed.resume([], [open_gap(3 * HOUR)])
    assert await beginning_of(stage) == (at(3 * HOUR), at(3 * HOUR), "the first search", False, False)
    assert stage.asked("since_id") == [None]
    assert stage.feed.newest == at(-30), "on the venue's"


async def test_a_pause_of_days_is_asked_for_hour_by_hour_and_called_repaired_at_its_end_alone() -> None:
    begin, hours = -3 * DAY, range(72)
    made_in = [(begin + HOUR * hour + 60, begin + HOUR * hour + 30) for hour in hours]
    answers = [one for late, soon in made_in for one in (pages(late, token="b"), pages(soon))]
    stage = Stage(*answers, answer(NO_HIT))
    sink = await followed(stage, FakeTail(gaps=[begun(), open_gap(begin)]))
    assert ids(sink.records(BITCOIN)) == [made(moment) for late, soon in made_in for moment in (soon, late)]
    asked = list(dict.fromkeys(zip(stage.asked("since_id"), stage.asked("until_id"), strict=True)))
    spans = [(time_of(int(since or 0)), until and time_of(int(until))) for since, until in asked]
    assert spans[0] == (at(begin), at(begin + HOUR))
    for (_, until), (since, _) in itertools.pairwise(spans[:-1]):
        assert until is not None
        assert since < until <= since + (at(1) - NOON) * 0.001
    assert [until for _, until in spans[-2:]] == [None, None], "the last hour, and the poll after it"
    assert len(spans) == len(hours) + 1
    closed, stopped = map(told, sink.gaps)
    assert closed == (at(begin), at(-30), "HTTP 503", True, True)
    assert stopped == (at(-30), None, NOT_RUNNING, True, False)


async def test_a_pause_in_which_little_was_posted_costs_few_requests() -> None:
    stage = Stage(*[answer(NO_HIT)] * 7, pages(-40, -50, token="b"), pages(-60), answer(NO_HIT))
    stage.feed.resume([], [begun(), open_gap(-6 * DAY)])
    first, _ = await stage.polls(2)
    assert ids(first) == [made(-60), made(-50), made(-40)]
    reach = [
        None if until is None else (time_of(int(until)) - at(-6 * DAY)) / (at(HOUR) - NOON)
        for until in stage.asked("until_id")
    ]
    assert [hours and round(hours) for hours in reach] == [1, 3, 7, 15, 31, 63, 127, None, None, None]


async def test_a_pause_that_is_stopped_while_it_is_filled_goes_on_where_it_was() -> None:
    first = Stage(pages(-2.5 * HOUR), DOWN)
    first.feed.resume([], [begun(), open_gap(-3 * HOUR)])
    found: list[Record] = []
    with pytest.raises(TransientSourceError):
        async for record in first.feed.records():
            found += [record] if record is not None else []
    assert ids(found) == [made(-2.5 * HOUR)]
    assert not first.feed.whole
    assert first.feed.newest is not None
    assert at(-2 * HOUR) - (at(1) - NOON) < first.feed.newest <= at(-2 * HOUR)
    again = Stage(pages(-1.6 * HOUR, -1.7 * HOUR), answer(NO_HIT), answer(NO_HIT))
    old = [replace(one, ingest_time=at(-120)) for one in found]
    again.feed.resume([*old, *kept(made(-1.7 * HOUR), received=0)], [open_gap(-3 * HOUR)])
    assert ids((await again.polls(1))[0]) == [made(-1.6 * HOUR)]
    assert again.asked("since_id")[:2] == [str(made(-2.5 * HOUR)), str(first_id_at(at(-1.5 * HOUR)) - 1)]


async def test_all_pages_of_a_poll_have_one_end_however_long_it_is_broken_off() -> None:
    stage = Stage(pages(-HOUR / 2 + 60, token="b"), DOWN, pages(-HOUR / 2 + 30), answer(NO_HIT))
    stage.feed.resume([], [begun(), open_gap(-HOUR / 2)])
    with pytest.raises(TransientSourceError):
        await stage.polls(1)
    stage.time.seconds += 2 * HOUR
    assert ids((await stage.polls(1))[0]) == [made(-HOUR / 2 + 30), made(-HOUR / 2 + 60)]
    assert stage.asked("until_id") == [None] * 3


@pytest.mark.parametrize("gap", [ended_gap(-9 * DAY, -99, written=0), open_gap(-100)], ids=["begun anew", "filled"])
async def test_a_kill_in_the_first_batch_after_a_hole_leaves_none_of_it_out(gap: Gap) -> None:
    stage = Stage(pages(-40, -90))
    stage.feed.resume(kept(made(-40), received=0), [gap])
    assert ids((await stage.polls(1))[0]) == [made(-90)]
    assert time_of(int(stage.asked("since_id")[0] or 0)) <= at(-99)


async def test_a_restart_after_a_first_search_that_found_all_of_7_days_begins_within_them() -> None:
    stage = Stage(*[answer(NO_HIT)] * 7, pages(-40, -90))
    stage.feed.resume(kept(made(-40), received=0), [ended_gap(-WEEK - 100, -WEEK - 99, written=0)])
    assert ids((await stage.polls(1))[0]) == [made(-90)]
    assert time_of(int(stage.asked("since_id")[0] or 0)) == at(HOUR - WEEK - 30)


async def test_a_hole_that_stays_is_on_record_before_the_posts_that_follow_it() -> None:
    stage = Stage(answer(OLD, status=400), pages(-40, -50, token="older"), answer(NO_HIT))
    sink, clock = ListSink(refuse=lambda call: call >= 1), stage.time.clock()
    follower = Follower(
        stage.feed, sink, Metrics(["x_bitcoin"], clock.monotonic), clock, stop=stage.script_is_over, drain_seconds=0.1
    )
    await follower.resume(FakeTail(records=[post(post_id="9", event_time=at(-9 * DAY), ingest_time=at(-9 * DAY))]))
    outcome = await asyncio.wait_for(follower.run(None), 10)
    assert outcome.unwritten
    assert [list(poll) for poll in sink.polls] == [[INGEST_GAPS]]
    assert [told(gap)[:2] for gap in sink.gaps] == [(at(-9 * DAY), at(-49))]
