"""X's answers, errors and limits, one request at a time."""

import dataclasses
import json
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import Post, Rejected
from contracts.settings import IngestSettings
from contracts.streams import BITCOIN
from ingest.http import Answer
from ingest.sources.x.parse import Receipt, Search, authors_of, parse_post
from ingest.sources.x.post_ids import first_id_at, time_of
from ingest.sources.x.refusals import WINDOW_SECONDS, SinceIdTooOldError
from ingest.sources.x.search import RecentSearch
from ingest.weight import WeightBudget
from ingest.wire_json import load
from tests.unit.ingest.fakes import NOON, FakeHttp, FakeTime, answer, at, surroundings

NO_HIT = {"meta": {"result_count": 0}}
RESET = int(NOON.timestamp()) + 600
SECRET = "AAAA-not-to-be-seen"


def page(*ids: int, token: str | None = None, **item: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {"newest_id": str(max(ids)), "oldest_id": str(min(ids)), "result_count": len(ids)}
    items = [{"id": str(one), "text": f"post {one}", "created_at": "2024-03-19T12:00:00.000Z", **item} for one in ids]
    return {"data": items, "meta": meta | ({"next_token": token} if token else {})}


def limited(body: Any, status: int = 200, **headers: object) -> Answer:
    named = {f"x-rate-limit-{name}": str(value) for name, value in headers.items()}
    return dataclasses.replace(answer(body, status=status), headers=named)


def asking(*answers: Answer, time: FakeTime | None = None, token: str = SECRET) -> tuple[RecentSearch, FakeHttp]:
    http = FakeHttp(*answers)
    settings = IngestSettings(_env_file=None, x_url="http://venue/x", x_bearer_token=SecretStr(token))
    return RecentSearch(settings, surroundings(http, time or FakeTime())), http


def parsed(item: dict[str, Any], includes: Any = None) -> Post | Rejected:
    body: Any = load(json.dumps({"item": item, "includes": includes}))
    receipt = Receipt(ingest_time=at(1), max_ahead=at(60) - NOON)
    return parse_post(body["item"], authors_of(body["includes"]), Search(BITCOIN, "bitcoin"), receipt)


ITEM = {
    **{"id": "1578516068309794817", "text": "gm", "created_at": "2024-03-19T11:59:00.000Z", "lang": "en"},
    **{"author_id": "7", "public_metrics": {"retweet_count": 1, "reply_count": 2, "like_count": 3, "quote_count": 4}},
}
AUTHOR = {"users": [{"id": "7", "public_metrics": {"followers_count": 99}}]}


def test_a_post_and_its_author_become_a_record_that_keeps_both_as_they_came() -> None:
    found = parsed(ITEM, AUTHOR)
    assert isinstance(found, Post)
    assert (found.venue, found.coin, found.post_id, found.found_by) == ("x", "bitcoin", ITEM["id"], "bitcoin")
    assert (found.event_time, found.ingest_time) == (at(-60), at(1))
    assert (found.text, found.lang, found.author_id) == ("gm", "en", "7")
    assert (found.reposts, found.replies, found.likes, found.quotes, found.followers) == (1, 2, 3, 4, 99)
    assert load(found.raw) == load(json.dumps({"data": ITEM, "includes": AUTHOR}))


def test_what_is_not_told_is_null_and_the_time_is_then_that_of_the_id() -> None:
    found = parsed({"id": "1578516068309794817", "text": "gm"})
    assert isinstance(found, Post)
    assert (found.lang, found.author_id, found.likes, found.reposts, found.followers) == (None,) * 5
    # The id's own rule, worked out apart: milliseconds since the epoch of the ids, above 22 bits.
    assert found.event_time.timestamp() * 1000 == (1578516068309794817 >> 22) + 1288834974657


def test_ids_and_times_are_each_others_inverse_to_the_millisecond() -> None:
    assert time_of(first_id_at(at(0.123))) == at(0.123)
    assert time_of(first_id_at(at(0.123)) - 1) == at(0.122)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": 5}, "id: expected a text, found 5"),
        ({"id": "five"}, 'id: expected a text of up to 19 digits, found "five"'),
        ({"text": None}, "text: expected a text, found null"),
        ({"created_at": "today"}, 'created_at: expected an RFC 3339 time, found "today"'),
        ({"public_metrics": []}, "public_metrics: expected an object, found []"),
        ({"public_metrics": {"like_count": 1.5}}, "like_count: expected a whole number of at least 0, found 1.5"),
        (
            {"created_at": "2024-03-19T12:01:02Z"},
            "created_at: expected at most 60 s ahead of the ingest time 2024-03-19T12:00:01.000Z,"
            " found 2024-03-19T12:01:02.000Z",
        ),
        ({"lang": "x" * 500_000}, "post: expected at most 500000 bytes, found 5"),
        ({"text": '"' * 180_000}, "post: expected at most 950000 bytes as a message, found 1"),
    ],
)
def test_an_item_that_is_no_post_is_rejected_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    found = parsed({**ITEM, **changes})
    assert isinstance(found, Rejected)
    assert found.reason.startswith(reason)
    assert (found.venue, found.stream) == ("x", "bitcoin")


async def test_a_request_names_the_search_the_id_and_the_page_and_carries_the_token_in_its_header_alone() -> None:
    search, http = asking(answer(page(5, token="t")), answer(NO_HIT))
    first = await search.page("bitcoin lang:en", None, None)
    assert (first.newest_id, first.next_token, len(first.items)) == (5, "t", 1)
    assert (await search.page("bitcoin lang:en", 3, "t")).items == []
    (url, asked, headers), (_, further, _) = http.requests
    assert (url, headers["Authorization"]) == ("http://venue/x/2/tweets/search/recent", f"Bearer {SECRET}")
    assert (asked["query"], asked["max_results"], asked.get("since_id")) == ("bitcoin lang:en", "100", None)
    assert (further["since_id"], further["next_token"]) == ("3", "t")
    assert SECRET not in f"{url}{asked}{search!r}{first!r}"


PROBLEM = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
LEGACY = {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}


@pytest.mark.parametrize("body", [PROBLEM, LEGACY], ids=["problem", "legacy"])
async def test_both_forms_of_429_are_waited_out_until_the_reset_and_nothing_is_asked_before(body: Any) -> None:
    time = FakeTime()
    search, http = asking(limited(body, 429, remaining=0, limit=450, reset=RESET), answer(NO_HIT), time=time)
    with pytest.raises(TransientSourceError, match="requests of 15 minutes are used up") as caught:
        await search.page("bitcoin", None, None)
    assert (caught.value.kind, caught.value.retry_after) == ("rate_limited", 601)
    time.seconds += 600
    with pytest.raises(TransientSourceError) as caught:
        await search.page("bitcoin", None, None)
    assert caught.value.retry_after == pytest.approx(1)
    assert len(http.requests) == 1
    time.seconds += 1
    assert (await search.page("bitcoin", None, None)).items == []


async def test_an_exceeded_limit_is_one_whatever_the_status_says() -> None:
    search, _ = asking(limited(LEGACY, 200, reset=RESET))
    with pytest.raises(TransientSourceError) as caught:
        await search.page("bitcoin", None, None)
    assert caught.value.kind == "rate_limited"


async def test_a_limit_of_which_nothing_is_left_is_not_tried() -> None:
    search, http = asking(limited(page(5), remaining=0, limit=450, reset=RESET))
    await search.page("bitcoin", None, None)
    with pytest.raises(TransientSourceError, match="told to pause for 601 s"):
        await search.page("bitcoin", None, None)
    assert len(http.requests) == 1


async def test_no_window_of_15_minutes_holds_more_requests_than_are_allowed() -> None:
    time = FakeTime()
    http = FakeHttp(*[answer(NO_HIT)] * 40)
    budget = WeightBudget(10, time.monotonic, window_seconds=WINDOW_SECONDS)
    around = dataclasses.replace(surroundings(http, time), x_requests=budget)
    settings = IngestSettings(_env_file=None, x_url="http://venue/x", x_bearer_token=SecretStr(SECRET))
    search, asked = RecentSearch(settings, around), []
    while len(asked) < 40:
        try:
            await search.page("bitcoin", None, None)
        except TransientSourceError as error:
            assert (str(error), error.kind) == ("x: the 10 requests of 15 minutes are used up", "rate_limited")
            time.seconds += error.retry_after or 0
        else:
            asked.append(time.seconds)
            time.seconds += 10
    assert all(sum(moment <= other < moment + 900 for other in asked) <= 10 for moment in asked)
    assert asked[-1] < 4 * 1000


async def test_a_used_up_plan_is_asked_again_the_next_day() -> None:
    body = {"title": "UsageCapExceeded", "detail": "Usage cap exceeded: Monthly product cap"}
    search, _ = asking(answer({**body, "type": "https://api.x.com/2/problems/usage-capped"}, status=429))
    with pytest.raises(TransientSourceError) as caught:
        await search.page("bitcoin", None, None)
    assert str(caught.value) == "x: the posts of the plan are used up: Usage cap exceeded: Monthly product cap"
    assert (caught.value.kind, caught.value.retry_after) == ("usage_capped", 12 * 3600)


INVALID = {"title": "Invalid Request", "errors": [{"parameters": {"query": [""]}, "message": "no query"}]}
UNAUTHORIZED = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
FORBIDDEN = {
    "title": "Client Forbidden",
    "detail": "When authenticating, you must use keys of a Project.",
    "status": 403,
}


@pytest.mark.parametrize(
    ("refusal", "line"),
    [
        (
            answer(UNAUTHORIZED, status=401),
            "x: the bearer token is expired or wrong: check COINLAKE_X_BEARER_TOKEN (status 401)",
        ),
        (
            answer(FORBIDDEN, status=403),
            "x: the app of COINLAKE_X_BEARER_TOKEN has no access to recent search:"
            " When authenticating, you must use keys of a Project. (status 403)",
        ),
        (
            answer(INVALID, status=400),
            "x: expected a request that the venue accepts, found: no query",
        ),
    ],
)
async def test_what_every_further_try_would_meet_is_one_clear_line(refusal: Answer, line: str) -> None:
    search, _ = asking(refusal)
    with pytest.raises(FatalSourceError) as caught:
        await search.page("bitcoin", None, None)
    assert str(caught.value) == line


async def test_without_a_token_nothing_is_asked() -> None:
    search, http = asking(token="")
    with pytest.raises(FatalSourceError, match="the bearer token is missing: set COINLAKE_X_BEARER_TOKEN"):
        await search.page("bitcoin", None, None)
    assert http.requests == []


async def test_an_id_that_is_too_old_and_a_token_that_is_unknown_are_told_apart() -> None:
    message = "'since_id' must be a tweet id created after 2024-03-12T12:00Z."
    old = {"errors": [{"parameters": {"since_id": ["1"]}, "message": message}], "title": "Invalid Request"}
    gone = {"errors": [{"parameters": {"next_token": ["t"]}, "message": "Invalid 'next_token'"}]}
    search, _ = asking(answer(old, status=400), answer(gone, status=400))
    with pytest.raises(SinceIdTooOldError, match="'since_id' must be a tweet id created after"):
        await search.page("bitcoin", 1, None)
    with pytest.raises(TransientSourceError) as caught:
        await search.page("bitcoin", 1, "t")
    assert caught.value.kind == "next_token"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "answer: expected an object, found []"),
        ({}, "meta: expected an object, found nothing"),
        ({"data": {}, "meta": {}}, "data: expected an array, found {}"),
        ({"meta": {"result_count": 1}}, "meta.result_count: expected the 0 posts of data, found 1"),
        ({"data": [{}], "meta": {"result_count": 1}}, "meta.newest_id: expected an id, found nothing"),
    ],
)
async def test_a_body_that_is_no_answer_is_a_named_error(body: Any, message: str) -> None:
    search, _ = asking(answer(body))
    with pytest.raises(TransientSourceError) as caught:
        await search.page("bitcoin", None, None)
    assert (str(caught.value), caught.value.kind) == (message, "shape")


async def test_a_firewall_in_front_of_the_venue_is_no_refusal_of_the_token() -> None:
    search, _ = asking(answer("<html>Just a moment...</html>", status=403, content_type="text/html"))
    with pytest.raises(TransientSourceError) as caught:
        await search.page("bitcoin", None, None)
    assert caught.value.kind == "firewall"
