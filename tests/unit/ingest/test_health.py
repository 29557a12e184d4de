"""/healthz and /metrics."""

import aiohttp
import pytest

from contracts.errors import StackError
from ingest.health import HOST, health_server
from ingest.metrics import Metrics
from tests.unit.ingest.fakes import FakeTime


async def fetch(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{port}{path}") as response:
        return response.status, await response.text()


async def test_the_generator_is_healthy_while_each_venue_succeeded_within_three_intervals() -> None:
    time = FakeTime()
    metrics = Metrics(["coin_market_cap", "wallex"], time.monotonic)
    async with health_server(metrics, poll_seconds=60, port=0) as port:
        metrics.served("coin_market_cap")
        status, text = await fetch(port, "/healthz")
        assert status == 503
        assert text == (
            '{"healthy": false, "venues": {'
            '"coin_market_cap": {"healthy": true, "seconds_since_last_success": 0.0}, '
            '"wallex": {"healthy": false, "seconds_since_last_success": null}}}'
        )
        metrics.served("wallex")
        time.seconds += 180
        assert (await fetch(port, "/healthz"))[0] == 200
        time.seconds += 1
        assert (await fetch(port, "/healthz"))[0] == 503


async def test_metrics_tell_records_errors_in_flight_and_the_time_since_success() -> None:
    time = FakeTime()
    metrics = Metrics(["wallex"], time.monotonic)
    metrics.watch_in_flight(lambda: 7)
    metrics.acknowledged("wallex", "wallex", 134)
    metrics.rejected("wallex", 2)
    metrics.error("wallex", "timeout")
    metrics.stale("wallex", 3)
    metrics.gap_opened("wallex")
    metrics.missed("wallex", 4)
    time.seconds = 42
    async with health_server(metrics, poll_seconds=60, port=0) as port:
        _, text = await fetch(port, "/metrics")
    samples = {line for line in text.splitlines() if not line.startswith("#") and "_created" not in line}
    assert samples == {
        'coinlake_ingest_records_total{stream="wallex",venue="wallex"} 134.0',
        'coinlake_ingest_rejected_total{venue="wallex"} 2.0',
        'coinlake_ingest_errors_total{kind="timeout",venue="wallex"} 1.0',
        'coinlake_ingest_dropped_stale_total{venue="wallex"} 3.0',
        'coinlake_ingest_gaps_total{venue="wallex"} 1.0',
        'coinlake_ingest_polls_total{outcome="missed",venue="wallex"} 4.0',
        "coinlake_ingest_in_flight 7.0",
        'coinlake_ingest_seconds_since_last_success{venue="wallex"} 42.0',
    }


async def test_a_port_in_use_is_one_clear_line() -> None:
    metrics = Metrics([], FakeTime().monotonic)
    async with health_server(metrics, poll_seconds=60, port=0) as port:
        with pytest.raises(StackError) as caught:
            async with health_server(metrics, poll_seconds=60, port=port):
                pass
    assert str(caught.value) == f"port {port} of 127.0.0.1 is in use: choose another one with COINLAKE_HEALTH_PORT"
