"""The venue's limits: enforced, and counted so that a test can say how near a client came to them."""

import datetime as dt
from collections import Counter, deque

import msgspec

WEIGHT_PER_MINUTE = 6_000
MESSAGES_PER_SECOND = 5
FUTURES_MESSAGES_PER_SECOND = 10
STREAMS_PER_CONNECTION = 1_024
CONNECTIONS_PER_WINDOW = 300
CONNECTION_WINDOW_SECONDS = 300.0
BAN_SECONDS = 120
PATIENCE = 10
"""How many refused requests of a minute are answered with 429 before the client is banned."""


class Tally(msgspec.Struct):
    """How far a venue's limits were used, and how often they were passed."""

    highest_weight: int = 0
    refused: int = 0
    banned: int = 0
    most_messages_per_second: int = 0
    message_breaches: int = 0
    connections: int = 0
    most_connections_per_window: int = 0
    connections_refused: int = 0
    stream_breaches: int = 0


class Weights:
    """Request weight by minute of the venue's clock, and the ban of who does not stop."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._used: Counter[dt.datetime] = Counter()
        self._refusals: Counter[dt.datetime] = Counter()
        self.banned_until: dt.datetime | None = None

    def admit(self, weight: int, now: dt.datetime) -> int | None:
        """Count a request; None where it is let in, else 429 or, for who goes on after many of those, 418."""
        if self.banned_until is not None and now < self.banned_until:
            self._tally.banned += 1
            return 418
        minute = now.replace(second=0, microsecond=0)
        if self._used[minute] + weight > WEIGHT_PER_MINUTE:
            self._refusals[minute] += 1
            self._tally.refused += 1
            if self._refusals[minute] > PATIENCE:
                self.banned_until = now + dt.timedelta(seconds=BAN_SECONDS)
                self._tally.banned += 1
                return 418
            return 429
        self._used[minute] += weight
        self._tally.highest_weight = max(self._tally.highest_weight, self._used[minute])
        return None

    def used(self, now: dt.datetime) -> int:
        """Return the weight used in this minute."""
        return self._used[now.replace(second=0, microsecond=0)]


class Rate:
    """Events within a sliding window of wall time."""

    def __init__(self, window_seconds: float) -> None:
        self._window = window_seconds
        self._times: deque[float] = deque()

    def count(self, at: float) -> int:
        """Add an event and return how many the window now holds."""
        self._times.append(at)
        while at - self._times[0] >= self._window:
            self._times.popleft()
        return len(self._times)
