"""Do both plans say the same, where both claim to? Open, high, low and close of every candle, and every market cap.

The plain plan writes a window once it is closed: up to the newest that it wrote of a venue, the two must agree.
Its TMN prices have 6 places, so ours are rounded to 6 there.
"""

from collections.abc import Mapping

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset as ds
from pyarrow import fs

from contracts.errors import NoDataError
from contracts.settings import LakeSettings
from contracts.tables import CANDLES, MARKET_CAP
from serve.published import file_system_of, open_dataset

VENUES = ("coin_market_cap", "wallex", "base_tmn")
_PLACES = {"base_tmn": 6}
_KEYS = ("coin", "quote", "open_time")
_VALUES = ("open", "high", "low", "close")


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far ours and another plan agree: `equal` rows, rows whose values differ, rows that one alone has."""

    plan: str
    what: str
    equal: int
    different: int
    only_ours: int
    only_other: int

    @property
    def holds(self) -> bool:
        """Say whether there was something to compare and all of it was equal."""
        return self.equal > 0 and self.different == self.only_ours == self.only_other == 0


def compare(ours: LakeSettings, plan: str, plain: LakeSettings) -> list[Agreement]:
    """Compare what ours has published with what a plain plan of this name has written, table by table.

    Raises:
        NoDataError: ours has published nothing.
        StoreError: the object store does not answer.
    """
    candles = open_dataset(ours, CANDLES).to_table(columns=["venue", *_KEYS, *_VALUES])
    agreements = [
        agreement(
            plan,
            venue,
            candles.filter(ds.field("venue") == venue),
            _plain_rows(plain, f"candles_{venue}", [*_KEYS, *_VALUES]),
            _KEYS,
            {name: _PLACES.get(venue, 18) for name in _VALUES},
        )
        for venue in VENUES
    ]
    caps = open_dataset(ours, MARKET_CAP).to_table(columns=["open_time", "market_cap", "coins"])
    plain_caps = _plain_rows(plain, "market_cap", ["open_time", "market_cap", "coins"])
    return [*agreements, agreement(plan, "market_cap", caps, plain_caps, ("open_time",), {"market_cap": 8, "coins": 0})]


def agreement(
    plan: str, what: str, ours: pa.Table, plain: pa.Table, keys: tuple[str, ...], places: Mapping[str, int]
) -> Agreement:
    """Compare by keys, values rounded half up to so many places, up to the newest `open_time` of plain."""
    same = " AND ".join(
        f"round(ours.{name}, {digits}) IS NOT DISTINCT FROM round(plain.{name}, {digits})"
        for name, digits in places.items()
    )
    on = " AND ".join(f"ours.{name} = plain.{name}" for name in keys)
    with duckdb.connect() as connection:
        connection.register("ours_rows", ours)
        connection.register("plain_rows", plain)
        counts = connection.execute(
            f"""
            WITH ours AS (SELECT * FROM ours_rows WHERE open_time <= (SELECT max(open_time) FROM plain_rows)),
                 plain AS (SELECT * FROM plain_rows)
            SELECT
                count(*) FILTER (WHERE ours.open_time IS NOT NULL AND plain.open_time IS NOT NULL AND ({same})),
                count(*) FILTER (WHERE ours.open_time IS NOT NULL AND plain.open_time IS NOT NULL AND NOT ({same})),
                count(*) FILTER (WHERE plain.open_time IS NULL),
                count(*) FILTER (WHERE ours.open_time IS NULL)
            FROM ours FULL JOIN plain ON {on}
            """
        ).fetchone()
    assert counts is not None
    equal, different, only_ours, only_other = counts
    return Agreement(plan=plan, what=what, equal=equal, different=different, only_ours=only_ours, only_other=only_other)


def _plain_rows(lake: LakeSettings, name: str, columns: list[str]) -> pa.Table:
    """Read what the plain plan wrote.

    Raises:
        NoDataError: it wrote no file; a window closes only when newer rows than it and the lateness have come.
    """
    files, root = file_system_of(lake)
    found = files.get_file_info(fs.FileSelector(f"{root}/{name}", allow_not_found=True, recursive=True))
    paths = [info.path for info in found if info.path.endswith(".parquet")]
    if not paths:
        raise NoDataError(f"expected the plain plan to have written {name}, found no file: take more rows")
    partitioning = ds.HivePartitioning(pa.schema([("coin", pa.string())]), segment_encoding="uri")
    rows = ds.dataset(
        paths, filesystem=files, format="parquet", partitioning=partitioning, partition_base_dir=f"{root}/{name}"
    ).to_table(columns=columns)
    return in_utc(rows, "open_time")


def in_utc(rows: pa.Table, name: str) -> pa.Table:
    """Give a time column the type that our tables have: by default Spark writes INT96, UTC without saying so."""
    column = rows[name].cast(pa.timestamp("us"))
    return rows.set_column(rows.schema.get_field_index(name), name, pc.assume_timezone(column, "UTC"))
