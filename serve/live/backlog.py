"""What a topic held when it was opened, and whether all of that has been read. No I/O."""

import math
from collections.abc import Callable, Mapping


class Backlog:
    """The records of a topic up to the ends that its partitions had when it was opened.

    Some of what is in a topic may be no message, so that its end is never seen to be reached: where none of the backlog
    has come for `patience` seconds, there is taken to be no more of it.
    """

    def __init__(self, patience: float, monotonic: Callable[[], float]) -> None:
        self._patience = patience
        self._monotonic = monotonic
        self._ends: dict[int, int] = {}
        self._until = math.inf

    def open(self, ends: Mapping[int, int]) -> None:
        """Begin: `ends` are the offsets after the last record of each partition."""
        self._ends = dict(ends)
        self._until = self._monotonic() + self._patience

    def read(self, partition: int, offset: int) -> None:
        """Take note that a record was read, whether or not it is one of ours."""
        if offset < self._ends.get(partition, 0):
            self._until = self._monotonic() + self._patience

    def is_read(self, following: Mapping[int, int]) -> bool:
        """Say whether all was read, given the offset that follows in each partition."""
        return self._monotonic() > self._until or all(
            following.get(partition, 0) >= end for partition, end in self._ends.items()
        )
