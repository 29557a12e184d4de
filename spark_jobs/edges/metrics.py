"""What a driver counts, as a page for Prometheus."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from contracts.errors import JobError
from contracts.settings import JobMetricsSettings

_QUERY = ("query",)


class JobMetrics:
    """Counters and gauges by query, which is named after the table it writes, in a registry of their own."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self._now = now
        self._batches = self._counter("batches", "Micro-batches that did something.")
        self._rows_in = self._counter("rows_in", "Rows read.")
        self._rows_out = self._counter("rows_out", "Rows written.")
        self._late = self._counter("late", "Rows that came too late for the streams after them.")
        self._rejected = self._counter("rejected", "Messages refused, with their reason in the table `rejected`.")
        self._seconds = self._gauge("batch_seconds", "How long the last micro-batch took.")
        self._state = self._gauge("state_rows", "Rows that the query keeps in its state.")
        self._ended = self._gauge("last_batch_timestamp_seconds", "When the last micro-batch ended (Unix time).")

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"coinlake_process_{name}", text, _QUERY, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"coinlake_process_{name}", text, _QUERY, registry=self.registry)

    def batch(
        self, query: str, *, rows_in: int, rows_out: int, late: int, rejected: int, state_rows: int, seconds: float
    ) -> None:
        """Count a micro-batch that has ended."""
        self._batches.labels(query).inc()
        self._rows_in.labels(query).inc(rows_in)
        self._rows_out.labels(query).inc(rows_out)
        self._late.labels(query).inc(late)
        self._rejected.labels(query).inc(rejected)
        self._seconds.labels(query).set(seconds)
        self._state.labels(query).set(state_rows)
        self._ended.labels(query).set(self._now())


@contextmanager
def metrics_page(metrics: JobMetrics, settings: JobMetricsSettings) -> Iterator[int | None]:
    """Serve `/metrics` while the block runs, where a port is set, and give the port; 0 takes a free one.

    Raises:
        JobError: the port is in use.
    """
    if settings.process_metrics_port is None:
        yield None
        return
    host, port = settings.process_metrics_host, settings.process_metrics_port
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise JobError(
            f"COINLAKE_PROCESS_METRICS_PORT: expected a port of {host} to listen on, found {port}: {error.strerror}"
        ) from None
    try:
        yield int(server.server_port)
    finally:
        _end(server.shutdown, thread)


def _end(shutdown: Callable[[], None], thread: threading.Thread) -> None:
    shutdown()
    thread.join()
