"""Recorded posts: read as they are, and played through the venue's protocol into the topic, against json alone."""

import asyncio
import datetime as dt
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from contracts.records import Post, Record, Rejected, decode, encode
from contracts.settings import IngestSettings
from contracts.streams import BITCOIN, INGEST_REJECTED
from ingest.clock import Clock
from ingest.follow import Follower
from ingest.gaps import NOT_RUNNING
from ingest.http import AiohttpClient
from ingest.metrics import Metrics
from ingest.posts_file import read_posts
from ingest.runner import Outcome
from ingest.source import Surroundings
from ingest.sources.x.feed import PostFeed
from ingest.sources.x.parse import Receipt, Search, parse_post
from ingest.sources.x.refusals import WINDOW_SECONDS
from ingest.sources.x.search import page_of
from ingest.weight import WeightBudget
from ingest.wire_json import load
from simulator.config import SimulatorConfig
from simulator.faults import Fault, FaultKind
from simulator.import_posts import import_posts
from simulator.server import Listening, running
from simulator.x.allowance import Plan
from tests.unit.ingest.fakes import FakeTail, ListSink, no_web_socket

DATA = Path(__file__).parents[3] / "shared" / "data" / "x"
POSTS = DATA / "bitcoin_2021-11-10.jsonl"
ANSWER = DATA / "recent_search_response_real.json"
TOKEN = "a-token"
QUERY = IngestSettings.model_fields["x_query_bitcoin"].default
BEGIN = dt.datetime(2021, 11, 10, 8, 59, tzinfo=dt.UTC)
END = dt.datetime(2021, 11, 10, 9, 44, tzinfo=dt.UTC)
LATE = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)

pytestmark = pytest.mark.skipif(not POSTS.exists(), reason=f"the recorded posts are not at {DATA}")


def recorded() -> list[dict[str, Any]]:
    """Read the posts with the standard library alone."""
    return [json.loads(line) for line in POSTS.read_text(encoding="utf-8").splitlines()]


def told(item: dict[str, Any]) -> tuple[object, ...]:
    metrics = item["public_metrics"]
    return (
        *(item["id"], item["text"], dt.datetime.fromisoformat(item["created_at"]), item["lang"], item["author_id"]),
        *(metrics["like_count"], metrics["retweet_count"], item["author_followers"]),
    )


def said(post: Post) -> tuple[object, ...]:
    return (
        *(post.post_id, post.text, post.event_time, post.lang, post.author_id),
        *(post.likes, post.reposts, post.followers),
    )


def test_the_real_answer_is_read_and_its_ids_say_when_each_post_was_made() -> None:
    """It was asked without fields; each text says the moment at which its author's program wrote it."""
    exchange = json.loads(ANSWER.read_text())
    page = page_of(load(json.dumps(exchange["body"])), LATE)
    receipt = Receipt(LATE, dt.timedelta(seconds=60))
    posts = [parse_post(item, page.authors, Search(BITCOIN, "Tweepy"), receipt) for item in page.items]
    assert len(posts) == exchange["body"]["meta"]["result_count"] == 10
    assert (page.newest_id, page.next_token) == (1578516068309794817, exchange["body"]["meta"]["next_token"])
    for post, item in zip(posts, exchange["body"]["data"], strict=True):
        assert isinstance(post, Post)
        assert (post.post_id, post.text, post.likes, post.lang) == (item["id"], item["text"], None, None)
        assert json.loads(post.raw) == {"data": item}
        written = dt.datetime.fromisoformat(item["text"].removesuffix(" tweepy") + "+00:00")
        assert dt.timedelta(0) < post.event_time - written < dt.timedelta(milliseconds=200)
        assert decode(encode(post), Post) == post


class Life:
    """Clocks that run as the simulator's does, so that waits of minutes are of its minutes."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._loop = asyncio.get_running_loop()

    def monotonic(self) -> float:
        return self._loop.time() * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    def clock(self) -> Clock:
        return Clock(monotonic=self.monotonic, sleep=self.sleep)


async def run_once(
    server: Listening, sink: ListSink, speed: float, *, until: dt.datetime, **settings: Any
) -> tuple[Outcome, PostFeed]:
    """Follow with a new feed that takes up from the sink, until the venue's clock is at a moment."""
    life = Life(speed)
    clock = life.clock()
    ingest = IngestSettings(_env_file=None, x_url=server.url("x"), x_bearer_token=SecretStr(TOKEN), **settings)
    async with aiohttp.ClientSession() as session:
        around = Surroundings(
            http=AiohttpClient(session, timeout_seconds=5, now=clock.now),
            now=clock.now,
            max_ahead=dt.timedelta(seconds=60),
            count_stale=lambda *_: None,
            clock=clock,
            connect=no_web_socket,
            weight=WeightBudget(3000, clock.monotonic),
            attempts=WeightBudget(55, clock.monotonic),
            x_requests=WeightBudget(ingest.x_requests_per_window, clock.monotonic, window_seconds=WINDOW_SECONDS),
        )
        feed = PostFeed("x_bitcoin", Search(BITCOIN, QUERY), ingest, around)
        stop = asyncio.Event()
        follower = Follower(feed, sink, Metrics([feed.name], clock.monotonic), clock, stop=stop, drain_seconds=5)
        records: Sequence[Record] = sink.records(BITCOIN)
        gaps = {gap.from_time: gap for gap in sink.gaps}
        await follower.resume(FakeTail(records=records, gaps=list(gaps.values())))
        run = asyncio.create_task(follower.run(None))
        for _ in range(1200):
            if run.done() or (feed.whole and feed.newest is not None and feed.newest >= until):
                break
            await asyncio.sleep(0.02)
        stop.set()
        return await run, feed


async def requests(server: Listening) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(
        f"{server.control}/requests", params={"venue": "x"}
    ) as response:  # fmt: skip
        found: list[dict[str, Any]] = await response.json()
        return found


def found(sink: ListSink) -> list[Post]:
    return [record for record in sink.records(BITCOIN) if isinstance(record, Post)]


def over_the_limit(log: list[dict[str, Any]], limit: int) -> int:
    """Count the requests in the fullest 15 minutes of the venue's clock, beyond a limit."""
    times = [dt.datetime.fromisoformat(entry["simulated_time"]) for entry in log]
    return max(sum(since <= one < since + dt.timedelta(minutes=15) for one in times) for since in times) - limit


async def test_all_2137_recorded_posts_come_through_the_venues_protocol_once_over_a_restart(tmp_path: Path) -> None:
    assert import_posts(POSTS, tmp_path, QUERY) == 2_137
    sink, speed = ListSink(), 900.0
    async with running(SimulatorConfig(recording=tmp_path, begin=BEGIN, speed=speed)) as server:
        outcomes = [
            (await run_once(server, sink, speed, until=until, x_max_results=most))[0]
            for until, most in ((BEGIN + dt.timedelta(minutes=15), 50), (END, 100))
        ]
        log = await requests(server)
    assert sorted(said(post) for post in found(sink)) == sorted(told(item) for item in recorded())
    by_id = {item["id"]: item for item in recorded()}
    for post in found(sink):
        kept, item = json.loads(post.raw), by_id[post.post_id]
        assert [kept["data"][name] for name in ("text", "public_metrics")] == [item["text"], item["public_metrics"]]
        assert kept["includes"]["users"][0]["public_metrics"] == {"followers_count": item["author_followers"]}
    assert sink.records(INGEST_REJECTED) == []
    first, stopped, filled, ended = sink.gaps
    assert first.cause.startswith("the first search")
    assert (stopped.from_time, stopped.to_time, stopped.cause) == (filled.from_time, None, NOT_RUNNING)
    assert filled.repaired_at is not None
    assert ended.to_time is None
    assert all(outcome.served and not outcome.fatal and not outcome.unwritten for outcome in outcomes)
    pages = Counter(entry["query"].get("since_id") for entry in log)
    assert max(pages.values()) > 1, "several pages of one poll, all with one since_id"
    assert len(pages) > 10, "several polls"
    assert {entry["status"] for entry in log} == {200}
    assert over_the_limit(log, 450) <= 0


async def test_a_small_limit_is_obeyed_and_all_posts_come_all_the_same(tmp_path: Path) -> None:
    import_posts(POSTS, tmp_path, QUERY)
    sink, speed, limit = ListSink(), 900.0, 30
    config = SimulatorConfig(recording=tmp_path, begin=BEGIN, speed=speed, x=Plan(requests_per_window=limit))
    async with running(config) as server:
        outcome, _ = await run_once(server, sink, speed, until=END)
        log = await requests(server)
    assert sorted(said(post) for post in found(sink)) == sorted(told(item) for item in recorded())
    assert {entry["status"] for entry in log} == {200}, "nothing was asked that the venue had to refuse"
    assert not outcome.fatal
    assert len(log) > limit, "the limit was reached"


async def test_faults_of_all_kinds_and_both_forms_of_429_lose_and_double_nothing(tmp_path: Path) -> None:
    import_posts(POSTS, tmp_path, QUERY)
    kinds = (FaultKind.SERVER_ERROR, FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.CUT, FaultKind.DISCONNECT)
    faults = [Fault(venue="x", kind=kind, after_seconds=120 * n) for n, kind in enumerate(kinds, start=1)]
    faults += [
        Fault(venue="x", kind=FaultKind.RATE_LIMITED, code=code, after_seconds=after)
        for code, after in ((None, 900), (88, 1500))
    ]
    sink, speed = ListSink(), 900.0
    config = SimulatorConfig(recording=tmp_path, begin=BEGIN, speed=speed, faults=tuple(faults))
    async with running(config) as server:
        await run_once(server, sink, speed, until=END)
        log = await requests(server)
    assert sorted(said(post) for post in found(sink)) == sorted(told(item) for item in recorded())
    assert {entry["fault"] for entry in log} == {None, *kinds, FaultKind.RATE_LIMITED}
    for before, after in itertools.pairwise(log):
        if before["status"] == 429:
            waited = dt.datetime.fromisoformat(after["simulated_time"]) - dt.datetime.fromisoformat(
                before["simulated_time"]
            )
            assert waited > dt.timedelta(seconds=10), "until the window ends, and not until the next poll"


async def test_an_expired_token_ends_the_feed_with_one_clear_line_and_an_open_gap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_posts(POSTS, tmp_path, QUERY)
    sink = ListSink()
    expired = Fault(venue="x", kind=FaultKind.ERROR, status=401, after_seconds=600, for_seconds=86_400)
    config = SimulatorConfig(recording=tmp_path, begin=BEGIN, speed=900, faults=(expired,))
    async with running(config) as server:
        outcome, _ = await run_once(server, sink, 900, until=END)
    line = "x: the bearer token is expired or wrong: check COINLAKE_X_BEARER_TOKEN (status 401)"
    lines = [text for text in capsys.readouterr().out.splitlines() if "source_fatal" in text]
    assert len(lines) == 1
    assert line in lines[0]
    assert TOKEN not in lines[0]
    assert outcome.fatal
    assert outcome.served
    _, gap = sink.gaps
    assert (gap.stream, gap.cause, gap.to_time, gap.recoverable) == ("bitcoin", line, None, True)


def test_recorded_files_are_read_whole_and_rows_without_an_id_are_kept_with_their_lines() -> None:
    max_ahead = dt.timedelta(seconds=60)
    posts = list(read_posts(POSTS, BITCOIN, LATE, max_ahead))
    assert [said(post) for post in posts if isinstance(post, Post)] == [told(item) for item in recorded()]
    timeline = DATA / "account_timeline_bitcoin_to_2018-06.jsonl"
    items = [json.loads(line) for line in timeline.read_text(encoding="utf-8").splitlines()]
    read = [post for post in read_posts(timeline, BITCOIN, LATE, max_ahead) if isinstance(post, Post)]
    assert [(post.post_id, post.text, post.likes) for post in read] == [(i["id"], i["text"], None) for i in items]
    spam = DATA / "spam_labelled_2019.jsonl"
    lines = spam.read_text(encoding="utf-8").split("\n")[:-1]
    refused = [row for row in read_posts(spam, BITCOIN, LATE, max_ahead) if isinstance(row, Rejected)]
    assert [row.reason for row in refused] == [
        f"{spam.name} line {number}: id: expected a text, found nothing" for number in range(1, len(lines) + 1)
    ]
    assert [json.loads(row.payload) for row in refused] == [json.loads(line) for line in lines]
