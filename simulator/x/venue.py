"""X's protocol: bearer tokens, limits, the search by ids and pages, and its error bodies.

Source of the shapes: the API's reference (xdevplatform/docs, 2026-08) and a real answer of 2022-10. What a request is
told that is not valid was seen for `since_id`; for other parameters the message is OUR OWN in the venue's envelope.
"""

import datetime as dt
import itertools
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from simulator.wire import Answer, Request
from simulator.x import SEARCH
from simulator.x.allowance import Accounts, Plan
from simulator.x.tape import Tape, TapedPost, id_at, ms_of

SEARCHED_BACK = dt.timedelta(days=7)
SEARCHED_AFTER = dt.timedelta(seconds=30)
"""A search ends 30 s ago where it is not asked for otherwise."""
LONGEST_QUERY = 512
LEGACY_LIMIT = 88
_ALWAYS = frozenset({"id", "text", "edit_history_tweet_ids"})
_TOKEN_HEAD = "b26v89c19zqg8o3f"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TITLES = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class X:
    """The venue in front of its tape."""

    def __init__(self, tape: Tape, plan: Plan) -> None:
        self._tape = tape
        self._accounts = Accounts(plan)

    def answer(self, request: Request, now: dt.datetime, content_at: dt.datetime) -> Answer:
        """Answer a token that is let in, as often as its limit allows."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not self._accounts.admits(token):
            return _problem(401, {})
        allowance = self._accounts.count(token, now)
        headers = allowance.headers()
        if allowance.left < 0:
            return _problem(429, headers)
        if request.path != SEARCH:
            return _problem(404, headers)
        wrong = _wrong(request.query, now)
        if wrong is not None:
            return _invalid(*wrong, headers)
        return Answer(msgspec.json.encode(self._found(request.query, content_at)), headers=headers)

    def _found(self, query: Mapping[str, str], at: dt.datetime) -> dict[str, Any]:
        most = int(query.get("max_results", "10"))
        above = int(query.get("since_id", id_at(_ms(at - SEARCHED_BACK))))
        ends = [id_at(_ms(at - SEARCHED_AFTER)), *(int(query[name]) for name in ("until_id",) if name in query)]
        if "next_token" in query:
            ends.append(_id_of(query["next_token"]) or 0)
        posts = list(itertools.islice(self._tape.newest_first(query["query"], above, min(ends)), most + 1))
        page = posts[:most]
        if not page:
            return {"meta": {"result_count": 0}}
        meta = {"newest_id": str(page[0].number), "oldest_id": str(page[-1].number), "result_count": len(page)}
        if len(posts) > most:
            meta["next_token"] = _token_of(page[-1].number)
        found: dict[str, Any] = {"data": [_shown(post, query) for post in page]}
        authors = _authors(page, query)
        return found | ({"includes": {"users": authors}} if authors else {}) | {"meta": meta}

    def error(self, status: int | None, code: int | None, now: dt.datetime) -> Answer:
        """Answer with the venue's error body; code 88 is the older form of an exceeded limit."""
        status = (429 if code == LEGACY_LIMIT else 503) if status is None else status
        headers = self._accounts.standing(now).headers() if status == HTTPStatus.TOO_MANY_REQUESTS else {}
        if code == LEGACY_LIMIT:
            body = {"errors": [{"code": LEGACY_LIMIT, "message": "Rate limit exceeded"}]}
            return Answer(msgspec.json.encode(body), status=status, headers=headers)
        return _problem(status, headers)

    def override(self, body: Any, row: str, fields: Mapping[str, Any]) -> bool:
        """Overwrite fields of the post of an id."""
        found = [item for item in body.get("data", []) if item["id"] == row]
        for item in found:
            item.update(fields)
        return bool(found)

    def duplicate(self, body: Any, row: str) -> bool:
        """Repeat the post of an id at the end of a page, and count it."""
        found = [item for item in body.get("data", []) if item["id"] == row]
        body.get("data", []).extend(found)
        body["meta"]["result_count"] += len(found)
        return bool(found)


def _shown(post: TapedPost, query: Mapping[str, str]) -> dict[str, Any]:
    asked = _ALWAYS | _names(query, "tweet.fields")
    return {name: value for name, value in post.item.items() if name in asked}


def _authors(page: list[TapedPost], query: Mapping[str, str]) -> list[dict[str, Any]]:
    if "author_id" not in _names(query, "expansions"):
        return []
    asked = {"id", "name", "username"} | _names(query, "user.fields")
    authors = {post.author["id"]: post.author for post in page if post.author is not None}
    return [{name: value for name, value in author.items() if name in asked} for author in authors.values()]


def _names(query: Mapping[str, str], parameter: str) -> set[str]:
    return set(query.get(parameter, "").split(","))


def _wrong(query: Mapping[str, str], now: dt.datetime) -> tuple[str, str, str] | None:
    """Return the parameter that is not valid, what it is, and what the venue says of it."""
    text = query.get("query", "")
    if not 0 < len(text) <= LONGEST_QUERY:
        return "query", text, f"Invalid 'query': expected 1 to {LONGEST_QUERY} characters"
    most = query.get("max_results", "10")
    if not most.isdecimal() or not 10 <= int(most) <= 100:
        return "max_results", most, f"The `max_results` query parameter value [{most}] is not between 10 and 100"
    for name in ("since_id", "until_id"):
        if not query.get(name, "0").isdecimal():
            return name, query[name], f"'{name}' must be a number"
    if "next_token" in query and _id_of(query["next_token"]) is None:
        return "next_token", query["next_token"], "Invalid 'next_token'"
    oldest = now - SEARCHED_BACK
    since = query.get("since_id")
    if since is not None and ms_of(int(since)) < _ms(oldest):
        text = f"'since_id' must be a tweet id created after {oldest.strftime('%Y-%m-%dT%H:%MZ')}."
        return "since_id", since, f"{text} Please use a 'since_id' that is larger than {id_at(_ms(oldest))}"
    return None


def _invalid(parameter: str, value: str, message: str, headers: Mapping[str, str]) -> Answer:
    body = {
        "errors": [{"parameters": {parameter: [value]}, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.x.com/2/problems/invalid-request",
    }
    return Answer(json.dumps(body).encode(), status=HTTPStatus.BAD_REQUEST, headers=headers)


def _problem(status: int, headers: Mapping[str, str]) -> Answer:
    title = _TITLES.get(status, "Error")
    body = {"title": title, "detail": title, "type": "about:blank", "status": status}
    return Answer(msgspec.json.encode(body), status=status, headers=headers)


def _token_of(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return _TOKEN_HEAD + text


def _id_of(token: str) -> int | None:
    """Return the id below which the page of a token begins; None where it is no token of ours."""
    text = token.removeprefix(_TOKEN_HEAD)
    return int(text, 36) if text != token and text.isalnum() and text.isascii() else None


def _ms(moment: dt.datetime) -> int:
    return int(moment.timestamp() * 1000)
