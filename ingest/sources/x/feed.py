"""The posts of one coin: searched every few seconds from the newest id on, so that a pause leaves no hole.

All pages of a poll are asked for with the same `since_id`; afterwards the newest id of the first page becomes the next.
A poll is yielded oldest first: whatever of it a kill cuts off, the ids in the topic say where to go on. The venue
searches 7 days back: an id that is older leaves a Gap, and the feed begins anew with the newest page.
"""

import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence

from contracts.errors import TransientSourceError
from contracts.records import Gap, Post, Record, Rejected
from contracts.settings import IngestSettings
from contracts.streams import BITCOIN, ETHEREUM, Stream
from ingest.gaps import WHOLE_STREAM, still_open
from ingest.reject import reject
from ingest.source import PushedFactory, PushedSource, Surroundings
from ingest.sources.x import VENUE
from ingest.sources.x.parse import Receipt, Search, parse_post
from ingest.sources.x.post_ids import first_id_at
from ingest.sources.x.search import Page, RecentSearch, SinceIdTooOldError
from ingest.wire_json import dump

SEARCHED_AFTER = dt.timedelta(seconds=30)
"""How long after it was made a post is found: the end of a search is 30 s ago where it is not asked for otherwise."""
_UNSETTLED = dt.timedelta(seconds=60)
"""Of what was received within so long a batch may have been acknowledged in part when the run before ended."""

QUERIES: dict[str, tuple[Stream, Callable[[IngestSettings], str]]] = {
    "x_bitcoin": (BITCOIN, lambda settings: settings.x_query_bitcoin),
    "x_ethereum": (ETHEREUM, lambda settings: settings.x_query_ethereum),
}
"""The feeds by name: the stream each fills, and the setting that says what it searches."""


class PostFeed:
    """One search. What it knows, the pages of a poll that was broken off among it, outlives a call of `records`."""

    venue = VENUE
    refills = True
    symbols: Sequence[str] = ()

    def __init__(self, name: str, search: Search, settings: IngestSettings, around: Surroundings) -> None:
        self.name = name
        self.stream = search.stream
        self.newest: dt.datetime | None = None
        self.whole = False
        self._search = search
        self._asks = RecentSearch(settings, around)
        self._around = around
        self._every = settings.x_poll_seconds
        self._due: float | None = None
        self._since: int | None = None
        self._known: set[int] = set()
        self._pages: list[Page] = []
        self._lost = ""

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Take up from the newest posts of the topic: all above the id that is surely followed by no hole.

        Where the topic is empty and a Gap is still open, from where that begins.
        """
        posts = [record for record in records if isinstance(record, Post)]
        if posts:
            last = max(post.ingest_time for post in posts) - _UNSETTLED
            settled = [int(post.post_id) for post in posts if post.ingest_time < last]
            ids = {int(post.post_id) for post in posts}
            self._since = max(settled) if settled else min(ids) - 1
            self._known = {one for one in ids if one > self._since}
            self.newest = max(post.event_time for post in posts)
        if (gap := still_open(gaps)) is not None:
            self.newest = gap.from_time
            self._since = first_id_at(gap.from_time) if self._since is None else self._since

    def settle(self) -> Iterator[Gap]:
        """Yield nothing: what a poll leaves behind is found again by its ids."""
        return iter(())

    async def records(self) -> AsyncGenerator[Record | None, None]:
        """Yield the posts of poll after poll, and None after each.

        Raises:
            TransientSourceError: as `RecentSearch.page` says; the next call goes on with the page that failed.
            FatalSourceError: likewise; every further try would fail.
        """
        while True:
            await self._next_slot()
            async for record in self._poll():
                yield record
            yield None

    async def catch_up(self) -> AsyncGenerator[Record | None, None]:
        """Yield the posts of one poll; raise as `records`."""
        async for record in self._poll():
            yield record

    async def _next_slot(self) -> None:
        """Wait until the next poll is due; a try that failed waits for it too, and slots that passed are let go."""
        clock = self._around.clock
        now = clock.monotonic()
        if self._due is not None and self._due > now:
            await clock.sleep(self._due - now)
            now = self._due
        self._due = now + self._every

    async def _poll(self) -> AsyncIterator[Record]:
        self.whole = False
        try:
            pages = await self._whole_poll()
        except SinceIdTooOldError as error:
            self._since, self._lost = None, str(error)
            self._known.clear()
            pages = await self._whole_poll()
        now = self._around.now()
        posts: dict[int, Post] = {}
        for record in self._judged(pages, Receipt(now, self._around.max_ahead)):
            if isinstance(record, Post):
                posts.setdefault(int(record.post_id), record)
            else:
                yield record
        searched = pages[0].date - SEARCHED_AFTER
        if self._lost:
            yield self._gap(min((post.event_time for post in posts.values()), default=searched), now)
            self._lost = ""
        for number in sorted(posts):
            yield posts[number]
            self.newest = max(self.newest or posts[number].event_time, posts[number].event_time)
        if pages[0].newest_id is not None:
            self._since = max(self._since or 0, pages[0].newest_id)
        elif self._since is None:
            # Nothing was there yet: from now on, everything is.
            self._since = first_id_at(searched)
        self._known.clear()
        self.newest = max(self.newest or searched, searched)
        self.whole = True

    async def _whole_poll(self) -> list[Page]:
        """Ask for the pages that are missing of a poll; without an id to begin at for the newest page alone."""
        while not self._pages or (self._since is not None and self._pages[-1].next_token is not None):
            token = self._pages[-1].next_token if self._pages else None
            try:
                page = await self._asks.page(self._search.query, self._since, token)
            except TransientSourceError as error:
                if error.kind in {"since_id", "next_token"}:
                    self._pages = []
                raise
            if page.next_token is not None and page.next_token == token:
                raise TransientSourceError(f"{VENUE}: expected another next_token, found {token}", kind="shape")
            self._pages.append(page)
        pages, self._pages = self._pages, []
        return pages

    def _judged(self, pages: Sequence[Page], receipt: Receipt) -> Iterator[Post | Rejected]:
        """Parse the posts of a poll but for those that came before; an error beside them is kept as a rejection."""
        stale = 0
        for page in pages:
            for item in page.items:
                record = parse_post(item, page.authors, self._search, receipt)
                if isinstance(record, Post):
                    number = int(record.post_id)
                    if self._since is not None and number <= self._since:
                        stale += 1
                        continue
                    if number in self._known:
                        continue
                yield record
            for error in page.errors:
                now = receipt.ingest_time
                reason = f"expected posts alone, found an error beside them: {dump(error)[:200]}"
                yield reject(VENUE, self.stream, reason, error, poll_time=now, ingest_time=now)
        if stale:
            self._around.count_stale(self.name, stale)

    def _gap(self, to_time: dt.datetime, now: dt.datetime) -> Gap:
        since = self.newest or to_time
        return Gap(
            venue=VENUE,
            event_time=since,
            ingest_time=now,
            symbol=WHOLE_STREAM,
            stream=self.stream.topic,
            from_time=since,
            to_time=max(since, to_time),
            cause=f"older than the 7 days that are searched: {self._lost}",
            recoverable=False,
        )


def build(name: str) -> PushedFactory:
    """Return what builds a feed of this name."""
    stream, query = QUERIES[name]

    def build_feed(settings: IngestSettings, around: Surroundings) -> PushedSource:
        return PostFeed(name, Search(stream, query(settings)), settings, around)

    return build_feed
