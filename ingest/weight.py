"""A budget of request weight in a window of time, shared by all that ask one venue from one address."""

from collections import deque
from collections.abc import Callable

from contracts.errors import TransientSourceError

MINUTE_SECONDS = 61.0
"""A minute, and a second for requests that are under way for different times."""
RESERVE = 50
"""Weight that only a poll may spend, so that a long refill never makes one late."""


class WeightBudget:
    """What was spent in the last window of the monotonic clock, what the venue says was spent, and its pauses.

    Any window of the clock holds at most `most`, so no window of the venue's does, whenever that starts.
    """

    def __init__(self, most: int, monotonic: Callable[[], float], *, window_seconds: float = MINUTE_SECONDS) -> None:
        self.most = most
        self._window_seconds = window_seconds
        self._monotonic = monotonic
        self._spent: deque[tuple[float, int]] = deque()
        self._total = 0
        self._others = 0
        self._others_until = float("-inf")
        self._paused_until = float("-inf")
        self._cause = ""

    @property
    def spent(self) -> int:
        """Return what we spent in the last window."""
        self._forget()
        return self._total

    def take(self, weight: int, *, reserve: int = 0) -> float:
        """Spend weight and return 0, or spend nothing and return the seconds after which to ask again.

        Raises:
            TransientSourceError: the venue has asked us to pause, with what is left of the pause.
        """
        now = self._monotonic()
        if now < self._paused_until:
            raise TransientSourceError(self._cause, kind="rate_limited", retry_after=self._paused_until - now)
        self._forget()
        room = self.most - reserve - weight
        if self._total + self._others <= max(room, 0) or (not self._spent and not self._others):
            self._spent.append((now, weight))
            self._total += weight
            return 0.0
        frees = self._spent[0][0] + self._window_seconds if self._spent else self._others_until
        return max(min(frees, self._others_until if self._others else frees) - now, 0.01)

    def told(self, used: int) -> None:
        """Take the venue's own count: what is more than ours was spent by others from the same address."""
        self._forget()
        self._others = max(0, used - self._total)
        self._others_until = self._monotonic() + self._window_seconds

    def pause(self, seconds: float, cause: str) -> None:
        """Ask nothing for so many seconds: the venue has said so."""
        until = self._monotonic() + seconds
        if until > self._paused_until:
            self._paused_until, self._cause = until, cause

    def _forget(self) -> None:
        now = self._monotonic()
        while self._spent and now - self._spent[0][0] >= self._window_seconds:
            self._total -= self._spent.popleft()[1]
        if now >= self._others_until:
            self._others = 0
