"""What a feed knows of a venue that tells no past: what came, and since when something is missing.

Such a hole is never filled. It is on record from what had surely come to what surely came after it: a Gap may hold
records that came all the same, and what is missing is in one.
"""

import datetime as dt
from collections.abc import AsyncGenerator, Iterator, Sequence

from contracts.records import Gap, Record, replace
from contracts.streams import Stream
from ingest.gaps import NOT_RUNNING, WHOLE_STREAM, latest_ended, still_open
from ingest.sink import BATCH_SPAN
from ingest.source import Surroundings

_ONE_BATCH = 2 * BATCH_SPAN
"""Of what was received within so long a batch may have been acknowledged in part when the run before ended."""
_OVERTAKEN = dt.timedelta(seconds=2)
"""A record may be older by less than this than one that was pushed before it: each symbol has a delay of its own.

Binance pushes an order 5 to 1,012 ms after it was traded.
"""
_REMEMBERED = 10_000
"""Records that are known again when they come twice: hours of liquidations."""


class Unrefilled:
    """One venue's part of a stream.

    `newest` is the moment up to which, on the venue's clock, everything has come; on ours where nothing ever came and a
    try has failed. `whole` says that what is missing is on record with its end.
    """

    def __init__(self, venue: str, stream: Stream) -> None:
        self.newest: dt.datetime | None = None
        self._venue = venue
        self._stream = stream
        self._known: dict[tuple[object, ...], Record] = {}
        self._hole: tuple[dt.datetime, str] | None = None

    @property
    def whole(self) -> bool:
        """Say whether nothing is missing up to now."""
        return self._hole is None

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Take up from the newest records of the topic: since then something is missing, or since the Gap left open.

        Where there is no record any more, it is missing since the end of the newest Gap.
        """
        for record in sorted(records, key=lambda record: record.ingest_time)[-_REMEMBERED:]:
            self._known[self._identity(record)] = record
        if records:
            last = max(record.ingest_time for record in records) - _ONE_BATCH
            self.newest = min(record.event_time for record in records if record.ingest_time >= last) - _OVERTAKEN
            self._hole = (self.newest, NOT_RUNNING)
        elif (ended := latest_ended(gaps)) is not None:
            self.newest = ended.to_time or ended.from_time
            self._hole = (self.newest, NOT_RUNNING)
        if (gap := still_open(gaps)) is not None:
            told = gap.cause.endswith(NOT_RUNNING)
            self.newest = gap.from_time
            self._hole = (gap.from_time, gap.cause if told else f"{gap.cause}; then {NOT_RUNNING}")

    def lost(self, cause: str, now: dt.datetime) -> None:
        """Note that the venue is heard no more; of several causes in a row the first one stays."""
        self.newest = self.newest or now
        self._hole = self._hole or (self.newest, cause)

    def heard(self, moment: dt.datetime, covered: dt.datetime, now: dt.datetime) -> Iterator[Gap]:
        """Note a sign of the venue at a moment, and up to when all has been pushed then; yield the Gap that ends there.

        As records overtake each other the Gap ends a little later, and all has come up to a little before.
        """
        if self._hole is not None:
            yield self._gap(moment + _OVERTAKEN, now)
            self.newest, self._hole = None, None
        covered -= _OVERTAKEN
        self.newest = max(self.newest or covered, covered)

    def missing(self, now: dt.datetime) -> Iterator[Gap]:
        """Yield the Gap that has no end yet, if there is one."""
        if self._hole is not None:
            yield self._gap(None, now)

    def is_new(self, record: Record) -> bool:
        """Say whether a record, or one of its identity that says the same, has not come before, and remember it."""
        before = self._known.get(self._identity(record))
        if before is not None and replace(record, ingest_time=before.ingest_time) == before:
            return False
        self._known[self._identity(record)] = record
        while len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        return True

    def _identity(self, record: Record) -> tuple[object, ...]:
        return tuple(getattr(record, name) for name in self._stream.identity)

    def _gap(self, until: dt.datetime | None, now: dt.datetime) -> Gap:
        assert self._hole is not None
        since, cause = self._hole
        return Gap(
            venue=self._venue,
            event_time=since,
            ingest_time=now,
            symbol=WHOLE_STREAM,
            stream=self._stream.topic,
            from_time=since,
            to_time=None if until is None else max(until, since),
            cause=cause,
            recoverable=False,
        )


class UnrefilledFeed:
    """What all pushed sources without a past have in common: the rest of one is its `records`."""

    refills = False
    topic_forgets = False
    symbols: Sequence[str] = ()

    def __init__(self, name: str, venue: str, stream: Stream, around: Surroundings) -> None:
        self.name = name
        self.venue = venue
        self.stream = stream
        self.around = around
        self.state = Unrefilled(venue, stream)

    @property
    def newest(self) -> dt.datetime | None:
        """Return the moment up to which everything pushed has come, ours where nothing ever came and a try failed."""
        return self.state.newest

    @property
    def whole(self) -> bool:
        """Say whether the venue is heard, and what was missed before is on record."""
        return self.state.whole

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Take up from the newest records of the topic: since then something is missing, or since the Gap left open."""
        self.state.resume(records, gaps)

    def settle(self) -> Iterator[Gap]:
        """Yield nothing: nothing is ever being filled."""
        return iter(())

    async def catch_up(self) -> AsyncGenerator[Record | None, None]:
        """Yield the Gap since the newest record, still open: there is nothing to fetch, for the venue tells no past.

        Where the topic holds no record and no Gap, nothing is known to be missing, and nothing is yielded.
        """
        for gap in self.state.missing(self.around.now()):
            yield gap
