"""One poll of a search: all its pages, asked for with one `since_id`, though it breaks off between two of them.

What was posted in a long pause is asked for hour by hour, so that no more than an hour is held at a time, and a run
that ends meanwhile has not asked for all of it in vain. After a poll of one page the next reaches twice as far: where
little is posted, a week is a few requests.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contracts.errors import TransientSourceError
from ingest.sources.x import VENUE
from ingest.sources.x.post_ids import first_id_at, time_of
from ingest.sources.x.search import Page, RecentSearch

SEARCHED_BACK = dt.timedelta(days=7)
"""How far back the venue searches."""
SEARCHED_AFTER = dt.timedelta(seconds=30)
"""How long after it was made a post is found: the end of a search is 30 s ago where it is not asked for otherwise."""
_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Polled:
    """The pages of a poll, newest first, and the id below which they were asked for; None: all up to the newest."""

    pages: Sequence[Page]
    until_id: int | None

    @property
    def searched(self) -> dt.datetime:
        """Return up to when the venue had searched, on its own clock."""
        return self.pages[0].date - SEARCHED_AFTER

    @property
    def reaches_the_newest(self) -> bool:
        """Say whether nothing that the venue finds is newer."""
        return self.until_id is None or time_of(self.until_id) >= self.searched


class Polls:
    """Asks poll after poll; the pages of one that was broken off outlive the call."""

    def __init__(self, query: str, asks: RecentSearch, now: Callable[[], dt.datetime]) -> None:
        self._query = query
        self._asks = asks
        self._now = now
        self._pages: list[Page] = []
        self._until: int | None = None
        self._reach = _HOUR

    async def next(self, since_id: int | None) -> Polled:
        """Ask for what has a higher id, as far as a poll reaches; without an id for the newest page alone.

        Raises:
            SinceIdTooOldError, TransientSourceError, FatalSourceError: as `RecentSearch.page` says; the next call goes
                on with the page that failed, or begins anew where the venue knows that one no more.
        """
        if not self._pages:
            self._until = self._until_id(since_id)
        while not self._pages or (since_id is not None and self._pages[-1].next_token is not None):
            token = self._pages[-1].next_token if self._pages else None
            try:
                page = await self._asks.page(self._query, since_id, token, until_id=self._until)
            except TransientSourceError as error:
                if error.kind in {"since_id", "next_token"}:
                    self._pages = []
                raise
            if page.next_token is not None and page.next_token == token:
                raise TransientSourceError(f"{VENUE}: expected another next_token, found {token}", kind="shape")
            self._pages.append(page)
        pages, self._pages = self._pages, []
        self._reach = 2 * self._reach if self._until is not None and len(pages) == 1 else _HOUR
        return Polled(pages, self._until)

    def _until_id(self, since_id: int | None) -> int | None:
        """Return where a poll ends, unless that is now, or the id older than what is searched."""
        if since_id is None:
            return None
        since, now = time_of(since_id), self._now()
        sliced = now - SEARCHED_BACK <= since < now - SEARCHED_AFTER - self._reach
        return first_id_at(since + self._reach) if sliced else None
