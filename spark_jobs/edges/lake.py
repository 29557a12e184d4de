"""Reading and writing the Delta tables: the only place that knows their paths and how a write is made idempotent."""

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from contracts.errors import JobError, StoreError
from contracts.settings import LakeSettings
from contracts.tables import TABLES, Table
from spark_jobs.edges.lease import Lease
from spark_jobs.edges.progress import Outcome, Progress
from spark_jobs.edges.spark_errors import reason_of

MAX_FILES_PER_BATCH = 1000
MAX_PARTITIONS = 4
"""Into how many parts a batch computation is cut at most, which is also how many files it writes for a date."""
STATS_COLUMNS = ("event_time", "open_time", "kafka_offset")
"""The columns whose least and greatest value per file Delta writes down: the ones that ranges are read by."""

STATS = "delta.dataSkippingStatsColumns"

EachBatch = Callable[[DataFrame, int], Outcome]
"""Writes one micro-batch, given its rows and its number, and says what it wrote."""


class Transaction(msgspec.Struct, frozen=True):
    """One micro-batch of one query, which names every write that it makes.

    Delta keeps the newest version per `app_id` and skips a write whose version it has seen, so a batch
    that is run again after a crash changes nothing.
    """

    app_id: str
    version: int


class Lake:
    """The tables of one lake, written under one lease."""

    def __init__(self, spark: SparkSession, settings: LakeSettings, lease: Lease, progress: Progress) -> None:
        self._spark = spark
        self._settings = settings
        self._lease = lease
        self._progress = progress
        self._turns = {table.name: threading.RLock() for table in TABLES}

    @cached_property
    def _batch(self) -> SparkSession:
        """The session of what is computed in batch: cut by the cores, where a stream's state keeps its partitions."""
        session = self._spark.newSession()
        partitions = min(session.sparkContext.defaultParallelism, MAX_PARTITIONS)
        session.conf.set("spark.sql.shuffle.partitions", str(partitions))
        return session

    def check_lease(self) -> None:
        """Raise LeaseLostError unless we are still the one writer."""
        self._lease.check()

    def uri(self, table: Table) -> str:
        """Return where a table is."""
        return f"{self._settings.lake}/{table.path}"

    def ensure(self, table: Table, properties: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """Create a table unless it exists, add what it lacks of columns and of these properties; return its properties.

        Raises:
            JobError: the table's columns differ from those that we write by more than new ones that may be null.
        """
        found = self.delta(table)
        if found is None:
            DeltaTable.create(
                self.uri(table),
                Schema.from_json(table.schema.json()),
                partition_by=["date"],
                configuration={STATS: ",".join(_stats_columns(table)), **(properties or {})},
                storage_options=self._settings.storage_options(),
                raise_if_key_not_exists=False,
                mode="ignore",
            )
            found = self.delta(table)
            assert found is not None
        if lacking := lacking_columns(table, found.schema()):
            self._lease.check()
            found.alter.add_columns(lacking)
        known = found.metadata().configuration
        if unsaid := {name: value for name, value in (properties or {}).items() if name not in known}:
            self._lease.check()
            found.alter.set_table_properties(unsaid, raise_if_not_exists=False)
        return {**(properties or {}), **known}

    def delta(self, table: Table, version: int | None = None) -> DeltaTable | None:
        """Open a table's log without Spark; None where there is no table or its log no longer has that version.

        Raises:
            DeltaError: the log is damaged.
            StoreError: the object store refuses or does not answer.
        """
        try:
            return DeltaTable(self.uri(table), version=version, storage_options=self._settings.storage_options())
        except TableNotFoundError:
            return None
        except DeltaError:
            if version is None:
                raise
            return None
        except OSError as error:
            raise StoreError(f"cannot read table {table.name}: {str(error).splitlines()[0]}") from error

    def is_empty(self, table: Table) -> bool:
        """Say whether a table has no file."""
        found = self.delta(table)
        return found is None or not found.file_uris()

    def rows(self, table: Table) -> int:
        """Count a table's rows, from its files' statistics."""
        found = self.delta(table)
        return 0 if found is None else pc.sum(pa.table(found.get_add_actions(flatten=True))["num_records"]).as_py() or 0

    def has_first_version(self, table: Table) -> bool:
        """Say whether a table's log still begins at version 0 (Delta drops old entries after its retention)."""
        return self.delta(table, version=0) is not None

    def read(self, table: Table) -> DataFrame:
        """Read the newest version of a table."""
        return self._batch.read.format("delta").load(self.uri(table))

    def read_stream(self, table: Table, **options: str | int) -> DataFrame:
        """Read a table's appended rows as a stream, file by file in the order in which they were written.

        A change that is no append (a rebuild, an OPTIMIZE) is skipped: who replaces rows also rebuilds what is built
        of them.
        """
        reader = self._spark.readStream.format("delta").option("skipChangeCommits", "true")
        return reader.option("maxFilesPerTrigger", MAX_FILES_PER_BATCH).options(**options).load(self.uri(table))

    def read_changes(self, table: Table) -> DataFrame:
        """Read a table's appended rows, and all rows of files that a change wrote anew, as a stream.

        So a row may come again unchanged, and one that a change removed without another in its place is not told of:
        a hint at what is to be computed again, where rows are replaced by rows.
        """
        reader = self._spark.readStream.format("delta").option("ignoreChanges", "true")
        return reader.option("maxFilesPerTrigger", MAX_FILES_PER_BATCH).load(self.uri(table))

    @contextmanager
    def alone(self, table: Table) -> Iterator[None]:
        """Keep the other queries of this driver from writing a table while the block reads it and appends to it.

        Of two writes side by side, Delta refuses the later one where its rows depend on what the table holds.
        """
        with self._turns[table.name]:
            yield

    def append(self, rows: DataFrame, table: Table, transaction: Transaction) -> int:
        """Append rows once, however often the batch is run; return how many there were."""
        return self._write(rows, table, transaction, lambda writer: writer.mode("append"))

    def append_stateful(self, rows: DataFrame, table: Table, transaction: Transaction) -> int:
        """Append the rows of a query with state, which are computed even where the batch was committed before.

        Computing them is what writes the state of the batch; Spark ends a query whose batch left it out.
        """
        if self._has_seen(table, transaction):
            rows.write.format("noop").mode("overwrite").save()
            return 0
        return self.append(rows, table, transaction)

    def replace(self, rows: DataFrame, table: Table, where: str, transaction: Transaction | None = None) -> int:
        """Replace the rows that satisfy `where` by these, in one Delta transaction; return how many there are now.

        Every new row must satisfy `where` too.
        """
        return self._write(
            rows, table, transaction, lambda writer: writer.mode("overwrite").option("replaceWhere", where)
        )

    def _write(
        self,
        rows: DataFrame,
        table: Table,
        transaction: Transaction | None,
        mode: Callable[[DataFrameWriter], DataFrameWriter],
    ) -> int:
        with self.alone(table):
            self._lease.check()
            writer = rows.select(*table.schema.names).write.format("delta")
            if transaction is not None:
                if self._has_seen(table, transaction):
                    return 0
                writer = writer.option("txnAppId", transaction.app_id).option("txnVersion", transaction.version)
            mode(writer).save(self.uri(table))
            return self._rows_of_newest_commit(table)

    def _has_seen(self, table: Table, transaction: Transaction) -> bool:
        """Say whether this batch was committed before: then even computing its rows is for nothing."""
        found = self.delta(table)
        version = found.transaction_version(transaction.app_id) if found else None
        return version is not None and version >= transaction.version

    def _rows_of_newest_commit(self, table: Table) -> int:
        found = self.delta(table)
        (newest,) = found.history(1) if found else [{}]
        metrics = newest.get("operationMetrics", {})
        # A replacing write copies the rows that share a file with those it replaces; they are no news.
        return int(metrics.get("numOutputRows", 0)) - int(metrics.get("numCopiedRows", 0))

    def run(self, name: str, stream: DataFrame, each_batch: EachBatch) -> StreamingQuery:
        """Start a query that hands every micro-batch to `each_batch` and stops when all that is there has been read.

        Name, checkpoint and transaction ids derive from `name`.
        """

        def write(batch: DataFrame, number: int) -> None:
            self._lease.check()
            self._progress.note(name, number, each_batch(batch, number))

        return self._progress.follow(
            stream.writeStream.queryName(name)
            .option("checkpointLocation", f"{self._settings.state}/checkpoints/{name}")
            .trigger(availableNow=True)
            .foreachBatch(write)
            .start()
        )

    def finish(self, queries: Iterable[StreamingQuery]) -> None:
        """Wait until every query has read all there is.

        Raises:
            JobError: a query ended with an error; the others are stopped first.
        """
        waiting = list(queries)
        try:
            for query in waiting:
                query.awaitTermination()
        except StreamingQueryException as error:
            raise JobError(f"query {query.name} ended with an error: {reason_of(error)}") from error
        finally:
            for query in waiting:
                query.stop()
                self._progress.tell(query)


def transaction_of(batch: DataFrame, number: int, table: Table) -> Transaction:
    """Name the write of this micro-batch to a table: the table, the query's id from its checkpoint, the batch id.

    A query that starts from a fresh checkpoint has a new id, so its batch 0 is not taken for the old one.
    """
    query_id = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
    if not query_id:
        raise JobError(f"expected a streaming query to write table {table.name}, found none")
    return Transaction(app_id=f"{table.name}:{query_id}", version=number)


def lacking_columns(table: Table, found: Schema) -> list[Field]:
    """Return the columns that a table of an earlier version lacks.

    Raises:
        JobError: one of them must not be null, or the table has a column that is unknown or of another type.
    """
    ours = {field.name: field for field in Schema.from_json(table.schema.json()).fields}
    theirs = {field.name: field for field in found.fields}
    wrong = [
        f"{name} (expected {_said(ours.get(name))}, found {_said(theirs.get(name))})"
        for name in sorted(ours.keys() | theirs.keys())
        if _said(ours.get(name)) != _said(theirs.get(name)) and (name in theirs or not ours[name].nullable)
    ]
    if wrong:
        raise JobError(
            f"table {table.name} was made by another version of coinlake: {', '.join(wrong)}. Land in another lake"
            " (COINLAKE_LAKE, COINLAKE_STATE)"
        )
    return [field for name, field in ours.items() if name not in theirs]


def _said(field: Field | None) -> str:
    if field is None:
        return "no such column"
    kind = field.type.type if isinstance(field.type, PrimitiveType) else str(field.type)
    return kind if field.nullable else f"{kind} not null"


def _stats_columns(table: Table) -> list[str]:
    return [name for name in STATS_COLUMNS if name in table.schema.names]


def newest_event_time(table: DeltaTable | None) -> dt.datetime | None:
    """Return the newest event time of a table, from its files' statistics; None where it is empty."""
    if table is None:
        return None
    newest: dt.datetime | None = pc.max(pa.table(table.get_add_actions(flatten=True))["max.event_time"]).as_py()
    return newest


def next_offsets(table: DeltaTable | None, topic: str) -> dict[int, int]:
    """Return, for each partition of a topic that was landed in a table, the offset after the highest one."""
    if table is None:
        return {}
    columns = ["kafka_partition", "kafka_offset"]
    landed = table.to_pyarrow_table(columns=columns, filters=[("kafka_topic", "=", topic)])
    highest = landed.group_by("kafka_partition").aggregate([("kafka_offset", "max")]).to_pylist()
    return {row["kafka_partition"]: row["kafka_offset_max"] + 1 for row in highest}
