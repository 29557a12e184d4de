"""Tell a hole that is new from one that was told before."""

import datetime as dt
from collections.abc import Iterable

from contracts.records import Gap

_REMEMBERED = 1_000
"""Holes of a symbol that are known again; the oldest are forgotten."""


class NewGaps:
    """The holes of one stream that are known: of each symbol when they began, and the latest end they were given."""

    def __init__(self) -> None:
        self._known: dict[str, dict[dt.datetime, dt.datetime | None]] = {}

    def know(self, gaps: Iterable[Gap]) -> None:
        """Take Gaps up that an earlier run has told."""
        for gap in gaps:
            known = self._known.setdefault(gap.symbol, {})
            ends = [end for end in (known.get(gap.from_time), gap.to_time) if end is not None]
            known[gap.from_time] = max(ends, default=None)
            while len(known) > _REMEMBERED:
                known.pop(next(iter(known)))

    def is_new(self, gap: Gap) -> bool:
        """Say whether a Gap is a hole not told before, and know it from now on.

        One that grows or ends, one that is repaired, and a part of one that was told are not.
        """
        known = self._known.get(gap.symbol, {})
        told = gap.from_time in known or any(_is_part(gap, since, end) for since, end in known.items())
        self.know([gap])
        return not told and gap.repaired_at is None


def _is_part(gap: Gap, since: dt.datetime, end: dt.datetime | None) -> bool:
    return end is not None and gap.to_time is not None and since <= gap.from_time and gap.to_time <= end
