"""Whether two lakes say the same: rows and a hash of the sorted event columns, per table."""

import datetime as dt
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import unquote

import pyarrow.parquet as pq
from deltalake import DeltaTable

from contracts.tables import PUBLISHED, REPEAT, TABLES, Table
from infra.crashtest.lake import LakeUnderTest

Row = Mapping[str, object]


@dataclass(frozen=True)
class Digest:
    """What a table says: its rows, their hash in any order, and how many rows share another's identity."""

    rows: int
    sha256: str
    doubled: int


@dataclass(frozen=True)
class Compared:
    """One table of both lakes."""

    name: str
    undisturbed: Digest
    disturbed: Digest

    @property
    def equal(self) -> bool:
        """Say whether they are equal, and no row is there twice."""
        return self.undisturbed == self.disturbed and not self.undisturbed.doubled and not self.disturbed.doubled


def compare(undisturbed: LakeUnderTest, disturbed: LakeUnderTest) -> list[Compared]:
    """Compare every table of two lakes, and what they published."""
    both = (undisturbed, disturbed)
    tables = [Compared(table.name, *(digest(rows_of(lake, table), table) for lake in both)) for table in TABLES]
    published = [
        Compared(f"published {table.name}", *(digest(published_rows(lake, table), table) for lake in both))
        for table in PUBLISHED
    ]
    return [*tables, *published]


def digest(rows: Iterable[Row], table: Table) -> Digest:
    """Digest rows: repeats in bronze count for nothing but their identity, which no two rows share."""
    every = list(rows)
    identities = Counter(row_text(row, table.identity) for row in every)
    said = sorted(row_text(row, table.event_columns) for row in every if not row.get(REPEAT.name, False))
    return Digest(
        rows=len(said),
        sha256=hashlib.sha256("\n".join(said).encode()).hexdigest(),
        doubled=sum(count - 1 for count in identities.values()),
    )


def rows_of(lake: LakeUnderTest, table: Table) -> list[dict[str, object]]:
    """Read a Delta table without Spark; one that was never made, as the tables of archives are not, has no rows."""
    uri, options = f"{lake.settings.lake}/{table.path}", lake.settings.storage_options()
    if not DeltaTable.is_deltatable(uri, options):
        return []
    found: list[dict[str, object]] = DeltaTable(uri, storage_options=options).to_pyarrow_table().to_pylist()
    return found


def published_rows(lake: LakeUnderTest, table: Table) -> list[dict[str, object]]:
    """Read the published Parquet of a table, with the columns that its paths say."""
    store = lake.published()
    rows: list[dict[str, object]] = []
    for key in sorted(store.keys(f"{table.published_path}/")):
        stored = store.get(key)
        if stored is not None:
            folders = dict(part.split("=", 1) for part in map(unquote, key.split("/")) if "=" in part)
            rows += ({**row, **folders} for row in pq.read_table(io.BytesIO(stored.body)).to_pylist())
    return rows


def row_text(row: Row, columns: Sequence[str]) -> str:
    """Write columns of a row as text that equal values share: decimals with all their places, times in UTC."""
    return json.dumps([_text(row[name]) for name in columns], ensure_ascii=False)


def _text(value: object) -> str | int | bool | None:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(f"expected a value of a Delta table, found {type(value).__name__}")
