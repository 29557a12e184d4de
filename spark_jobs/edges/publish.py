"""Publish tables as plain Parquet, so that spark-shell, DuckDB and pandas read them without a Delta library.

One object per folder (`coin=.../date=...`) at a fixed key, replaced by a single PUT, which is atomic. Only the dates
that changed since the last published version of the table are written; the version is written last, so a run that
is killed is done again by the next.
"""

import datetime as dt
import io
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from contracts.tables import Table
from spark_jobs.edges.lake import Lake
from spark_jobs.edges.store import ObjectStore

FILE = "part-0.parquet"
WRITERS = 8
_ESCAPED = frozenset("\"#%'*/:=?\\\x7f{[]^")
"""Hive's set (Spark: ExternalCatalogUtils.charToEscape), control characters aside."""


class Published(msgspec.Struct, frozen=True):
    """The version of the Delta table (of this id) that the published Parquet equals."""

    table_id: str
    version: int


def publish(store: ObjectStore, table: Table, lake: Lake) -> int:
    """Bring the published Parquet of one table up to the Delta table as it stands; return the objects written."""
    delta = lake.delta(table)
    if delta is None:
        return 0
    key = f"published/_versions/{table.name}.json"
    stored = store.get(key)
    last = msgspec.json.decode(stored.body, type=Published) if stored else None
    now = Published(table_id=str(delta.metadata().id), version=delta.version())
    if last == now:
        return 0
    known = last is not None and last.table_id == now.table_id
    before = lake.delta(table, version=last.version) if last is not None and known else None
    changed = {date for _, date in _files(delta) ^ (_files(before) if before else frozenset())}
    dates = sorted(changed if before else changed | _published_dates(store, table))
    with ThreadPoolExecutor(WRITERS) as pool:
        written = 0
        for date in dates:
            lake.check_lease()
            written += _publish_date(store, table, delta, date, pool)
    store.put(key, msgspec.json.encode(now))
    return written


def _published_dates(store: ObjectStore, table: Table) -> set[dt.date]:
    """List the dates of what is published now, be it of another table that stood here before."""
    keys = store.keys(f"{table.published_path}/")
    return {dt.date.fromisoformat(found[1]) for key in keys if (found := re.search(r"/date=([\d-]{10})/", key))}


def _files(delta: DeltaTable) -> frozenset[tuple[str, dt.date]]:
    actions = pa.table(delta.get_add_actions(flatten=True))
    return frozenset(zip(actions["path"].to_pylist(), actions["partition.date"].to_pylist(), strict=True))


def _publish_date(store: ObjectStore, table: Table, delta: DeltaTable, date: dt.date, pool: Executor) -> int:
    """Write the objects of one date, then delete those of folders that have no row of this date any more."""
    rows = delta.to_pyarrow_table(filters=[("date", "=", date)])
    folders = tuple(name for name in table.published_by if name != "date")
    objects = {folder_of(table, folder, date): part for folder, part in split(rows, table, folders)}
    list(pool.map(lambda key: store.put(key, parquet(objects[key])), objects))
    if folders:
        there = store.folders(f"{table.published_path}/")
        old = {f"{table.published_path}/{name}/date={date:%Y-%m-%d}/{FILE}" for name in there}
    else:
        old = {folder_of(table, (), date)}
    store.delete(sorted(old - objects.keys()))
    return len(objects)


def split(rows: pa.Table, table: Table, folders: Sequence[str]) -> Iterator[tuple[tuple[str, ...], pa.Table]]:
    """Split rows into the parts of one object each, sorted by identity, without the columns that the path says."""
    columns = [name for name in table.schema.names if name not in table.published_by]
    ordered = rows.sort_by([(name, "ascending") for name in (*folders, *table.identity) if name in rows.column_names])
    if not folders:
        if ordered.num_rows:
            yield (), ordered.select(columns)
        return
    (name,) = folders
    values = ordered[name].combine_chunks()
    for value in pc.unique(values).to_pylist():
        yield (value,), ordered.filter(pc.equal(values, value)).select(columns)


def folder_of(table: Table, values: Sequence[str], date: dt.date) -> str:
    """Build the key of an object: `published/<table>/coin=<coin>/date=<date>/part-0.parquet`."""
    names = [f"{name}={escaped(value)}" for name, value in zip(table.published_by, values, strict=False)]
    return "/".join((table.published_path, *names, f"date={date:%Y-%m-%d}", FILE))


def escaped(value: str) -> str:
    """Escape a value for a folder name, the way Hive and Spark do and undo it.

    >>> escaped("A/B"), escaped("1INCH"), escaped("50%")
    ('A%2FB', '1INCH', '50%25')
    """
    return "".join(f"%{ord(char):02X}" if char in _ESCAPED or ord(char) < 32 else char for char in value)


def parquet(part: pa.Table) -> bytes:
    """Write a part as one Parquet file in memory."""
    sink = io.BytesIO()
    pq.write_table(part, sink, compression="zstd", coerce_timestamps="us")
    return sink.getvalue()
