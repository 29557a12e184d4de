"""Opening a Delta table without Spark, its errors said in one line."""

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import compute as pc

from contracts.errors import NoDataError, StoreError
from contracts.settings import LakeSettings
from contracts.tables import Table

_PATIENCE = {"connect_timeout": "5s", "timeout": "20s", "max_retries": "1", "retry_timeout": "30s"}
"""Of delta-rs; without it, it waits minutes for an object store that hangs."""


def open_table(lake: LakeSettings, table: Table, version: int | None = None) -> DeltaTable:
    """Open a table as it stands, or as a version of it stood.

    Raises:
        NoDataError: there is no such table or no such version any more.
        StoreError: the object store does not answer or refuses.
    """
    place = f"{lake.lake}/{table.path}"
    try:
        return DeltaTable(place, version=version, storage_options={**lake.storage_options(), **_PATIENCE})
    except TableNotFoundError:
        raise NoDataError(f'expected table {table.name}, found none: run "coinlake process" first') from None
    except DeltaError as error:
        raise NoDataError(
            f"expected version {version} of table {table.name}, found: {str(error).splitlines()[0]}"
        ) from None
    except OSError as error:
        raise StoreError(f"cannot read table {table.name}: {str(error).splitlines()[0]}") from None


def rows_of(lake: LakeSettings, table: Table, where: pc.Expression | None = None) -> pa.Table:
    """Read the rows of a table that satisfy a condition.

    Raises:
        NoDataError: there is no such table.
        StoreError: the object store does not answer or refuses.
    """
    opened = open_table(lake, table)
    try:
        return opened.to_pyarrow_dataset().to_table(filter=where)
    except OSError as error:
        raise StoreError(f"cannot read table {table.name}: {str(error).splitlines()[0]}") from None
