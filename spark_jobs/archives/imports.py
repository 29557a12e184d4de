"""The tables of imported archives, read and written without Spark."""

from collections.abc import Callable, Mapping

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from contracts.errors import JobError, StoreError
from contracts.settings import LakeSettings
from contracts.tables import IMPORTED_AGG_TRADES, IMPORTED_KLINES, Table
from spark_jobs.edges.lake import STATS, STATS_COLUMNS

IMPORTED = (IMPORTED_KLINES, IMPORTED_AGG_TRADES)
"""What `backfill` alone writes: these have a lease apart from the other tables, so that `process` can run beside it."""


class Imports:
    """Appends to the tables of one lake, each commit with named numbers that only grow.

    `check_lease` is called before each write.
    """

    def __init__(self, settings: LakeSettings, check_lease: Callable[[], None]) -> None:
        self._settings = settings
        self._check_lease = check_lease
        self._opened: dict[str, DeltaTable] = {}

    def number(self, table: Table, name: str) -> int | None:
        """Return the newest number that was committed under a name; None where there is none."""
        found = self._open(table)
        return None if found is None else found.transaction_version(name)

    def append(self, table: Table, rows: pa.Table, numbers: Mapping[str, int]) -> None:
        """Append rows and set the numbers, in one Delta transaction.

        Raises:
            JobError: Delta refuses.
            StoreError: the object store refuses or does not answer.
            LeaseLostError: we are no longer the one writer.
        """
        self._check_lease()
        try:
            write_deltalake(
                self._open(table) or self._make(table),
                rows,
                mode="append",
                writer_properties=WriterProperties(compression="ZSTD"),
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(name, number) for name, number in numbers.items()]
                ),
            )
        except DeltaError as error:
            raise JobError(f"table {table.name} was not written: {_line(error)}") from error
        except OSError as error:
            raise StoreError(f"table {table.name} was not written: {_line(error)}") from error

    def _open(self, table: Table) -> DeltaTable | None:
        """Open a table once; nobody else writes it, and our own writes bring it up to date."""
        if table.name not in self._opened:
            try:
                found = DeltaTable(self._place(table), storage_options=self._settings.storage_options())
            except TableNotFoundError:
                return None
            except OSError as error:
                raise StoreError(f"cannot read table {table.name}: {_line(error)}") from error
            self._opened[table.name] = found
        return self._opened[table.name]

    def _make(self, table: Table) -> DeltaTable:
        made = DeltaTable.create(
            self._place(table),
            Schema.from_json(table.schema.json()),
            partition_by=["date"],
            configuration={STATS: ",".join(name for name in STATS_COLUMNS if name in table.schema.names)},
            storage_options=self._settings.storage_options(),
            raise_if_key_not_exists=False,
            mode="ignore",
        )
        self._opened[table.name] = made
        return made

    def _place(self, table: Table) -> str:
        return f"{self._settings.lake}/{table.path}"


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
