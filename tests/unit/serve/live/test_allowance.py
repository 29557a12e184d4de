"""How often a client may speak, and what is measured of what it reports."""

import pytest

from serve.live.allowance import Allowance
from serve.live.messages import Sample
from serve.live.metrics import Metrics


def test_a_client_may_send_a_burst_and_then_its_rate() -> None:
    allowance = Allowance(10, now=100.0)
    assert [allowance.take(100.0) for _ in range(21)] == [True] * 20 + [False]
    assert [allowance.take(100.25) for _ in range(3)] == [True, True, False]
    assert [allowance.take(999.0) for _ in range(21)].count(True) == 20


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None
    return found


def test_reported_times_are_measured_and_absurd_ones_counted() -> None:
    metrics = Metrics()
    good = Sample(event=1000, broker=1010, result=1020, sent=1030, painted=1050)
    behind = Sample(event=1000, broker=1000, result=1000, sent=1500, painted=1000)
    early = Sample(event=5000, broker=1, result=1, sent=1030, painted=1050)
    late = Sample(event=1, broker=1, result=1, sent=1, painted=60_002)
    metrics.painted([good, behind, early, late])
    count = "coinlake_live_latency_seconds_count"
    total = "coinlake_live_latency_seconds_sum"
    assert value(metrics, count, stage="sent_to_painted") == 2
    assert value(metrics, total, stage="sent_to_painted") == pytest.approx(0.020)
    assert value(metrics, total, stage="event_to_painted") == pytest.approx(0.050)
    assert value(metrics, "coinlake_live_samples_absurd_total") == 2
