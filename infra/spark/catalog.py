"""The tables of a lake under their names in a Spark shell: SQL that registers them in the shell's own catalog.

They are catalog tables and not views, on which Delta refuses time travel. Nothing of the lake is changed.
"""

from collections.abc import Mapping

from contracts.settings import LakeSettings
from contracts.tables import PUBLISHED, TABLES, Table
from spark_jobs.edges.store import ObjectStore, open_store

CONF = {
    # In memory: neither a Hive metastore nor what is left of an earlier shell.
    "spark.sql.catalogImplementation": "in-memory",
    # Published objects are replaced while a shell is open: list them at each query, remember none.
    "spark.sql.hive.manageFilesourcePartitions": "false",
    "spark.sql.filesourceTableRelationCacheSize": "0",
}
"""What a shell needs so that the names show the lake as it is."""


def registrations(lake: LakeSettings) -> Mapping[str, str]:
    """Return, for each table that is there, its name in a shell and the statement that registers it.

    A table of record bears its own name, its published Parquet the same with `published_` before it.

    Raises:
        StoreError: the object store cannot be reached, refuses the key, or lacks the bucket.
    """
    store = open_store(lake, lake.lake)
    of_record = {table.name: _delta(lake, table) for table in TABLES if _any(store, f"{table.path}/_delta_log/")}
    published = {
        f"published_{table.name}": _parquet(lake, table)
        for table in PUBLISHED
        if _any(store, f"{table.published_path}/")
    }
    return {**of_record, **published}


def _any(store: ObjectStore, prefix: str) -> bool:
    return next(iter(store.keys(prefix)), None) is not None


def _delta(lake: LakeSettings, table: Table) -> str:
    return f"CREATE TABLE IF NOT EXISTS {table.name} USING delta LOCATION {_text(f'{lake.lake}/{table.path}')}"


def _parquet(lake: LakeSettings, table: Table) -> str:
    """Name the columns, so that nothing is listed or opened until it is asked for, and no coin is read as a number."""
    columns = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in table.schema.fields)
    folders = ", ".join(table.published_by)
    place = _text(f"{lake.lake}/{table.published_path}")
    return (
        f"CREATE TABLE IF NOT EXISTS published_{table.name} ({columns}) USING parquet "
        f"PARTITIONED BY ({folders}) LOCATION {place}"
    )


def _text(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{quoted}'"
