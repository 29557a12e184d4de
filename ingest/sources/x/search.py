"""X's recent search: one request a page, and its limits obeyed.

Venue rules: https://docs.x.com/x-api/posts/search-recent-posts and https://docs.x.com/x-api/fundamentals/rate-limits.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.settings import IngestSettings
from ingest.fields import member
from ingest.http import Answer
from ingest.source import Surroundings
from ingest.sources.x import VENUE
from ingest.sources.x.parse import authors_of
from ingest.sources.x.refusals import TOKEN, checked, digits, until_reset
from ingest.wire_json import Members, wrong_shape

_PATH = "/2/tweets/search/recent"
_ASKED = {
    "tweet.fields": "created_at,public_metrics,author_id,lang",
    "expansions": "author_id",
    "user.fields": "public_metrics",
}


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
            raise FatalSourceError(f"{VENUE}: the bearer token is missing: set {TOKEN}", kind="no_token")
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
        return page_of(checked(answer, self._around.now()), answer.venue_time())

    def _count(self, answer: Answer) -> None:
        """Take the venue's own count, and pause where nothing of its limit is left."""
        limit, remaining = (digits(answer, f"x-rate-limit-{name}") for name in ("limit", "remaining"))
        budget = self._around.x_requests
        if limit is not None and remaining is not None:
            budget.told(limit - remaining)
        if remaining == 0 or answer.status == 429:
            seconds = until_reset(answer, self._around.now())
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
