"""Numbers that must come without a hole: ids of aggregate trades, open times of klines counted in intervals.

Pure: nothing here knows a clock, a socket or Kafka.
"""

import bisect
import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Hole:
    """The numbers `first` to `last` (inclusive) did not come between `from_time` and `to_time`.

    `found_at` is when that was noticed (monotonic seconds), or when it is to be asked for again; `asked` says that a
    refill is under way, `tries` how many have failed.
    """

    first: int
    last: int
    from_time: dt.datetime
    to_time: dt.datetime
    found_at: float
    cause: str
    asked: bool = False
    tries: int = 0

    @property
    def count(self) -> int:
        """How many numbers are missing."""
        return self.last - self.first + 1


class Continuity:
    """What came of one sequence: everything from `first_number` on and below `next_number`, but for the holes.

    A number is taken once, in whatever order the numbers come. A hole that is not `asked` for yet may still close by
    itself: frames overtake each other.
    """

    def __init__(self) -> None:
        self.first_number: int | None = None
        self.next_number: int | None = None
        self._newest_at: dt.datetime | None = None
        self._holes: list[Hole] = []

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Return the holes, in order."""
        return tuple(self._holes)

    def resume(self, known: Iterable[tuple[int, dt.datetime, dt.datetime]], now: float, cause: str) -> None:
        """Take up from numbers that came before, each with the moments it begins and ends at, in any order."""
        for number, begins, ends in sorted(known):
            self.take(number, begins, ends, now, cause)

    def take(self, number: int, begins: dt.datetime, ends: dt.datetime, now: float, cause: str) -> bool:
        """Take a number that came and say whether it is new; numbers before it that did not come become a hole.

        `begins` and `ends` are the moments the number stands for: for a trade both are its time.
        """
        self.expect(number, begins, now, cause)
        assert self.next_number is not None
        if number == self.next_number:
            self.next_number = number + 1
            self._newest_at = ends
            return True
        return self._fill(number, begins, ends)

    def expect(self, number: int, begins: dt.datetime, now: float, cause: str) -> None:
        """Note that every number before `number` must have come; those that did not become a hole."""
        if self.next_number is None or self._newest_at is None:
            self.first_number = self.next_number = number
            self._newest_at = begins
        elif number > self.next_number:
            self._holes.append(
                Hole(self.next_number, number - 1, self._newest_at, max(begins, self._newest_at), now, cause)
            )
            self.next_number, self._newest_at = number, max(begins, self._newest_at)

    def has(self, number: int) -> bool:
        """Say whether a number came."""
        if self.next_number is None or number >= self.next_number:
            return False
        return self._find(number) is None

    def overdue(self, before: float) -> list[Hole]:
        """Return the holes found up to a moment that nobody has asked for, and mark them as asked for."""
        due = [hole for hole in self._holes if not hole.asked and hole.found_at <= before]
        self._holes = [replace(hole, asked=True) if hole in due else hole for hole in self._holes]
        return due

    def give_up(self, first: int, last: int) -> int:
        """Forget what is still missing of a range: nobody will fill it. Returns how many numbers that were."""
        kept: list[Hole] = []
        forgotten = 0
        for hole in self._holes:
            low, high = max(hole.first, first), min(hole.last, last)
            if low > high:
                kept.append(hole)
                continue
            forgotten += high - low + 1
            if hole.first < low:
                kept.append(replace(hole, last=low - 1))
            if high < hole.last:
                kept.append(replace(hole, first=high + 1))
        self._holes = kept
        return forgotten

    def put_off(self, first: int, last: int, until: float) -> None:
        """Let what is still missing of a range be asked for again, at a later moment."""
        self._holes = [
            replace(hole, asked=False, found_at=until, tries=hole.tries + 1)
            if hole.first <= last and hole.last >= first
            else hole
            for hole in self._holes
        ]

    def ask_again(self) -> None:
        """Let every hole be asked for anew: what was under way is lost."""
        self._holes = [replace(hole, asked=False) for hole in self._holes]

    def left_of(self, hole: Hole) -> list[Hole]:
        """Return what of a hole has not come."""
        overlapping = (part for part in self._holes if part.first <= hole.last and part.last >= hole.first)
        return [
            replace(
                part,
                first=max(part.first, hole.first),
                last=min(part.last, hole.last),
                from_time=max(part.from_time, hole.from_time),
                to_time=min(part.to_time, hole.to_time),
            )
            for part in overlapping
        ]

    def reopen(self, hole: Hole) -> None:
        """Take a hole up that is on record: what it has of numbers before the first one that came is missing again.

        Where nothing came yet, the sequence goes on from the beginning of the hole. A hole that reaches into this one
        is cut where this one begins: each is on record by itself, and else would be filled without a word of this one.
        """
        if self.first_number is None:
            self.first_number = self.next_number = hole.first
            self._newest_at = hole.from_time
            return
        last = min(hole.last, self.first_number - 1)
        first, parts = hole.first, []
        for other in (other for other in self._holes if other.last >= first and other.first <= last):
            if other.first > first:
                parts.append(replace(hole, first=first, last=other.first - 1))
            first = other.last + 1
        if first <= last:
            parts.append(replace(hole, first=first, last=last))
        self._holes = sorted([*self._holes, *parts], key=lambda one: one.first)
        self._cut(hole)

    def _cut(self, hole: Hole) -> None:
        place = self._find(hole.first)
        if place is not None and (other := self._holes[place]).first < hole.first:
            self._holes[place : place + 1] = [
                replace(other, last=hole.first - 1, to_time=hole.from_time),
                replace(hole, last=other.last, to_time=max(other.to_time, hole.from_time)),
            ]

    def _find(self, number: int) -> int | None:
        place = bisect.bisect_right(self._holes, number, key=lambda hole: hole.first) - 1
        return place if place >= 0 and number <= self._holes[place].last else None

    def _fill(self, number: int, begins: dt.datetime, ends: dt.datetime) -> bool:
        place = self._find(number)
        if place is None:
            return False
        hole = self._holes[place]
        parts = []
        if hole.first < number:
            parts.append(replace(hole, last=number - 1, to_time=min(max(begins, hole.from_time), hole.to_time)))
        if number < hole.last:
            parts.append(replace(hole, first=number + 1, from_time=min(max(ends, hole.from_time), hole.to_time)))
        self._holes[place : place + 1] = parts
        return True


def parts_of(hole: Hole, left: Iterable[Hole]) -> Iterator[tuple[Hole, bool]]:
    """Cut a hole into what was filled (True) and what is left of it, in order."""
    first, since = hole.first, hole.from_time
    for part in left:
        if part.first > first:
            yield replace(hole, first=first, last=part.first - 1, from_time=since, to_time=part.from_time), True
        yield replace(hole, first=part.first, last=part.last, from_time=part.from_time, to_time=part.to_time), False
        first, since = part.last + 1, part.to_time
    if first <= hole.last:
        yield replace(hole, first=first, from_time=since), True


def after(hole: Hole, ended: Hole) -> Iterator[Hole]:
    """Yield what remains of a hole after a part of it, its beginning or all that is left, has ended."""
    if hole.last < ended.first or hole.first > ended.last:
        yield hole
    elif hole.last > ended.last:
        yield replace(hole, first=ended.last + 1, from_time=ended.to_time)
