"""Where records go, and where a start reads what went there before."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from contracts.records import Gap, Record
from contracts.streams import Stream, stream_of
from ingest.gaps import PollSeen

Poll = Mapping[Stream, Sequence[Record]]
"""The records of one poll by stream."""

BATCH_SPAN = dt.timedelta(seconds=5)
"""What was received later than this after the first record of a batch is in the next one."""


def route(records: Iterable[Record]) -> Poll:
    """Sort records by the stream that carries them."""
    poll: dict[Stream, list[Record]] = {}
    for record in records:
        poll.setdefault(stream_of(record), []).append(record)
    return poll


class Sink(Protocol):
    """Takes whole polls."""

    @property
    def in_flight(self) -> int:
        """Count the records that are sent and not acknowledged."""

    async def send_poll(self, poll: Poll) -> None:
        """Send every record of a poll and return when all are acknowledged.

        Raises:
            UndeliveredError: some were not, in time.
            BrokerError: no further poll can be sent.
        """


class Tail(Protocol):
    """The newest end of the topics."""

    async def newest_polls(self, venue: str, stream: Stream) -> Sequence[PollSeen]:
        """Return the newest two polls of a venue in its stream, newest first; fewer where there are fewer."""

    async def gaps(self, venue: str, stream: Stream) -> Sequence[Gap]:
        """Return the newest Gaps of a venue's stream, each as it stands now."""

    async def newest_records(self, venue: str, stream: Stream, symbols: Sequence[str]) -> Sequence[Record]:
        """Return the newest records of a venue in its stream, of each partition in order, some of each symbol."""

    async def names(self, venue: str, stream: Stream, name: Callable[[Record], bytes]) -> set[bytes]:
        """Return the names of all records of a venue in a topic, however many."""
