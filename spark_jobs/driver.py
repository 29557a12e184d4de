"""What every driver of the lake does around its work: settings, stores, the lease and the session."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deltalake.exceptions import DeltaError

from contracts.errors import JobError
from contracts.settings import JobMetricsSettings, JobSettings, KafkaSettings, LakeSettings
from contracts.tables import TABLES, Table
from spark_jobs.archives.imports import IMPORTED
from spark_jobs.context import Context
from spark_jobs.edges.lake import Lake
from spark_jobs.edges.lease import Lease
from spark_jobs.edges.metrics import JobMetrics, metrics_page
from spark_jobs.edges.progress import Progress
from spark_jobs.edges.session import close_session, open_session
from spark_jobs.edges.spark_errors import reason_of
from spark_jobs.edges.store import open_store
from spark_jobs.program import say

OF_THE_JOBS = tuple(table for table in TABLES if table not in IMPORTED)
"""What the jobs write: all but the imported archives, which `coinlake backfill` writes beside them."""


@contextmanager
def driving(
    name: str, check: Callable[[KafkaSettings], object] | None = None, tables: Sequence[Table] = OF_THE_JOBS
) -> Iterator[Context]:
    """Open what a job needs and hold the writer lease of these tables while the block runs.

    `check` looks at Kafka before the session starts, so that what is missing is said in a second.

    Raises:
        CoinlakeError: as `check` says.
        SettingsError: a setting cannot be used.
        StoreError: the object store cannot be reached, refuses the key, or lacks a bucket.
        LeaseHeldError: another driver is writing.
        JobError: delta-rs failed, or the port of the metrics is in use.
    """
    kafka, settings, rules = KafkaSettings.load(), LakeSettings.load(), JobSettings.load()
    state, published = open_store(settings, settings.state), open_store(settings, settings.lake)
    if check is not None:
        check(kafka)
    metrics = JobMetrics()
    with Lease(state, tables) as lease, metrics_page(metrics, JobMetricsSettings.load()):
        spark = open_session(f"coinlake {name}", settings, rules)
        try:
            yield Context(spark, Lake(spark, settings, lease, Progress(say, metrics)), state, published, kafka, rules)
        except (DeltaError, OSError) as error:  # delta-rs raises OSError where its store fails
            raise JobError(f"the job ended with an error: {reason_of(error)}") from error
        finally:
            close_session(spark)
