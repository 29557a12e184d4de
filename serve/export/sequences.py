"""Which numbers of a lane have come, and which never will: on a wire that keeps order a jump is a loss."""

from collections.abc import Mapping

from serve.export.feed import Lane, Lost

LANES = 10_000
"""Of so many lanes the next number is known; a new run of a publisher is a new lane of each topic."""


class Sequences:
    """The next number of each lane; a lane that is not known begins at 0."""

    def __init__(self, positions: Mapping[Lane, int], lanes: int = LANES) -> None:
        self._next = dict(positions)
        self._lanes = lanes
        self._lost: list[Lost] = []

    def arrived(self, lane: Lane, number: int) -> bool:
        """Take up that a message came; say whether it is one that was not handed out before."""
        if number < self._next.get(lane, 0):
            return False
        self.sent(lane, number)
        self._next[lane] = number + 1
        return True

    def sent(self, lane: Lane, count: int) -> None:
        """Take up that so many messages were sent in a lane until now: those of them that did not come are lost."""
        known = self._next.pop(lane, 0)
        if count > known:
            self._lost.append(Lost(lane, known, count))
        self._next[lane] = max(known, count)
        if len(self._next) > self._lanes:
            del self._next[next(iter(self._next))]

    def losses(self) -> list[Lost]:
        """Return what was found missing since the last call, in the order in which it was found."""
        lost, self._lost = self._lost, []
        return lost
