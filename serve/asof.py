"""`coinlake asof`: what the tables said at a time, and what was written since."""

import datetime as dt
from collections.abc import Sequence

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from rich.console import Console

from contracts.errors import NoDataError, StoreError
from contracts.settings import LakeSettings
from contracts.tables import PUBLISHED, Table
from serve.amounts import exact
from serve.delta_tables import open_table
from serve.uncut import Uncut

EXAMPLES = 10


class Said(msgspec.Struct, frozen=True):
    """What one version of a table says."""

    version: int
    written_at: dt.datetime
    rows: int
    newest: dt.datetime | None


class Example(msgspec.Struct, frozen=True):
    """One row that is not as it was: its identity, and the values that changed, before and now."""

    kind: str
    identity: str
    before: str
    now: str


class Since(msgspec.Struct, frozen=True):
    """A table then and now, and the rows by which they differ; a row written anew as it was is none."""

    table: str
    then: Said
    now: Said
    added: int
    changed: int
    removed: int
    examples: list[Example]


def asof(lake: LakeSettings, table: Table, moment: dt.datetime, coin: str | None = None) -> Since:
    """Compare a table as it stood at a moment, by its newest commit not after it, with the table now.

    Raises:
        NoDataError: there is no such table, or it has no version so old any more.
        StoreError: the object store does not answer, or the files of that version are gone.
    """
    newest = open_table(lake, table)
    commits = {commit["version"]: _moment(commit["timestamp"]) for commit in newest.history()}
    version = version_at(commits, moment)
    if version is None:
        first = min(commits.values())
        raise NoDataError(
            f"table {table.name}: expected a time not before {_text(first)}, its oldest version, found {_text(moment)}"
        )
    old = open_table(lake, table, version)
    now = newest.version()
    try:
        now_rows, old_rows = _rows(newest, coin), _rows(old, coin)
        old_rows = pa.concat_tables([now_rows.schema.empty_table(), old_rows], promote_options="default")
        return _compared(table, (version, commits[version], old_rows), (now, commits[now], now_rows))
    except OSError as error:
        raise StoreError(
            f"table {table.name}: the files of version {version} cannot be read, perhaps a `coinlake maintain` has"
            f" removed them: {str(error).splitlines()[0]}"
        ) from None


def version_at(commits: dict[int, dt.datetime], moment: dt.datetime) -> int | None:
    """Return the newest version that was not written after a moment; None where all were."""
    return max((version for version, written_at in commits.items() if written_at <= moment), default=None)


def _moment(millis: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=millis)


def _rows(found: DeltaTable, coin: str | None) -> pa.Table:
    rows = found.to_pyarrow_dataset()
    has_coin = coin is not None and "coin" in rows.schema.names
    return rows.to_table(filter=pc.field("coin") == coin if has_coin else None)


_Version = tuple[int, dt.datetime, pa.Table]


def _compared(table: Table, then: _Version, now: _Version) -> Since:
    values = [name for name in table.event_columns if name not in table.identity]
    keys = " AND ".join(f'b."{name}" = n."{name}"' for name in table.identity)
    differ = " OR ".join(f'b."{name}" IS DISTINCT FROM n."{name}"' for name in values)
    key = table.identity[0]
    columns = ", ".join(
        [
            *(f'coalesce(b."{name}", n."{name}") AS "{name}"' for name in table.identity),
            *(f'b."{name}" AS "before {name}", n."{name}" AS "now {name}"' for name in values),
        ]
    )
    with duckdb.connect() as connection:
        connection.sql("SET TimeZone = 'UTC'")
        connection.register("before_rows", then[2])
        connection.register("now_rows", now[2])
        connection.sql(
            f"""CREATE TEMP TABLE found AS SELECT {columns}, CASE
                    WHEN b."{key}" IS NULL THEN 'added' WHEN n."{key}" IS NULL THEN 'removed' ELSE 'changed' END AS kind
                FROM before_rows b FULL JOIN now_rows n ON {keys}
                WHERE b."{key}" IS NULL OR n."{key}" IS NULL OR {differ}"""
        )
        counted = connection.sql("SELECT kind, count(*) FROM found GROUP BY kind").fetchall()
        counts: dict[str, int] = dict(counted)
        order = ", ".join(f'"{name}"' for name in table.identity)
        rows = connection.sql(
            f"""SELECT * FROM found ORDER BY CASE kind WHEN 'changed' THEN 0 WHEN 'removed' THEN 1 ELSE 2 END, {order}
                LIMIT {EXAMPLES}"""
        ).to_arrow_table()
    examples = [_example(row, table.identity, values) for row in rows.to_pylist()]
    return Since(
        table=table.name,
        then=_said(table, then),
        now=_said(table, now),
        added=counts.get("added", 0),
        changed=counts.get("changed", 0),
        removed=counts.get("removed", 0),
        examples=examples,
    )


def _said(table: Table, version: _Version) -> Said:
    number, written_at, rows = version
    column = "event_time" if "event_time" in table.schema.names else "open_time"
    newest: dt.datetime | None = pc.max(rows[column]).as_py()
    return Said(number, written_at, rows.num_rows, newest)


def _example(row: dict[str, object], identity: Sequence[str], values: Sequence[str]) -> Example:
    changed = [name for name in values if row[f"before {name}"] != row[f"now {name}"]]
    kind = str(row["kind"])
    shown = changed if kind == "changed" else [name for name in values if name in {"close", "price", "market_cap"}]
    written = {
        side: ", ".join(f"{name} {_text(row[f'{side} {name}'])}" for name in shown) for side in ("before", "now")
    }
    return Example(
        kind=kind,
        identity=" ".join(_text(row[name]) for name in identity),
        before="" if kind == "added" else written["before"],
        now="" if kind == "removed" else written["now"],
    )


def _text(value: object) -> str:
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S}Z"
    return exact(value) if hasattr(value, "as_tuple") else "-" if value is None else str(value)  # type: ignore[arg-type]


def show_asof(
    lake: LakeSettings, console: Console, moment: dt.datetime, names: Sequence[str] = (), coin: str | None = None
) -> None:
    """Print what each published table, or each of those named, said at a moment and what changed since.

    Raises:
        NoDataError: there is no such table, or it has no version so old any more.
        StoreError: the object store does not answer, or the files of a version are gone.
    """
    known = {table.name: table for table in PUBLISHED}
    if unknown := [name for name in names if name not in known]:
        raise NoDataError(f"expected a table of {', '.join(known)}, found {unknown[0]}")
    for name in names or known:
        found = asof(lake, known[name], moment, coin)
        of = f" of {coin}" if coin and "coin" in known[name].schema.names else ""
        console.print(f"{name}{of} at {_text(moment)}")
        for head, said in (("then", found.then), ("now", found.now)):
            newest = "nothing" if said.newest is None else _text(said.newest)
            line = (
                f"  {head:<4}  version {said.version} of {_text(said.written_at)}: {said.rows:,} rows, newest {newest}"
            )
            console.print(Uncut(line), crop=False)
        console.print(f"  since then {found.added:,} rows added, {found.changed:,} changed, {found.removed:,} removed")
        for example in found.examples:
            line = f"    {example.kind:<8}{example.identity}  {example.before} -> {example.now}"
            console.print(Uncut(line.rstrip()), crop=False)
