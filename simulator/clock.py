"""The simulated clock: the venues' time, which may run faster than life but never ahead of it."""

import datetime as dt
from collections.abc import Callable

WallClock = Callable[[], dt.datetime]


def wall_clock() -> dt.datetime:
    """Return the time of this machine, in UTC."""
    return dt.datetime.now(dt.UTC)


class SimulatedClock:
    """A clock that stands still until it is started, then moves at `speed` times life.

    It stands at `begin`, or `span` before the wall clock where `begin` is None. It never goes back, and
    is never ahead of the wall clock: once it has caught up it keeps step with life.
    """

    def __init__(
        self, wall: WallClock, *, speed: float, span: dt.timedelta = dt.timedelta(0), begin: dt.datetime | None = None
    ) -> None:
        self._wall = wall
        self._speed = speed
        self._span = span
        self._begin = begin
        self._started: tuple[dt.datetime, dt.datetime] | None = None
        self._newest: dt.datetime | None = None

    @property
    def started_at(self) -> dt.datetime | None:
        """The simulated time of the start, None before it."""
        return self._started[1] if self._started else None

    def start(self) -> None:
        """Let the clock move from now on; a second start changes nothing."""
        if self._started is None:
            self._started = (self._wall(), self._rest())

    def now(self) -> dt.datetime:
        """Return the simulated time."""
        if self._started is None:
            return self._rest()
        wall = self._wall()
        started_wall, started = self._started
        reached = min(started + (wall - started_wall) * self._speed, wall)
        self._newest = reached if self._newest is None else max(reached, self._newest)
        return self._newest

    def wall(self) -> dt.datetime:
        """Return the time of life."""
        return self._wall()

    def _rest(self) -> dt.datetime:
        wall = self._wall()
        return min(self._begin if self._begin is not None else wall - self._span, wall)
