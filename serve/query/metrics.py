"""What the query API counts."""

from collections.abc import Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serve.query.queries import StoreName
from serve.query.query_file import QueryFile
from serve.query.slots import Slots

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
NO_KEY = ""
"""The key of requests for one that there is none of: what clients make up must not become labels."""


class Metrics:
    """Counters, gauges and histograms in a registry of their own."""

    def __init__(self, slots: Mapping[StoreName, Slots]) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "coinlake_query_requests", "Questions, by query and status.", ["key", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "coinlake_query_seconds",
            "Time from a question to its answer, waiting for a turn included.",
            ["key"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._rows = Counter("coinlake_query_rows", "Rows of answers.", ["key"], registry=self.registry)
        self._truncated = Counter(
            "coinlake_query_truncated", "Answers that were cut off at the row limit.", ["key"], registry=self.registry
        )
        waiting = Gauge("coinlake_query_waiting", "Questions that wait for a turn.", ["store"], registry=self.registry)
        for store, turns in slots.items():
            waiting.labels(store).set_function(partial(getattr, turns, "waiting"))

    def watch(self, file: QueryFile) -> None:
        """Take the state of the file of queries from who knows it."""
        for name, text, value in (
            ("file_refused", "1 while the file of queries has an edit that is refused.", lambda: bool(file.problem)),
            ("file_reads", "How often the file of queries was read anew.", lambda: file.reads),
            ("queries", "Queries that can be asked.", lambda: len(file.queries())),
        ):
            Gauge(f"coinlake_query_{name}", text, registry=self.registry).set_function(value)

    def asked(self, key: str, status: int, seconds: float) -> None:
        """Count a question that has its answer."""
        self._requests.labels(key, str(status)).inc()
        self._seconds.labels(key).observe(seconds)

    def answered(self, key: str, rows: int, *, truncated: bool) -> None:
        """Count the rows of an answer."""
        self._rows.labels(key).inc(rows)
        if truncated:
            self._truncated.labels(key).inc()

    def page(self) -> bytes:
        """Write everything as Prometheus reads it."""
        return generate_latest(self.registry)
