"""What every venue offers the runner, and what a source is given to work with."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from contracts.records import Record
from contracts.settings import IngestSettings
from contracts.streams import Stream
from ingest.http import HttpClient


class Source(Protocol):
    """One venue. It knows nothing of Kafka, of retries or of the grid of polls."""

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


@dataclass(frozen=True)
class Surroundings:
    """What a source needs of the world around it."""

    http: HttpClient
    now: Callable[[], dt.datetime]
    max_ahead: dt.timedelta
    """A row whose event time is further ahead of its ingest time than this is rejected."""
    count_stale: Callable[[str, int], None]
    """Called with the venue and the number of rows left out because newer ones were emitted before."""


SourceFactory = Callable[[IngestSettings, Surroundings], Source]


def poll_time(record: Record) -> dt.datetime:
    """Return the venue's clock when it answered the poll that this record came from."""
    moment: dt.datetime = getattr(record, "poll_time", record.event_time)
    return moment
