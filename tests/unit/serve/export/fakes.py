"""A feed and a clock that stand for Kafka and the day."""

from collections.abc import Callable, Mapping, Sequence

from serve.export.feed import Lane, Lost, Message


class FakeClock:
    """Seconds that pass only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class ListFeed:
    """A Feed of arrivals: each `take` hands out the next, or waits in vain once there is no more.

    `each_take` is called at every one of them.
    """

    def __init__(
        self,
        arrivals: Sequence[Sequence[Message]],
        clock: FakeClock,
        *,
        seconds_each: float = 0.0,
        lost: Sequence[Lost] = (),
        each_take: Callable[[], object] = lambda: None,
    ) -> None:
        self.arrivals = list(arrivals)
        self.lost = list(lost)
        self.started_at: Mapping[Lane, int] | None = None
        self.closed = False
        self._clock = clock
        self._seconds_each = seconds_each
        self._each_take = each_take

    def start(self, positions: Mapping[Lane, int]) -> None:
        self.started_at = positions

    def take(self, wait: float) -> Sequence[Message]:
        self._each_take()
        if not self.arrivals:
            self._clock.now += wait
            return []
        self._clock.now += min(wait, self._seconds_each)
        return self.arrivals.pop(0)

    def losses(self) -> Sequence[Lost]:
        lost, self.lost = self.lost, []
        return lost

    def caught_up(self) -> bool:
        return not self.arrivals

    def close(self) -> None:
        self.closed = True
