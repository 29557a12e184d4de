"""One line of progress per micro-batch, and what Prometheus is told of it."""

from collections.abc import Callable, Iterable

import msgspec
from pyspark.sql.streaming.listener import StreamingQueryProgress
from pyspark.sql.streaming.query import StreamingQuery

from spark_jobs.edges.metrics import JobMetrics


class Outcome(msgspec.Struct, frozen=True):
    """What one micro-batch wrote: rows, rows that came too late for the streams after it, messages refused."""

    rows_out: int
    late: int = 0
    rejected: int = 0


class Progress:
    """Print and count, for every batch of every query: rows in, rows out, late rows, state rows, seconds.

    The queries are asked; a listener would be told of every event field by field, from the JVM to Python, which takes
    longer than some batches.
    """

    def __init__(self, write: Callable[[str], None], metrics: JobMetrics) -> None:
        self._write = write
        self._metrics = metrics
        self._queries: dict[str, StreamingQuery] = {}
        self._outcomes: dict[tuple[str, int], Outcome] = {}

    def follow(self, query: StreamingQuery) -> StreamingQuery:
        """Take in a query that has been started."""
        self._queries[query.name] = query
        return query

    def note(self, query: str, batch: int, outcome: Outcome) -> None:
        """Remember what a batch wrote until Spark knows how it ended; tell of the one before it."""
        self._outcomes[query, batch] = outcome
        if (running := self._queries.get(query)) is not None and running.lastProgress is not None:
            self._tell([running.lastProgress])

    def tell(self, query: StreamingQuery) -> None:
        """Tell of all batches of a query that were not told of yet, now that it has ended."""
        self._tell(query.recentProgress)

    def _tell(self, batches: Iterable[StreamingQueryProgress]) -> None:
        for progress in batches:
            name, batch = str(progress.name), progress.batchId
            outcome = self._outcomes.pop((name, batch), None)
            if outcome is None:
                continue
            rows_in, seconds = progress.numInputRows, progress.durationMs.get("triggerExecution", 0) / 1000
            state_rows = sum(operator.numRowsTotal for operator in progress.stateOperators)
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


def progress_line(query: str, batch: int, *, rows_in: int, outcome: Outcome, state_rows: int, seconds: float) -> str:
    """Write the line of one batch.

    >>> progress_line("wallex", 3, rows_in=402, outcome=Outcome(400, late=1, rejected=2), state_rows=0, seconds=1.25)
    'wallex           batch 3    in      402  out      400  late     1  rejected     2  state       0    1.2 s'
    """
    return (
        f"{query:<16} batch {batch:<4} in {rows_in:>8}  out {outcome.rows_out:>8}  late {outcome.late:>5}"
        f"  rejected {outcome.rejected:>5}  state {state_rows:>7}  {seconds:>5.1f} s"
    )
