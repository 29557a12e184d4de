"""What every venue offers the runner, and what a source is given to work with."""

import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.records import Gap, Record
from contracts.settings import IngestSettings
from contracts.streams import Stream
from ingest.clock import Clock
from ingest.http import HttpClient
from ingest.web_socket import Connect
from ingest.weight import WeightBudget


class Source(Protocol):
    """One venue that is polled. It knows nothing of Kafka, of retries or of the grid of polls."""

    @property
    def name(self) -> str:
        """Name the venue, as records carry it."""

    @property
    def stream(self) -> Stream:
        """Name the stream this venue feeds."""

    def records(self) -> AsyncIterator[Record]:
        """Poll once and yield what the answer holds, rejected rows among it as `Rejected`.

        Raises:
            TransientSourceError: the venue did not answer as it should; a later try may succeed.
            FatalSourceError: the venue will refuse every further try.
        """


class PushedSource(Protocol):
    """One stream that a venue pushes, or tells since an id. It knows nothing of Kafka.

    What it knows outlives a call of `records`.
    """

    @property
    def name(self) -> str:
        """Name the feed, as the user does."""

    @property
    def venue(self) -> str:
        """Name the venue, as records carry it."""

    @property
    def stream(self) -> Stream:
        """Name the stream this feed fills."""

    @property
    def newest(self) -> dt.datetime | None:
        """Return the newest event time that was emitted or taken up, None where there is none."""

    @property
    def whole(self) -> bool:
        """Say whether everything up to the newest event is emitted, or given up and on record."""

    @property
    def refills(self) -> bool:
        """Say whether the venue can be asked for what was missed; else every hole stays one."""

    @property
    def topic_forgets(self) -> bool:
        """Say whether the next start may find nothing in the topic any more: then the end of a run is a Gap."""

    @property
    def symbols(self) -> Sequence[str]:
        """Name the symbols that are followed, none where it is whatever the venue has."""

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Take up from what an earlier run left in the stream, and from the holes it left on record."""

    def settle(self) -> Iterable[Gap]:
        """Yield how the holes stand whose refill was broken off; asked for when nothing more is read."""

    def records(self) -> AsyncGenerator[Record | None, None]:
        """Yield what is pushed, and what was missed, with Gaps and rejected payloads among it, until the feed fails.

        None among it says that the venue is there and has nothing to tell: silence is how some markets are quiet.

        Raises:
            TransientSourceError: the connection is lost or silent; the next call takes up where this one ended.
            FatalSourceError: the venue will refuse every further try.
        """

    def catch_up(self) -> AsyncGenerator[Record | None, None]:
        """Yield what was missed up to now, without listening to what is pushed; raise as `records`."""


@dataclass(frozen=True)
class Surroundings:
    """What a source needs of the world around it."""

    http: HttpClient
    now: Callable[[], dt.datetime]
    max_ahead: dt.timedelta
    """A row whose event time is further ahead of its ingest time than this is rejected."""
    count_stale: Callable[[str, int], None]
    """Called with the venue and the number of rows left out because newer ones were emitted before."""
    clock: Clock
    connect: Connect
    """Opens a WebSocket."""
    weight: WeightBudget
    """The request weight of Binance, shared by its sources."""
    attempts: WeightBudget
    """Attempts to connect to Binance's streams, shared by its sources."""
    x_requests: WeightBudget
    """Requests to X, shared by its sources."""


SourceFactory = Callable[[IngestSettings, Surroundings], Source]
PushedFactory = Callable[[IngestSettings, Surroundings], PushedSource]


def poll_time(record: Record) -> dt.datetime:
    """Return the venue's clock when it answered the poll that this record came from."""
    moment: dt.datetime = getattr(record, "poll_time", record.event_time)
    return moment
