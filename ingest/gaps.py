"""The hole of one stream, from the first missed poll to the next served one, as one Gap record.

Pure: nothing here knows Kafka or a clock. A Gap is rewritten under the same Kafka key as it grows.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contracts.records import Gap, replace
from contracts.streams import Stream

NOT_RUNNING = "generator was not running"
WHOLE_STREAM = "*"
"""The symbol of a Gap that is one of all symbols."""
ALLOWED_INTERVALS = 1.5
"""A pause between two polls up to this many intervals is no hole: a restart never hits the same grid."""


@dataclass(frozen=True)
class PollSeen:
    """One poll as the tail of a topic shows it: `found` of `expected` records are there."""

    poll_time: dt.datetime
    ingest_time: dt.datetime
    found: int
    expected: int

    @property
    def complete(self) -> bool:
        """Say whether every record of the poll was acknowledged."""
        return self.found >= self.expected


def still_open(gaps: Iterable[Gap]) -> Gap | None:
    """Return the newest Gap of a whole stream that has no end yet."""
    of_it = (gap for gap in gaps if gap.symbol == WHOLE_STREAM and gap.to_time is None)
    return max(of_it, key=lambda gap: gap.ingest_time, default=None)


def latest_ended(gaps: Iterable[Gap]) -> Gap | None:
    """Return the Gap of a whole stream that ended last, None where none did."""
    ended = ((gap.to_time, gap) for gap in gaps if gap.symbol == WHOLE_STREAM and gap.to_time is not None)
    return max(ended, key=lambda pair: pair[0], default=(None, None))[1]


class GapLedger:
    """Holds the newest served poll of one stream and its open Gap."""

    def __init__(self, venue: str, stream: Stream) -> None:
        self._venue = venue
        self._stream = stream
        self._served: dt.datetime | None = None
        self._open: Gap | None = None

    @property
    def is_open(self) -> bool:
        """Say whether polls are missing up to now."""
        return self._open is not None

    def resume(
        self, newest: Sequence[PollSeen], still_open: Gap | None, now: dt.datetime, interval: dt.timedelta
    ) -> list[Gap]:
        """Take up from the newest polls in the topic (newest first) and the Gap that is still open there.

        Returns the Gaps to write. The hole since the newest poll is measured on our own clock (ingest times):
        the venue's may run faster. It starts at the poll before the newest one where the newest is incomplete.
        """
        written: list[Gap] = []
        allowed = ALLOWED_INTERVALS * interval
        last = newest[0] if newest else None
        self._served = next((poll.poll_time for poll in newest if poll.complete), None)
        if still_open is not None and last is not None and last.complete and last.poll_time > still_open.from_time:
            written.append(replace(still_open, to_time=last.poll_time, ingest_time=now))
            still_open = None
        if still_open is not None:
            self._open = still_open
            if now - still_open.ingest_time > allowed and not still_open.cause.endswith(NOT_RUNNING):
                self._open = replace(
                    still_open, missed=None, cause=f"{still_open.cause}; then {NOT_RUNNING}", ingest_time=now
                )
                written.append(self._open)
        elif last is not None and (not last.complete or now - last.ingest_time > allowed):
            since = last if last.complete or len(newest) == 1 else newest[1]
            self._open = self._gap(since.poll_time, NOT_RUNNING, None, now)
            written.append(self._open)
        return written

    def missed(self, polls: int, cause: str, now: dt.datetime) -> Gap:
        """Open the Gap, or let it grow by `polls`; a Gap of unknown length stays unknown. The first cause stays.

        Before the first served poll the venue's clock is unknown and the Gap starts at our own.
        """
        if self._open is None:
            self._open = self._gap(self._served or now, cause, polls, now)
        else:
            known = self._open.missed
            self._open = replace(self._open, missed=None if known is None else known + polls, ingest_time=now)
        return self._open

    def closing(self, poll_time: dt.datetime, now: dt.datetime) -> Gap | None:
        """Return the record that closes the open Gap at a served poll; `served` says that it was acknowledged.

        Where the venue's clock went back the Gap closes with no length.
        """
        if self._open is None:
            return None
        return replace(self._open, to_time=max(poll_time, self._open.from_time), ingest_time=now)

    def served(self, poll_time: dt.datetime) -> None:
        """Note an acknowledged poll: no Gap is open after it."""
        self._served, self._open = poll_time, None

    def _gap(self, from_time: dt.datetime, cause: str, missed: int | None, now: dt.datetime) -> Gap:
        return Gap(
            venue=self._venue,
            event_time=from_time,
            ingest_time=now,
            symbol=WHOLE_STREAM,
            stream=self._stream.topic,
            from_time=from_time,
            cause=cause,
            recoverable=False,
            missed=missed,
        )
