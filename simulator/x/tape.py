"""Posts as the venue holds them, newest first. An id is its millisecond, so that a search by id is one by time."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

_BEGIN_MS = 1_288_834_974_657
_BITS = 22


class TapedPost(msgspec.Struct, frozen=True):
    """One post with all fields that can be asked for, and who wrote it, where that is known."""

    number: int
    item: Mapping[str, Any]
    author: Mapping[str, Any] | None


class Tape(Protocol):
    """What was written in the whole of time."""

    def newest_first(self, query: str, above: int, below: int) -> Iterator[TapedPost]:
        """Give the posts that a query finds with an id between two, the newest first."""


def id_at(ms: int) -> int:
    """Return the first id of a millisecond since 1970.

    >>> ms_of(id_at(1_665_182_532_752))
    1665182532752
    """
    return max(0, ms - _BEGIN_MS) << _BITS


def ms_of(number: int) -> int:
    """Return the millisecond since 1970 in which a post was made."""
    return (number >> _BITS) + _BEGIN_MS


def shifted_id(number: int, by_ms: int) -> int:
    """Return the id of a post that is made so much later; what is below the millisecond stays.

    >>> ms_of(shifted_id(id_at(1_665_182_532_752), -1000))
    1665182531752
    """
    return number + (by_ms << _BITS)
