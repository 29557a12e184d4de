"""Holes as Gap records, each written again as more is known of it."""

import datetime as dt
from collections.abc import Iterable

from contracts.records import Gap, replace
from contracts.streams import Stream
from ingest.sources.binance import VENUE
from ingest.sources.binance.continuity import Hole

FRAMES_LOST = "a push did not arrive"
HALT = "the venue has nothing for this time (a halt): there is nothing to refill"
TOO_OLD = 'older than COINLAKE_BINANCE_REFILL_HOURS: fill it with "coinlake backfill"'
_REMEMBERED = 10_000


class GapBook:
    """The Gaps of one stream. Holes of a symbol that begin together share a Kafka key: one Gap tells of all.

    A Gap that an earlier run left on record stands under its key too, and of how many holes it tells it does not say:
    until that is known, what is told under its key lasts as long as it did.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._parts: dict[tuple[str, dt.datetime], dict[tuple[str, int], Gap]] = {}
        self._on_record: dict[tuple[str, dt.datetime], dt.datetime] = {}

    def know(self, gaps: Iterable[Gap]) -> None:
        """Take up what is on record of holes that are or were recoverable."""
        ended = ((gap, gap.to_time) for gap in gaps if gap.to_time is not None and gap.recoverable)
        newest = sorted(ended, key=lambda pair: pair[0].from_time)[-_REMEMBERED:]
        self._on_record = {(gap.symbol, gap.from_time): to_time for gap, to_time in newest}

    def resolved(self, gap: Gap) -> None:
        """Note that it is known by now of which holes a Gap on record tells."""
        self._on_record.pop((gap.symbol, gap.from_time), None)

    def came(self, symbol: str, track: str, hole: Hole, now: dt.datetime) -> Gap | None:
        """Return the record of a part of a Gap on record that is there; None where this run has told of all of it."""
        told = self._parts.get((symbol, hole.from_time), {}).get((track, hole.first))
        if told is not None and told.to_time is not None and told.to_time >= hole.to_time:
            return None
        # Beside what this run tells of the same hole, not in its place.
        return self._write(f"{track} before", hole.first, self._filled(symbol, hole, now))

    def opened(self, symbol: str, track: str, hole: Hole, now: dt.datetime) -> Gap:
        """Return the record of a hole that was just found; a refill may still close it."""
        return self._write(track, hole.first, self._gap(symbol, hole, now, recoverable=True))

    def repaired(self, symbol: str, track: str, hole: Hole, now: dt.datetime) -> Gap:
        """Return the record of a hole that is filled."""
        return self._write(track, hole.first, self._filled(symbol, hole, now))

    def lost(self, symbol: str, track: str, hole: Hole, now: dt.datetime, why: str, *, recoverable: bool) -> Gap:
        """Return the record of a hole that nobody fills now, and why."""
        cause = why if not recoverable else hole.cause if why in hole.cause else f"{hole.cause}; {why}"
        gap = replace(self._gap(symbol, hole, now, recoverable=recoverable), cause=cause)
        return self._write(track, hole.first, gap)

    def _filled(self, symbol: str, hole: Hole, now: dt.datetime) -> Gap:
        return replace(self._gap(symbol, hole, now, recoverable=True), repaired_at=now)

    def _gap(self, symbol: str, hole: Hole, now: dt.datetime, *, recoverable: bool) -> Gap:
        return Gap(
            venue=VENUE,
            event_time=hole.from_time,
            ingest_time=now,
            symbol=symbol,
            stream=self._stream.topic,
            from_time=hole.from_time,
            to_time=hole.to_time,
            cause=hole.cause,
            recoverable=recoverable,
            missed=hole.count,
        )

    def _write(self, track: str, first: int, gap: Gap) -> Gap:
        parts = self._parts.setdefault((gap.symbol, gap.from_time), {})
        parts[track, first] = gap
        while len(self._parts) > _REMEMBERED:
            self._parts.pop(next(iter(self._parts)))
        whole = merged(list(parts.values()))
        ended = self._on_record.get((gap.symbol, gap.from_time))
        return whole if ended is None or whole.to_time is None else replace(whole, to_time=max(whole.to_time, ended))


def merged(gaps: list[Gap]) -> Gap:
    """Tell of several holes that begin together as one: repaired when all are, as long as the longest."""
    newest = gaps[-1]
    repairs = [gap.repaired_at for gap in gaps if gap.repaired_at is not None]
    return replace(
        newest,
        to_time=max(gap.to_time for gap in gaps if gap.to_time is not None),
        cause="; ".join(dict.fromkeys(gap.cause for gap in gaps)),
        recoverable=any(gap.recoverable and gap.repaired_at is None for gap in gaps)
        or all(gap.recoverable for gap in gaps),
        missed=sum(gap.missed or 0 for gap in gaps),
        repaired_at=max(repairs) if len(repairs) == len(gaps) else None,
    )
