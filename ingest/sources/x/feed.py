"""The posts of one coin: searched every few seconds from the newest id on, so that a pause leaves no hole.

All pages of a poll are asked for with the same `since_id`; afterwards the newest id of the first page becomes the next.
A poll is yielded oldest first: whatever of it a kill cuts off, the ids in the topic say where to go on, and where the
topic has forgotten them, a Gap does that is open. Where nothing does, or the id is older than what the venue searches,
the feed begins with the newest page, and each such beginning is a Gap: so a later one knows since when at the latest.
"""

import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import Gap, Post, Record, Rejected
from contracts.settings import IngestSettings
from contracts.streams import BITCOIN, ETHEREUM, Stream
from ingest.gaps import latest_ended, still_open
from ingest.reject import reject
from ingest.source import PushedFactory, PushedSource, Surroundings
from ingest.sources.x import VENUE
from ingest.sources.x.parse import Receipt, Search, parse_post
from ingest.sources.x.poll import Polled, Polls
from ingest.sources.x.post_ids import first_id_at, time_of
from ingest.sources.x.refusals import SinceIdTooOldError
from ingest.sources.x.restart import FIRST, FORGOTTEN, beginning, surely_whole_up_to
from ingest.sources.x.search import Page, RecentSearch
from ingest.wire_json import dump

QUERIES: dict[str, tuple[Stream, Callable[[IngestSettings], str]]] = {
    "x_bitcoin": (BITCOIN, lambda settings: settings.x_query_bitcoin),
    "x_ethereum": (ETHEREUM, lambda settings: settings.x_query_ethereum),
}
"""The feeds by name: the stream each fills, and the setting that says what it searches."""


class PostFeed:
    """One search. What it knows, the pages of a poll that was broken off among it, outlives a call of `records`."""

    venue = VENUE
    refills = True
    topic_forgets = True
    symbols: Sequence[str] = ()

    def __init__(self, name: str, search: Search, settings: IngestSettings, around: Surroundings) -> None:
        self.name = name
        self.stream = search.stream
        self.newest: dt.datetime | None = None
        self.whole = False
        self._search = search
        self._polls = Polls(search.query, RecentSearch(settings, around), around.now)
        self._around = around
        self._every = settings.x_poll_seconds
        self._due: float | None = None
        self._since: int | None = None
        self._known: set[int] = set()
        self._begins = FIRST

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Take up from the newest posts of the topic: all above the id that is surely followed by no hole.

        Where there are none and a Gap is still open, from where that begins. Where no Gap ever ended, it is on our own
        clock and this is the first search yet. Where none is open, nothing is known to have come since the last ended.
        """
        posts = [record for record in records if isinstance(record, Post)]
        ended, still = latest_ended(gaps), still_open(gaps)
        if posts:
            self._since = surely_whole_up_to(posts, [gap for gap in (ended, still) if gap is not None])
            self._known = {number for post in posts if (number := int(post.post_id)) > self._since}
            self.newest = max(post.event_time for post in posts)
        elif ended is not None:
            self.newest, self._begins = ended.to_time, FORGOTTEN
        if still is not None:
            self.newest = still.from_time
            if self._since is None and ended is not None:
                self._since = first_id_at(still.from_time)

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
        """Yield what is new up to now; raise as `records`."""
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
        """Yield what is new up to now; after a long pause that is several polls."""
        self.whole = False
        while not self.whole:
            for record in self._taken(await self._next_poll()):
                yield record

    async def _next_poll(self) -> Polled:
        try:
            return await self._polls.next(self._since)
        except SinceIdTooOldError as error:
            self._since, self._begins = None, f"older than the 7 days that are searched: {error}"
            self._known.clear()
            return await self._polls.next(None)
        except (TransientSourceError, FatalSourceError):
            # Where nothing has come yet, it is missing since the first try.
            self.newest = self.newest or self._around.now()
            raise

    def _taken(self, polled: Polled) -> Iterator[Record]:
        now = self._around.now()
        posts: dict[int, Post] = {}
        for record in self._judged(polled.pages, Receipt(now, self._around.max_ahead)):
            if isinstance(record, Post):
                posts.setdefault(int(record.post_id), record)
            else:
                yield record
        if self._since is None:
            yield beginning(self.stream, self.newest, polled.pages[0], posts.values(), self._begins, now)
            # From here on by the venue's clock alone.
            self.newest = min((post.event_time for post in posts.values()), default=polled.searched)
        for number in sorted(posts):
            yield posts[number]
            self.newest = max(self.newest or posts[number].event_time, posts[number].event_time)
        if polled.until_id is not None and not polled.reaches_the_newest:
            self._since = polled.until_id - 1
            self.newest = max(self.newest or now, time_of(self._since))
            return
        # Where nothing was there yet, everything is from now on.
        begun = self._since if self._since is not None else first_id_at(polled.searched)
        newest_id = polled.pages[0].newest_id
        self._since = begun if newest_id is None else max(self._since or 0, newest_id)
        self._known.clear()
        self.newest = max(self.newest or polled.searched, polled.searched)
        self.whole = True

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


def build(name: str) -> PushedFactory:
    """Return what builds a feed of this name."""
    stream, query = QUERIES[name]

    def build_feed(settings: IngestSettings, around: Surroundings) -> PushedSource:
        return PostFeed(name, Search(stream, query(settings)), settings, around)

    return build_feed
