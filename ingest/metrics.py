"""What the generator counts, in a Prometheus registry of its own."""

import functools
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """Counters and gauges by venue, and when each venue last succeeded (monotonic seconds)."""

    def __init__(self, venues: Iterable[str], monotonic: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self._monotonic = monotonic
        self._started = monotonic()
        self._last_success: dict[str, float | None] = dict.fromkeys(venues)
        self._records = self._counter("records", "Records acknowledged by Kafka.", "venue", "stream")
        self._rejected = self._counter("rejected", "Rows rejected with a reason.", "venue")
        self._polls = self._counter("polls", "Polls that were due.", "venue", "outcome")
        self._errors = self._counter("errors", "Failed tries.", "venue", "kind")
        self._stale = self._counter("dropped_stale", "Rows older than the newest of their coin or market.", "venue")
        self._gaps = self._counter("gaps", "Holes opened.", "venue")
        self._in_flight = Gauge(
            "coinlake_ingest_in_flight", "Records sent and not acknowledged.", registry=self.registry
        )
        since = Gauge(
            "coinlake_ingest_seconds_since_last_success",
            "Seconds since the last acknowledged poll, or since the start.",
            ["venue"],
            registry=self.registry,
        )
        for venue in self._last_success:
            since.labels(venue).set_function(functools.partial(self._age, venue))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"coinlake_ingest_{name}", text, labels, registry=self.registry)

    def _age(self, venue: str) -> float:
        last = self._last_success[venue]
        return self._monotonic() - (self._started if last is None else last)

    def watch_in_flight(self, count: Callable[[], int]) -> None:
        """Take the number in flight from the sink."""
        self._in_flight.set_function(count)

    def served(self, venue: str) -> None:
        """Count a poll that was acknowledged as a whole."""
        self._polls.labels(venue, "served").inc()
        self._last_success[venue] = self._monotonic()

    def succeeded(self, venue: str) -> None:
        """Note that what a feed pushed was acknowledged just now."""
        self._last_success[venue] = self._monotonic()

    def missed(self, venue: str, polls: int) -> None:
        """Count polls that were due and not served."""
        self._polls.labels(venue, "missed").inc(polls)

    def acknowledged(self, venue: str, stream: str, records: int) -> None:
        """Count records."""
        self._records.labels(venue, stream).inc(records)

    def rejected(self, venue: str, rows: int) -> None:
        """Count rejected rows."""
        self._rejected.labels(venue).inc(rows)

    def error(self, venue: str, kind: str) -> None:
        """Count a failed try."""
        self._errors.labels(venue, kind).inc()

    def stale(self, venue: str, rows: int) -> None:
        """Count rows left out because newer ones were emitted before."""
        self._stale.labels(venue).inc(rows)

    def gap_opened(self, venue: str) -> None:
        """Count a hole."""
        self._gaps.labels(venue).inc()

    def seconds_since_success(self) -> dict[str, float | None]:
        """Return the age of each venue's last success, None where it never succeeded."""
        return {venue: None if last is None else self._age(venue) for venue, last in self._last_success.items()}
