"""X's recent search: one request a page, its errors by name, and its limits obeyed.

Venue rules: https://docs.x.com/x-api/posts/search-recent-posts and https://docs.x.com/x-api/fundamentals/rate-limits.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from pydantic import SecretStr

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.settings import IngestSettings
from ingest.credits import next_day
from ingest.fields import member
from ingest.http import Answer
from ingest.source import Surroundings
from ingest.sources.x import VENUE
from ingest.sources.x.parse import authors_of
from ingest.wire_json import Members, NumberText, load, show, wrong_shape

WINDOW_SECONDS = 15 * 60 + 1.0
"""The venue counts requests of 15 minutes; a second for requests that are under way for different times."""

_PATH = "/2/tweets/search/recent"
_TOKEN = "COINLAKE_X_BEARER_TOKEN"
_ASKED = {
    "tweet.fields": "created_at,public_metrics,author_id,lang",
    "expansions": "author_id",
    "user.fields": "public_metrics",
}
_PAUSE_SECONDS = 60.0
"""How long nothing is asked where the venue refuses and does not say for how long."""
_LEGACY_LIMIT = "88"
"""The code of an exceeded limit in the body that the API's page of limits shows."""


class SinceIdTooOldError(TransientSourceError):
    """The venue tells nothing since this id any more: it searches the last 7 days."""


@dataclass(frozen=True)
class Page:
    """One answer: its items and the authors they name, the errors beside them, and the venue's clock."""

    items: Sequence[object]
    authors: Mapping[str, Members]
    errors: Sequence[object]
    newest_id: int | None
    next_token: str | None
    date: dt.datetime


class RecentSearch:
    """Asks for pages, within one budget of requests that all searches share."""

    def __init__(self, settings: IngestSettings, around: Surroundings) -> None:
        self._url = settings.x_url + _PATH
        self._token: SecretStr = settings.x_bearer_token
        self._most = str(settings.x_max_results)
        self._around = around

    async def page(
        self, query: str, since_id: int | None, next_token: str | None, *, until_id: int | None = None
    ) -> Page:
        """Ask for the newest posts with an id above `since_id` and below `until_id`, or for the page of a token.

        Raises:
            SinceIdTooOldError: the id is older than what the venue searches.
            TransientSourceError: kind `rate_limited` with the seconds after which to ask again, `usage_capped`,
                `next_token` where the token is not known (any more), `firewall`, or as `Answer.check` says.
            FatalSourceError: no token, one that is expired or wrong, no access, or a query that is none.
        """
        if not self._token.get_secret_value():
            raise FatalSourceError(f"{VENUE}: the bearer token is missing: set {_TOKEN}", kind="no_token")
        budget = self._around.x_requests
        if wait := budget.take(1):
            raise TransientSourceError(
                f"{VENUE}: the {budget.most} requests of 15 minutes are used up", kind="rate_limited", retry_after=wait
            )
        asked = {"query": query, "max_results": self._most, **_ASKED}
        named = {"since_id": since_id, "until_id": until_id, "next_token": next_token}
        asked |= {name: str(value) for name, value in named.items() if value is not None}
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._token.get_secret_value()}"}
        answer = await self._around.http.get(self._url, asked, headers)
        self._count(answer)
        return page_of(_checked(answer, self._around.now()), answer.venue_time())

    def _count(self, answer: Answer) -> None:
        """Take the venue's own count, and pause where nothing of its limit is left."""
        limit, remaining = (_digits(answer, f"x-rate-limit-{name}") for name in ("limit", "remaining"))
        budget = self._around.x_requests
        if limit is not None and remaining is not None:
            budget.told(limit - remaining)
        if remaining == 0 or answer.status == 429:
            seconds = _until_reset(answer, self._around.now())
            budget.pause(seconds, f"{VENUE}: told to pause for {seconds:g} s (requests of 15 minutes are used up)")


def page_of(document: object, date: dt.datetime) -> Page:
    """Read a good answer; one without hits has no `data`.

    Raises:
        TransientSourceError: kind `shape`, where it is no answer of this API.
    """
    if not isinstance(document, Members):
        wrong_shape("answer", "an object", document)
    meta, items, errors = document.get("meta"), document.get("data", []), document.get("errors", [])
    if not isinstance(meta, Members):
        wrong_shape("meta", "an object", member(document, "meta"))
    if not isinstance(items, list):
        wrong_shape("data", "an array", items)
    if not isinstance(errors, list):
        wrong_shape("errors", "an array", errors)
    count, newest, token = (member(meta, name) for name in ("result_count", "newest_id", "next_token"))
    if count != str(len(items)):
        wrong_shape("meta.result_count", f"the {len(items)} posts of data", count)
    if items and not (isinstance(newest, str) and newest.isascii() and newest.isdigit()):
        wrong_shape("meta.newest_id", "an id", newest)
    return Page(
        items=items,
        authors=authors_of(document.get("includes")),
        errors=errors,
        newest_id=int(newest) if items and isinstance(newest, str) else None,
        next_token=token if isinstance(token, str) else None,
        date=date,
    )


def _checked(answer: Answer, now: dt.datetime) -> object:
    """Return the loaded body of an answer that is no error."""
    try:
        document = load(answer.body)
    except TransientSourceError:
        document = None
    told = document if isinstance(document, Members) else Members()
    problems = [one for one in _listed(told.get("errors")) if isinstance(one, Members)]
    limited = "data" not in told and any(one.get("code") == _LEGACY_LIMIT for one in problems)
    if answer.status == 429 or limited:
        _refuse_for_now(told, answer, now)
    if answer.status == 401:
        raise FatalSourceError(
            f"{VENUE}: the bearer token is expired or wrong: check {_TOKEN} (status 401)", kind="unauthorized"
        )
    if answer.status == 403:
        if not told:
            raise TransientSourceError(
                f"{answer.origin}: expected status 200, found 403", kind="firewall", retry_after=answer.retry_after
            )
        raise FatalSourceError(
            f"{VENUE}: the app of {_TOKEN} has no access to recent search: {_said(told)} (status 403)",
            kind="forbidden",
        )
    if answer.status == 400:
        _refuse(told, problems)
    answer.check()
    return document if document is not None else load(answer.body)


def _refuse_for_now(told: Members, answer: Answer, now: dt.datetime) -> NoReturn:
    if str(told.get("type")).endswith("usage-capped"):
        # The cap is of a month that begins with the plan: once a day is often enough to find it over.
        raise TransientSourceError(
            f"{VENUE}: the posts of the plan are used up: {_said(told)}", kind="usage_capped", retry_after=next_day(now)
        )
    raise TransientSourceError(
        f"{VENUE}: requests of 15 minutes are used up (status {answer.status})",
        kind="rate_limited",
        retry_after=_until_reset(answer, now),
    )


def _refuse(told: Members, problems: list[Members]) -> NoReturn:
    """Say what is wrong with a request: an id or a token that grew old passes, all else stays."""
    named = {name for one in problems if isinstance(found := one.get("parameters"), Members) for name in found}
    said = "; ".join(_line(one.get("message")) for one in problems) or _said(told)
    if "since_id" in named:
        raise SinceIdTooOldError(f"{VENUE}: {said}", kind="since_id")
    if "next_token" in named:
        raise TransientSourceError(f"{VENUE}: {said}", kind="next_token")
    raise FatalSourceError(f"{VENUE}: expected a request that the venue accepts, found: {said}", kind="invalid_request")


def _until_reset(answer: Answer, now: dt.datetime) -> float:
    """Return the seconds to the reset that the venue names, on its own clock, and one more."""
    reset = _digits(answer, "x-rate-limit-reset")
    if reset is None:
        return answer.retry_after or _PAUSE_SECONDS
    left = reset - (answer.date or now).timestamp()
    return min(max(left, 0), WINDOW_SECONDS) + 1


def _digits(answer: Answer, name: str) -> int | None:
    text = answer.headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _said(told: Members) -> str:
    return _line(told.get("detail", told.get("title")))


def _line(value: object) -> str:
    """Write what the venue says on one line, no longer than a line."""
    text = value if isinstance(value, str) and not isinstance(value, NumberText) else show(value)
    return "".join(character for character in text[:200] if character.isprintable())
