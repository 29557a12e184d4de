"""Whether every poll is wholly in its topic, or in a Gap: on the venue's clock, from what the venue itself served."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from contracts.records import Gap, decode
from contracts.streams import INGEST_GAPS, Stream, key_of
from infra.crashtest.reader import Seen
from ingest.runner import UNACKNOWLEDGED

POLL_RECORDS = "poll_records"
ALLOWED_INTERVALS = 1.5
"""A pause of up to this many intervals is no hole: a generator that was started again does not meet the same grid."""


@dataclass(frozen=True)
class Polls:
    """One venue: when it served an answer, when a whole poll is in the topic, and its Gaps."""

    venue: str
    served: tuple[dt.datetime, ...]
    whole: tuple[dt.datetime, ...]
    gaps: tuple[Gap, ...]

    def in_gaps(self) -> list[dt.datetime]:
        """List the served answers that are not whole in the topic and lie in a Gap."""
        return [moment for moment in self._lacking() if any(_covers(gap, moment, moment) for gap in self.gaps)]

    def unexplained(self, interval: dt.timedelta) -> list[str]:
        """List answers and pauses that are neither in the topic nor in a Gap, and Gaps that say too much."""
        explained = set(self.in_gaps())
        answers = [
            f"{self.venue}: the answer of {moment:%H:%M:%S} is not whole in the topic and in no gap"
            for moment in self._lacking()
            if moment not in explained
        ]
        pauses = [
            f"{self.venue}: no poll between {before:%H:%M:%S} and {after:%H:%M:%S} and no gap"
            for before, after in pairwise(self.whole)
            if after - before > interval * ALLOWED_INTERVALS and not any(_covers(g, before, after) for g in self.gaps)
        ]
        return answers + pauses + self._untrue_gaps()

    def _lacking(self) -> list[dt.datetime]:
        whole = set(self.whole)
        return [moment for moment in self.served if moment not in whole]

    def _untrue_gaps(self) -> list[str]:
        """List Gaps that are open though a whole poll came later, and closed ones with a whole poll in them.

        A poll that Kafka wrote, but whose acknowledgement was lost with the broker, is rightly in a Gap that says so.
        """
        never_closed = [
            f"{self.venue}: the gap since {gap.from_time:%H:%M:%S} is open though there is a later poll"
            for gap in self.gaps
            if gap.to_time is None and any(moment > gap.from_time for moment in self.whole)
        ]
        too_wide = [
            f"{self.venue}: the whole poll of {moment:%H:%M:%S} is in the gap since {gap.from_time:%H:%M:%S}"
            for gap in self.gaps
            if gap.to_time is not None and not gap.cause.startswith(UNACKNOWLEDGED)
            for moment in self.whole
            if gap.from_time < moment < gap.to_time
        ]
        return never_closed + too_wide


def _covers(gap: Gap, first: dt.datetime, last: dt.datetime) -> bool:
    return gap.from_time <= first and (gap.to_time is None or last <= gap.to_time)


def polls_of(venue: str, stream: Stream, served: Iterable[dt.datetime], messages: Sequence[Seen]) -> Polls:
    """Sort out what an independent consumer read of one venue's stream.

    A poll is whole where the topic has, or had before compaction, as many of its records as the header of each says.
    """
    found: Counter[tuple[dt.datetime, dt.datetime]] = Counter()
    expected: dict[tuple[dt.datetime, dt.datetime], int] = {}
    for message in messages:
        if message.topic == stream.topic:
            record = decode(message.value, stream.record)
            poll = (record.ingest_time, getattr(record, "poll_time", record.event_time))
            found[poll] += 1
            expected[poll] = int(message.headers[POLL_RECORDS])
    return Polls(
        venue=venue,
        served=tuple(sorted(moment.replace(microsecond=0) for moment in served)),
        whole=tuple(sorted(poll[1] for poll, count in found.items() if count == expected[poll])),
        gaps=newest_gaps(messages, stream),
    )


def newest_gaps(messages: Sequence[Seen], stream: Stream) -> tuple[Gap, ...]:
    """Return the newest record of each Gap of a stream."""
    newest: dict[bytes, Gap] = {}
    for message in messages:
        if message.topic == INGEST_GAPS.topic:
            gap = decode(message.value, Gap)
            if gap.stream == stream.topic:
                newest[key_of(INGEST_GAPS, gap)] = gap
    return tuple(newest.values())
