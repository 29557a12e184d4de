"""The simulated X: search by ids and pages, limits that are counted, and its errors in both forms."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from contracts.errors import NoDataError, SettingsError
from simulator.config import SimulatorConfig
from simulator.faults import Fault, FaultKind
from simulator.import_posts import import_posts
from simulator.market import Market
from simulator.recording import read_file
from simulator.wire import Request, venue_time
from simulator.x import SEARCH
from simulator.x.allowance import Plan
from simulator.x.generated import GeneratedPosts
from simulator.x.recorded import RecordedPosts, shift_body
from simulator.x.tape import id_at, ms_of
from simulator.x.venue import X
from tests.unit.simulator.conftest import Start
from tests.unit.simulator.fakes import NOON, FakeWall

TOKEN = {"authorization": "Bearer some-token"}
ALL = {
    "tweet.fields": "created_at,public_metrics,author_id,lang",
    "expansions": "author_id",
    "user.fields": "public_metrics",
}


class Client:
    def __init__(self, plan: Plan | None = None, a_minute: int = 20, seed: int = 7) -> None:
        self.venue = X(GeneratedPosts(Market(seed), a_minute), plan or Plan())
        self.now = NOON
        self.status = 0
        self.headers: dict[str, str] = {}

    def get(self, headers: dict[str, str] = TOKEN, /, *, path: str = SEARCH, **query: str) -> Any:
        answer = self.venue.answer(Request(path, {"query": "bitcoin", **query}, headers), self.now, self.now)
        self.status, self.headers = answer.status, dict(answer.headers)
        return msgspec.json.decode(answer.body)


def ids(body: Any) -> list[int]:
    return [int(item["id"]) for item in body.get("data", [])]


def test_pages_hold_everything_once_the_newest_first_and_a_token_names_the_same_page_again() -> None:
    client = Client()
    since = str(id_at(int((NOON - dt.timedelta(minutes=20)).timestamp() * 1000)))
    page = client.get(since_id=since, max_results="100")
    found = ids(page)
    while token := page["meta"].get("next_token"):
        page, again = (client.get(since_id=since, max_results="100", next_token=token) for _ in range(2))
        assert page == again
        assert (page["meta"]["newest_id"], page["meta"]["oldest_id"]) == (str(ids(page)[0]), str(ids(page)[-1]))
        assert page["meta"]["result_count"] == len(ids(page))
        found += ids(page)
    assert found == sorted(set(found), reverse=True)
    assert 250 < len(found) < 600
    assert min(found) > int(since)
    last = NOON - dt.timedelta(seconds=30)
    assert last - dt.timedelta(seconds=30) < dt.datetime.fromtimestamp(ms_of(found[0]) / 1000, dt.UTC) < last


def test_what_is_found_at_one_time_is_what_was_found_before_and_more() -> None:
    client = Client()
    client.now = NOON - dt.timedelta(seconds=47)
    before = ids(client.get(max_results="10"))
    client.now = NOON
    after = ids(client.get(max_results="100", since_id=str(before[-1] - 1)))
    assert after[-len(before) :] == before
    assert ids(client.get(max_results="100", since_id=str(before[0]))) == after[: -len(before)]


def test_a_search_without_hits_has_no_data() -> None:
    assert Client().get(query="dogecoin") == {"meta": {"result_count": 0}}
    assert Client(a_minute=0).get() == {"meta": {"result_count": 0}}


def test_fields_are_there_where_they_are_asked_for() -> None:
    bare, whole = Client().get(), Client().get(**ALL)
    assert set(bare) == {"data", "meta"}
    assert set(bare["data"][0]) == {"id", "text", "edit_history_tweet_ids"}
    assert set(whole["data"][0]) == {*bare["data"][0], "created_at", "lang", "author_id", "public_metrics"}
    assert {user["id"] for user in whole["includes"]["users"]} == {item["author_id"] for item in whole["data"]}
    assert all(user["public_metrics"]["followers_count"] > 0 for user in whole["includes"]["users"])
    second = dt.datetime.fromisoformat(whole["data"][0]["created_at"]).timestamp()
    assert second == ms_of(int(whole["data"][0]["id"])) // 1000


def test_the_posts_of_a_seed_are_always_the_same_and_those_of_each_coin_name_it() -> None:
    assert Client().get(max_results="100") == Client().get(max_results="100") != Client(seed=8).get(max_results="100")
    for query, names in (("bitcoin lang:en", ("BTC", "Bitcoin")), ("Ethereum", ("ETH", "Ethereum"))):
        texts = [item["text"] for item in Client().get(query=query, max_results="100")["data"]]
        assert len(set(texts)) > 8
        assert all(any(name in text for name in names) for text in texts)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"query": ""}, "query"),
        ({"query": "b" * 513}, "query"),
        ({"max_results": "9"}, "max_results"),
        ({"max_results": "101"}, "max_results"),
        ({"since_id": "abc"}, "since_id"),
        ({"next_token": "abc"}, "next_token"),
    ],
)
def test_a_request_that_is_not_valid_is_told_which_parameter(query: dict[str, str], parameter: str) -> None:
    client = Client()
    body = client.get(**query)
    assert client.status == 400
    assert body["title"] == "Invalid Request"
    assert list(body["errors"][0]["parameters"]) == [parameter]


def test_an_id_of_more_than_seven_days_ago_is_refused_with_one_that_would_do() -> None:
    client = Client()
    week_ago = id_at(int((NOON - dt.timedelta(days=7)).timestamp() * 1000))
    message = client.get(since_id=str(week_ago - 1))["errors"][0]["message"]
    assert message == (
        "'since_id' must be a tweet id created after 2026-11-15T12:00Z."
        f" Please use a 'since_id' that is larger than {week_ago}"
    )
    client.get(since_id=str(week_ago))
    assert client.status == 200


def test_requests_of_fifteen_minutes_are_counted_and_refused_until_the_reset() -> None:
    client = Client(Plan(requests_per_window=3))
    reset = str(int(NOON.timestamp()) + 900)
    left = []
    for _ in range(4):
        body = client.get()
        left.append((client.status, client.headers["x-rate-limit-remaining"]))
        assert (client.headers["x-rate-limit-limit"], client.headers["x-rate-limit-reset"]) == ("3", reset)
    assert left == [(200, "2"), (200, "1"), (200, "0"), (429, "0")]
    assert body == {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
    client.get({"authorization": "Bearer another"})
    assert client.status == 200
    client.now += dt.timedelta(minutes=15)
    client.get()
    assert (client.status, client.headers["x-rate-limit-remaining"]) == (200, "2")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer "}, {"authorization": "Bearer expired"}])
def test_a_token_that_is_not_the_one_that_is_let_in_is_unauthorized(headers: dict[str, str]) -> None:
    client = Client(Plan(token="valid"))
    body = client.get(headers)
    assert body == {"title": "Unauthorized", "detail": "Unauthorized", "type": "about:blank", "status": 401}
    assert client.status == 401


async def test_both_forms_of_429_can_be_asked_for_and_say_when_the_window_ends(
    start: Start, wall: FakeWall, session: aiohttp.ClientSession
) -> None:
    faults = tuple(Fault(venue="x", kind=FaultKind.RATE_LIMITED, code=code) for code in (None, 88))
    server = await start(SimulatorConfig(seed=7, faults=faults))
    bodies = []
    for _ in range(3):
        async with session.get(server.url("x") + SEARCH, params={"query": "bitcoin"}, headers=TOKEN) as response:
            bodies.append((response.status, await response.json()))
            reset = int(response.headers["x-rate-limit-reset"])
            assert (
                0
                < reset
                - dt.datetime.strptime(response.headers["Date"], "%a, %d %b %Y %H:%M:%S %Z")
                .replace(tzinfo=dt.UTC)
                .timestamp()
                <= 900
            )
    assert bodies[0] == (
        429,
        {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429},
    )
    assert bodies[1] == (429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]})
    assert bodies[2][0] == 200
    async with session.get(f"{server.control}/requests", params={"venue": "x"}) as response:
        log = await response.text()
    assert [entry["status"] for entry in json.loads(log)] == [429, 429, 200]
    assert "some-token" not in log


def test_rows_can_be_changed_and_repeated_by_id() -> None:
    client = Client()
    body = client.get()
    row = body["data"][0]["id"]
    assert client.venue.override(body, row, {"text": 5})
    assert client.venue.duplicate(body, row)
    assert not client.venue.override(body, "1", {"text": 5})
    assert (body["data"][-1]["text"], body["meta"]["result_count"], len(body["data"])) == (5, 11, 11)


def test_posts_of_a_recording_that_is_shifted_keep_times_and_ids_together() -> None:
    day = dt.timedelta(days=1)
    body = Client().get(**ALL)
    moved = json.loads(shift_body(json.dumps(body).encode(), day))
    for before, after in zip(body["data"], moved["data"], strict=True):
        assert dt.datetime.fromisoformat(after["created_at"]) - dt.datetime.fromisoformat(before["created_at"]) == day
        assert ms_of(int(after["id"])) - ms_of(int(before["id"])) == 86_400_000
        assert (after["text"], after["author_id"]) == (before["text"], before["author_id"])
    assert moved["meta"]["newest_id"] == moved["data"][0]["id"]


def test_a_recording_is_paged_by_the_query_it_was_made_with_and_by_no_other(tmp_path: Path) -> None:
    count, second = 25, int(NOON.timestamp()) - 3600
    path = tmp_path / "posts.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"id": str(id_at((second + n) * 1000)), "text": "gm", "created_at": venue_time(NOON)})
            for n in range(count)
        )
    )
    assert import_posts(path, tmp_path / "out", "bitcoin lang:en") == count
    client = Client()
    client.venue = X(RecordedPosts(read_file(tmp_path / "out" / "x.jsonl.gz")), Plan())
    found, token = [], {}
    while True:
        page = client.get(query="bitcoin lang:en", **token)
        found.append(ids(page))
        if "next_token" not in page["meta"]:
            break
        token = {"next_token": page["meta"]["next_token"]}
    assert [len(one) for one in found] == [10, 10, 5]
    assert [number for one in found for number in one] == [id_at((second + n) * 1000) for n in reversed(range(count))]
    assert client.get(query="bitcoin") == {"meta": {"result_count": 0}}
    with pytest.raises(
        SettingsError, match=r"posts\.jsonl line 1: expected a post with id, text and created_at, found"
    ):
        path.write_text('{"id": "1"}')
        import_posts(path, tmp_path / "out", "bitcoin")
    with pytest.raises(NoDataError, match="import: expected recorded posts at"):
        import_posts(tmp_path / "none.jsonl", tmp_path, "bitcoin")
