"""What a driver tells Prometheus of its batches."""

import socket
import urllib.request
from types import SimpleNamespace

import pytest

from contracts.errors import JobError
from contracts.settings import JobMetricsSettings
from spark_jobs.edges.metrics import JobMetrics, metrics_page
from spark_jobs.edges.progress import Outcome, Progress


class AskedQuery:
    """A query that has ended so many batches by now."""

    name = "wallex"

    def __init__(self) -> None:
        self.recentProgress: list[SimpleNamespace] = []

    @property
    def lastProgress(self) -> SimpleNamespace | None:  # noqa: N802
        return self.recentProgress[-1] if self.recentProgress else None

    def end_batch(self, batch: int, rows: int) -> None:
        self.recentProgress.append(
            SimpleNamespace(
                name=self.name,
                batchId=batch,
                numInputRows=rows,
                stateOperators=[SimpleNamespace(numRowsTotal=7), SimpleNamespace(numRowsTotal=4)],
                durationMs={"triggerExecution": 1250},
            )
        )


def page(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return [line for line in answer.read().decode().splitlines() if not line.startswith("#")]


def test_the_page_tells_what_the_batches_of_a_query_did() -> None:
    metrics = JobMetrics(now=lambda: 1_700_000_000.0)
    lines: list[str] = []
    progress = Progress(lines.append, metrics)
    query = AskedQuery()
    progress.follow(query)  # type: ignore[arg-type]
    progress.note("wallex", 1, Outcome(90, late=2, rejected=3))
    assert lines == []
    query.end_batch(1, 95)
    progress.note("wallex", 2, Outcome(10, late=1, rejected=0))
    assert len(lines) == 1, "a batch is told of when the next one writes"
    with metrics_page(metrics, JobMetricsSettings(process_metrics_port=0)) as port:
        assert port is not None
        query.end_batch(2, 11)
        query.end_batch(3, 500)  # did nothing that was noted
        progress.tell(query)  # type: ignore[arg-type]
        told = page(port)
    assert {
        'coinlake_process_batches_total{query="wallex"} 2.0',
        'coinlake_process_rows_in_total{query="wallex"} 106.0',
        'coinlake_process_rows_out_total{query="wallex"} 100.0',
        'coinlake_process_late_total{query="wallex"} 3.0',
        'coinlake_process_rejected_total{query="wallex"} 3.0',
        'coinlake_process_batch_seconds{query="wallex"} 1.25',
        'coinlake_process_state_rows{query="wallex"} 11.0',
        'coinlake_process_last_batch_timestamp_seconds{query="wallex"} 1.7e+09',
    } <= set(told)
    assert len(lines) == 2
    with pytest.raises(OSError, match="refused"):
        page(port)


def test_without_a_port_there_is_no_page() -> None:
    with metrics_page(JobMetrics(), JobMetricsSettings()) as port:
        assert port is None


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        named = rf"COINLAKE_PROCESS_METRICS_PORT: expected a port of 127.0.0.1 to listen on, found {port}"
        with (
            pytest.raises(JobError, match=named),
            metrics_page(JobMetrics(), JobMetricsSettings(process_metrics_port=port)),
        ):
            pass
