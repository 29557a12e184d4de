"""The feed of posts: pages and ids, restarts, holes, and the follower around it."""

import asyncio
import contextlib
import dataclasses
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.errors import CoinlakeError, TransientSourceError
from contracts.records import Gap, Post, Record, Rejected, replace
from contracts.settings import IngestSettings
from contracts.streams import BITCOIN
from ingest.follow import Follower
from ingest.gaps import NOT_RUNNING
from ingest.http import Answer
from ingest.metrics import Metrics
from ingest.sources.x.feed import PostFeed
from ingest.sources.x.parse import Search
from ingest.sources.x.post_ids import first_id_at
from ingest.venues import BY_DEFAULT, PUSHED
from tests.unit.contracts.test_posts import post
from tests.unit.ingest.fakes import NOON, FakeHttp, FakeTail, FakeTime, ListSink, answer, at, surroundings
from tests.unit.ingest.test_x_search import NO_HIT, RESET, limited, page

SETTINGS = IngestSettings(_env_file=None, x_url="http://venue/x", x_bearer_token=SecretStr("t"), x_poll_seconds=10)
OLD = {
    "errors": [
        {"parameters": {"since_id": ["1"]}, "message": "'since_id' must be a tweet id created after 2024-03-12."}
    ],
    "title": "Invalid Request",
}
DOWN = TransientSourceError("http://venue: expected status 200, found 503", kind="http_5xx")


class Stage:
    """A venue by script, the feed in front of it, and the time both have."""

    def __init__(self, *answers: Answer | CoinlakeError, stale: list[tuple[str, int]] | None = None) -> None:
        self.time = FakeTime()
        self.http = FakeHttp(*answers)
        self.script_is_over = asyncio.Event()
        self._length = len(answers)
        around = surroundings(self.http, self.time, stale)
        around = dataclasses.replace(around, clock=dataclasses.replace(around.clock, sleep=self._sleep))
        self.feed = PostFeed("x_bitcoin", Search(BITCOIN, "q"), SETTINGS, around)

    async def _sleep(self, seconds: float) -> None:
        if len(self.http.requests) == self._length:
            self.script_is_over.set()
            await asyncio.Event().wait()
        await self.time.sleep(seconds)

    async def polls(self, count: int) -> list[list[Record]]:
        """Return what whole polls yield."""
        found: list[list[Record]] = [[]]
        async with contextlib.aclosing(self.feed.records()) as records:
            async for record in records:
                if record is not None:
                    found[-1].append(record)
                    continue
                if len(found) == count:
                    return found
                found.append([])
        return found

    def asked(self, name: str) -> list[str | None]:
        return [params.get(name) for _, params, _ in self.http.requests]


WEEK = 7 * 86_400


def ids(records: list[Record]) -> list[int]:
    return [int(record.post_id) for record in records if isinstance(record, Post)]


async def test_all_pages_have_one_since_id_and_the_first_pages_newest_id_is_the_next() -> None:
    stage = Stage(
        *map(answer, (page(9, 8, token="old"), page(15, 14, token="b"), page(13, token="c"), page(10), NO_HIT))
    )
    [begun, *first], second, third = await stage.polls(3)
    assert stage.asked("since_id") == [None, "9", "9", "9", "15"]
    assert stage.asked("next_token") == [None, None, "b", "c", None]
    assert (ids(first), ids(second), third) == ([8, 9], [10, 13, 14, 15], []), "oldest first"
    assert isinstance(begun, Gap)


async def test_polls_are_due_every_ten_seconds_also_after_one_that_failed() -> None:
    stage = Stage(*[answer(NO_HIT)] * 2, DOWN, answer(NO_HIT))
    await stage.polls(2)
    assert stage.time.seconds == 10
    with pytest.raises(TransientSourceError):
        await stage.polls(1)
    await stage.polls(1)
    assert stage.time.seconds == 30


async def test_after_a_poll_without_hits_nothing_that_comes_is_left_out() -> None:
    stage = Stage(answer(NO_HIT), answer(NO_HIT))
    await stage.polls(2)
    assert stage.asked("since_id") == [None, str(first_id_at(at(-30)))]


async def test_a_poll_that_breaks_off_goes_on_with_its_page_and_yields_nothing_before() -> None:
    stage = Stage(answer(page(9)), answer(page(15, token="b")), DOWN, answer(page(12)))
    await stage.polls(1)
    with pytest.raises(TransientSourceError):
        await stage.polls(1)
    assert not stage.feed.whole
    [found] = await stage.polls(1)
    assert ids(found) == [12, 15]
    assert stage.asked("next_token") == [None, None, "b", "b"]
    assert stage.asked("since_id") == [None, "9", "9", "9"]


async def test_a_page_that_is_not_known_any_more_begins_the_poll_anew() -> None:
    gone = answer({"errors": [{"parameters": {"next_token": ["b"]}, "message": "Invalid"}]}, status=400)
    stage = Stage(answer(page(9)), answer(page(15, token="b")), gone, answer(page(16, 15)))
    await stage.polls(1)
    with pytest.raises(TransientSourceError):
        await stage.polls(1)
    assert ids((await stage.polls(1))[0]) == [15, 16]
    assert stage.asked("since_id") == [None, "9", "9", "9"]
    assert stage.asked("next_token") == [None, None, "b", None]


async def test_a_venue_that_turns_in_a_circle_is_an_error() -> None:
    stage = Stage(answer(page(9)), answer(page(15, token="b")), answer(page(14, token="b")))
    await stage.polls(1)
    with pytest.raises(TransientSourceError, match="expected another next_token, found b"):
        await stage.polls(1)


async def test_posts_that_come_twice_or_are_older_than_the_newest_are_left_out() -> None:
    stale: list[tuple[str, int]] = []
    stage = Stage(answer(page(9)), answer(page(15, 12, token="b")), answer(page(12, 11, 9)), stale=stale)
    first, second = await stage.polls(2)
    assert (ids(first), ids(second)) == ([9], [11, 12, 15])
    assert stale == [("x_bitcoin", 1)]


async def test_what_is_no_post_and_errors_beside_posts_are_kept_with_the_reason() -> None:
    body = page(9) | {"errors": [{"title": "Not Found Error", "resource_id": "5"}]}
    body["data"].append({"id": "8"})
    body["meta"]["result_count"] = 2
    [found] = await Stage(answer(body)).polls(1)
    refused = [record for record in found if isinstance(record, Rejected)]
    assert ids(found) == [9]
    assert [(record.reason[:60], record.payload) for record in refused] == [
        ("text: expected a text, found nothing", b'{"id": "8"}'),
        (
            "expected posts alone, found an error beside them: {\"title\": ",
            b'{"title": "Not Found Error", "resource_id": "5"}',
        )
    ]  # fmt: skip


def kept(*numbers: int, received: float) -> list[Record]:
    return [post(post_id=str(number), event_time=at(received - 30), ingest_time=at(received)) for number in numbers]


async def test_a_restart_goes_on_where_all_is_settled_and_yields_nothing_twice() -> None:
    stage = Stage(answer(page(26, 25, 23, 22)))
    # Of the newest minute a batch may be there in part: 22 was cut off by the kill.
    stage.feed.resume([*kept(11, 10, received=0), *kept(21, received=100), *kept(23, 25, received=130)], [])
    assert ids((await stage.polls(1))[0]) == [22, 26]
    assert stage.asked("since_id") == ["11"]


async def test_a_restart_after_one_poll_alone_begins_at_its_oldest_post() -> None:
    stage = Stage(answer(NO_HIT))
    stage.feed.resume(kept(12, 10, 11, received=0), [])
    await stage.polls(1)
    assert stage.asked("since_id") == ["9"]


def open_gap(since: float) -> Gap:
    return Gap(
        **{"venue": "x", "event_time": at(since), "ingest_time": at(since), "symbol": "*", "stream": "bitcoin"},
        **{"from_time": at(since), "cause": "HTTP 503", "recoverable": True},
    )


def begun(since: float = -80 * 86400) -> Gap:
    """Return the Gap before a first search long ago."""
    return replace(open_gap(since), to_time=at(since + 1), recoverable=False, cause="the first search")


async def test_where_only_an_open_gap_is_left_it_begins_there() -> None:
    stage = Stage(answer(NO_HIT))
    stage.feed.resume([], [begun(), open_gap(-3600)])
    await stage.polls(1)
    assert stage.asked("since_id") == [str(first_id_at(at(-3600)))]


async def test_an_id_that_is_too_old_is_a_hole_on_record_and_the_feed_begins_anew() -> None:
    stage = Stage(answer(OLD, status=400), answer(page(99, 98, token="more")), answer(page(100)))
    stage.feed.resume(kept(10, received=-9 * 86400), [])
    first, second = await stage.polls(2)
    assert stage.asked("since_id") == ["9", None, "99"]
    gap = first[0]
    assert isinstance(gap, Gap)
    assert (gap.from_time, gap.to_time, gap.recoverable, gap.repaired_at) == (at(-9 * 86400 - 30), at(1), False, None)
    assert gap.cause.startswith("older than the 7 days that are searched: x: 'since_id' must be")
    assert (ids(first), ids(second)) == ([98, 99], [100])


async def test_the_hole_of_an_old_id_is_told_though_the_next_request_fails() -> None:
    stage = Stage(answer(OLD, status=400), DOWN, answer(NO_HIT))
    stage.feed.resume(kept(10, received=-9 * 86400), [])
    with pytest.raises(TransientSourceError):
        await stage.polls(1)
    [[gap]] = await stage.polls(1)
    assert isinstance(gap, Gap)
    # The venue has nothing of its 7 days, so before them alone something may be missing.
    assert (gap.from_time, gap.to_time) == (at(-9 * 86400 - 30), at(1 - WEEK))


async def followed(stage: Stage, tail: FakeTail) -> ListSink:
    """Follow to the end of the script, and return what was sent."""
    sink, clock = ListSink(), stage.time.clock()
    metrics, stop = Metrics(["x_bitcoin"], clock.monotonic), stage.script_is_over
    follower = Follower(stage.feed, sink, metrics, clock, stop=stop, drain_seconds=5)
    await follower.resume(tail)
    outcome = await asyncio.wait_for(follower.run(None), 10)
    assert not outcome.fatal
    assert not outcome.unwritten
    return sink


def told(gap: Gap) -> tuple[object, ...]:
    return gap.from_time, gap.to_time, gap.cause.split(":")[0], gap.recoverable, gap.repaired_at is not None


FIRST = (at(-WEEK), at(1 - WEEK), "the first search", False, False)
STOPPED = (NOON, None, NOT_RUNNING, True, False)


async def test_an_outage_that_is_filled_again_is_a_gap_that_is_repaired() -> None:
    moved = [dataclasses.replace(one, date=at(seconds)) for one, seconds in ((answer(page(12, 11)), 60),)]
    stage = Stage(answer(page(9)), DOWN, DOWN, DOWN, *moved)
    sink = await followed(stage, FakeTail())
    assert ids(sink.records(BITCOIN)) == [9, 11, 12]
    first, opened, closed, stopped = sink.gaps
    assert told(first) == FIRST
    assert told(opened) == (NOON, None, "http", True, False)
    assert told(closed) == (NOON, at(30), "http", True, True)
    assert told(stopped) == (at(30), None, NOT_RUNNING, True, False)


async def test_an_open_gap_that_turns_out_too_old_is_ended_once_and_never_called_repaired() -> None:
    stage = Stage(answer(OLD, status=400), answer(page(99)), answer(NO_HIT))
    sink = await followed(stage, FakeTail(gaps=[begun(), open_gap(-9 * 86400)]))
    old, stopped = sink.gaps
    assert told(old) == (at(-9 * 86400), at(1 - WEEK), "older than the 7 days that are searched", False, False)
    assert told(stopped) == STOPPED


async def test_a_limit_that_is_used_up_is_waited_out_and_leaves_no_hole() -> None:
    refused = limited({"errors": [{"code": 88}]}, 429, reset=RESET)
    stage = Stage(answer(page(9)), refused, answer(page(12, 11)), answer(NO_HIT))
    sink = await followed(stage, FakeTail())
    assert ids(sink.records(BITCOIN)) == [9, 11, 12]
    assert [told(gap) for gap in sink.gaps] == [FIRST, STOPPED]
    assert stage.time.seconds >= 600


def test_the_feeds_are_taken_where_they_are_asked_for_alone() -> None:
    assert {"x_bitcoin", "x_ethereum"} <= set(PUSHED)
    assert not {"x_bitcoin", "x_ethereum"} & set(BY_DEFAULT)
    built: Any = PUSHED["x_ethereum"](SETTINGS, surroundings(FakeHttp(), FakeTime()))
    assert (built.name, built.venue, built.stream.topic) == ("x_ethereum", "x", "ethereum")
