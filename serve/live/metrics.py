"""What the live chart's server counts, and where time passes between a trade and the screen."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serve.live.messages import Sample
from serve.live.points import Point

_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10)
_EARLIEST_MS = -1_000
"""A browser's clock may be a little behind ours."""
_LATEST_MS = 60_000


class Metrics:
    """Counters, gauges and histograms in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._received = self._counter("points_received", "Records read from Kafka.")
        self._unreadable = self._counter("records_unreadable", "Messages that are no record.")
        self._sent = self._counter("points_sent", "Points sent, each counted for each client.")
        self._conflated = self._counter(
            "points_conflated",
            "Points that a newer one of the same window replaced before they were sent: to all, or to a slow client.",
            "where",
        )
        self._histories = self._counter("histories_sent", "Histories sent.")
        self._refused = self._counter("connections_refused", "WebSockets refused.", "reason")
        self._cut_off = self._counter("connections_cut_off", "Clients that took nothing for too long.")
        self._wrong_messages = self._counter("messages_wrong", "Messages of clients that broke a rule.")
        self._absurd = self._counter("samples_absurd", "Reported times that cannot be.")
        self._latency = Histogram(
            "coinlake_live_latency_seconds",
            "Time between two stages on the way from a trade to the screen.",
            ["stage"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._stages = {
            stage: self._latency.labels(stage)
            for stage in (
                "event_to_broker",
                "broker_to_result",
                "result_to_sent",
                "sent_to_painted",
                "event_to_painted",
            )
        }

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"coinlake_live_{name}", text, labels, registry=self.registry)

    def watch(self, *, clients: Callable[[], int], kafka_readable: Callable[[], bool]) -> None:
        """Take the number of clients and the state of Kafka from who knows them."""
        Gauge("coinlake_live_clients", "Open WebSockets.", registry=self.registry).set_function(clients)
        Gauge("coinlake_live_kafka_readable", "1 while the topic can be read.", registry=self.registry).set_function(
            kafka_readable
        )

    def received(self, points: int, unreadable: int) -> None:
        """Count what came from Kafka."""
        self._received.inc(points)
        self._unreadable.inc(unreadable)

    def arrived(self, points: Iterable[Point]) -> None:
        """Time new points up to their arrival in Kafka."""
        for point in points:
            self._observe("event_to_broker", point.broker - point.event)
            self._observe("broker_to_result", point.result - point.broker)

    def leaving(self, points: Iterable[Point], now_ms: float) -> None:
        """Time new points up to now, when the first client is sent them."""
        for point in points:
            self._observe("result_to_sent", now_ms - point.result)

    def sent(self, points: int) -> None:
        """Count points that were handed to a client's socket."""
        self._sent.inc(points)

    def conflated(self, where: str, points: int) -> None:
        """Count points that were replaced before they were sent, to `all` or to a `slow` client."""
        self._conflated.labels(where).inc(points)

    def history_sent(self, points: int) -> None:
        """Count a history."""
        self._histories.inc()
        self._sent.inc(points)

    def refused(self, reason: str) -> None:
        """Count a WebSocket that was not opened."""
        self._refused.labels(reason).inc()

    def cut_off(self) -> None:
        """Count a client that was cut off."""
        self._cut_off.inc()

    def wrong_message(self) -> None:
        """Count a client's mistake."""
        self._wrong_messages.inc()

    def painted(self, samples: Sequence[Sample]) -> None:
        """Time what browsers report, and count what cannot be."""
        for sample in samples:
            since_sent, since_event = sample.painted - sample.sent, sample.painted - sample.event
            if all(_EARLIEST_MS <= passed <= _LATEST_MS for passed in (since_sent, since_event)):
                self._observe("sent_to_painted", since_sent)
                self._observe("event_to_painted", since_event)
            else:
                self._absurd.inc()

    def page(self) -> bytes:
        """Write everything as Prometheus reads it."""
        return generate_latest(self.registry)

    def _observe(self, stage: str, milliseconds: float) -> None:
        """Add a time; clocks of different machines may make it negative, which is next to nothing."""
        self._stages[stage].observe(max(0.0, milliseconds) / 1000)
