"""One line of progress per micro-batch, and what Prometheus is told of it."""

import json
from collections.abc import Callable

import msgspec
from pyspark.sql import SparkSession
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from spark_jobs.edges.metrics import JobMetrics


class Outcome(msgspec.Struct, frozen=True):
    """What one micro-batch wrote: rows, rows that came too late for the streams after it, messages refused."""

    rows_out: int
    late: int = 0
    rejected: int = 0


class Progress(StreamingQueryListener):
    """Print and count, for every batch of every query: rows in, rows out, late rows, state rows, seconds."""

    def __init__(self, write: Callable[[str], None], metrics: JobMetrics) -> None:
        self._write = write
        self._metrics = metrics
        self._outcomes: dict[tuple[str, int], Outcome] = {}

    def note(self, query: str, batch: int, outcome: Outcome) -> None:
        """Remember what a batch wrote until Spark reports that the batch has ended."""
        self._outcomes[query, batch] = outcome

    def flush(self, spark: SparkSession) -> None:
        """Wait until every event has been delivered, so that the last lines are not lost."""
        spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802
        """Ignore: a query that has nothing to do is no news."""

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802
        """Print the line of a batch that did something."""
        progress = json.loads(event.progress.json)
        name, batch = progress["name"], progress["batchId"]
        outcome = self._outcomes.pop((name, batch), None)
        if outcome is None:
            return
        rows_in, seconds = progress["numInputRows"], progress["durationMs"].get("triggerExecution", 0) / 1000
        state_rows = sum(operator["numRowsTotal"] for operator in progress["stateOperators"])
        self._metrics.batch(
            name,
            rows_in=rows_in,
            rows_out=outcome.rows_out,
            late=outcome.late,
            rejected=outcome.rejected,
            state_rows=state_rows,
            seconds=seconds,
        )
        self._write(
            progress_line(name, batch, rows_in=rows_in, outcome=outcome, state_rows=state_rows, seconds=seconds)
        )

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: N802
        """Ignore: available-now queries end instead of idling."""

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802
        """Ignore: the job itself reports how a query ended."""


def progress_line(query: str, batch: int, *, rows_in: int, outcome: Outcome, state_rows: int, seconds: float) -> str:
    """Write the line of one batch.

    >>> progress_line("wallex", 3, rows_in=402, outcome=Outcome(400, late=1, rejected=2), state_rows=0, seconds=1.25)
    'wallex           batch 3    in      402  out      400  late     1  rejected     2  state       0    1.2 s'
    """
    return (
        f"{query:<16} batch {batch:<4} in {rows_in:>8}  out {outcome.rows_out:>8}  late {outcome.late:>5}"
        f"  rejected {outcome.rejected:>5}  state {state_rows:>7}  {seconds:>5.1f} s"
    )
