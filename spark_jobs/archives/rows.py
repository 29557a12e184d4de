"""Rows of an archive file as rows of `imported_klines` and `imported_agg_trades`, and what must hold for each."""

import datetime as dt

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import Schema

from contracts.tables import IMPORTED_AGG_TRADES, IMPORTED_KLINES, Table
from spark_jobs.archives.columns import AGG_TRADE, KLINE, Shape
from spark_jobs.archives.errors import ArchiveError
from spark_jobs.archives.names import Contents

VENUE = "binance"
MILLIS = pa.timestamp("ms", "UTC")
FIRST_MICROSECONDS = 10**14
"""A time from this on is in microseconds, one below it in milliseconds."""
EARLIEST, LATEST = 10**12, FIRST_MICROSECONDS
"""Milliseconds between which a time of a market can lie: 2001 to 5138."""
UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Origin(msgspec.Struct, frozen=True):
    """The file that rows come from, and when it was taken in."""

    sha256: str
    name: str
    contents: Contents
    ingest_time: dt.datetime

    @property
    def table(self) -> Table:
        """The table for such rows."""
        return IMPORTED_AGG_TRADES if self.contents.interval is None else IMPORTED_KLINES

    @property
    def shape(self) -> Shape:
        """The columns of such a file."""
        return AGG_TRADE if self.contents.interval is None else KLINE


def bronze_rows(part: pa.Table, first_row: int, origin: Origin) -> pa.Table:
    """Turn a part of a file into rows of its table; what the file does not say is null.

    Raises:
        ArchiveError: a row contradicts itself, its interval or the clock; the message names the row.
    """
    of_kind = _trades if origin.contents.interval is None else _klines
    said = of_kind(part, first_row, origin)
    fixed = {
        "venue": VENUE,
        "symbol": origin.contents.symbol,
        "base": origin.contents.base,
        "quote": origin.contents.quote,
        "interval": origin.contents.interval,
        "ingest_time": origin.ingest_time,
        "closed": True,
        "file_sha256": origin.sha256,
        "file_name": origin.name,
    }
    numbers = pa.array(range(first_row, first_row + part.num_rows), pa.int64())
    columns = []
    schema = arrow_schema(origin.table)
    for field in schema:
        if field.name == "file_row":
            columns.append(pa.chunked_array([numbers]))
        elif field.name == "date":
            columns.append(said["event_time"].cast(pa.date32()))
        elif field.name in said:
            columns.append(said[field.name].cast(field.type))
        elif field.name in part.column_names:
            columns.append(_at_scale(part[field.name], field.type))
        else:
            value = pa.scalar(fixed.get(field.name), field.type)
            columns.append(pa.chunked_array([pa.repeat(value, part.num_rows)]))
    return pa.Table.from_arrays(columns, schema=schema)


def _at_scale(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Cast a column; a decimal that says more places than its table keeps is rounded half up."""
    if pa.types.is_decimal(kind) and values.type.scale > kind.scale:
        values = pc.round(values, kind.scale, round_mode="half_towards_infinity")
    return values.cast(kind)


def arrow_schema(table: Table) -> pa.Schema:
    """Return a table's columns as Arrow has them."""
    return pa.schema(Schema.from_json(table.schema.json()).to_arrow())


def _klines(part: pa.Table, first_row: int, origin: Origin) -> dict[str, pa.ChunkedArray]:
    assert origin.contents.interval is not None
    step = int(origin.contents.interval[:-1]) * UNITS[origin.contents.interval[-1]]
    check = _Check(part, first_row, origin.name)
    opened = check.millis("open_time")
    check.all(
        pc.equal(_modulo(opened, step), 0), f"an open time on the grid of {origin.contents.interval}", "open_time"
    )
    last = pc.add(opened, step - 1)
    closed = check.millis("close_time") if "close_time" in part.column_names else last
    inside = pc.and_(pc.greater_equal(closed, opened), pc.less_equal(closed, last))
    check.all(inside, "a close time in the interval of its open time", "close_time")
    now = int(origin.ingest_time.timestamp() * 1000)
    check.all(pc.less(closed, now), "a kline that is closed", "open_time")
    for other in ("open", "close"):
        between = pc.and_(
            pc.less_equal(part["low"], part[other]),
            pc.less_equal(part[other], part["high"]),
        )
        check.all(between, f"low <= {other} <= high", other)
    _not_below_zero(check, part, ("low", "volume", "quote_volume", "trades", "taker_volume", "taker_quote_volume"))
    return {
        "open_time": opened.cast(MILLIS),
        "close_time": pc.add(closed, 1).cast(MILLIS),
        "event_time": closed.cast(MILLIS),
    }


def _trades(part: pa.Table, first_row: int, origin: Origin) -> dict[str, pa.ChunkedArray]:
    check = _Check(part, first_row, origin.name)
    _not_below_zero(check, part, ("price", "quantity"))
    in_order = pc.less_equal(part["first_trade_id"], part["last_trade_id"])
    check.all(in_order, "first_trade_id <= last_trade_id", "last_trade_id")
    return {"event_time": check.millis("time").cast(MILLIS)}


def _not_below_zero(check: "_Check", part: pa.Table, names: tuple[str, ...]) -> None:
    for name in names:
        if name in part.column_names:
            zero = pa.scalar(0, pa.int64()).cast(part[name].type)
            check.all(pc.greater_equal(part[name], zero), f"{name} not below zero", name)


def _modulo(numbers: pa.ChunkedArray, step: int) -> pa.ChunkedArray:
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, step), step))


class _Check:
    """Names the first row of a part that is not as it must be."""

    def __init__(self, part: pa.Table, first_row: int, name: str) -> None:
        self._part = part
        self._first_row = first_row
        self._name = name

    def all(self, holds: pa.ChunkedArray, expected: str, column: str) -> None:
        if pc.all(holds).as_py():
            return
        at = pc.index(holds, pa.scalar(False)).as_py()
        shown = column if column in self._part.column_names else "open_time"
        raise ArchiveError(
            f"{self._name}: row {self._first_row + at}: expected {expected},"
            f" found {shown} {self._part[shown][at].as_py()}"
        )

    def millis(self, column: str) -> pa.ChunkedArray:
        """Cut each time of a column to milliseconds, whichever unit it is in."""
        times = self._part[column]
        millis = pc.if_else(pc.greater_equal(times, FIRST_MICROSECONDS), pc.divide(times, 1000), times)
        known = pc.and_(pc.greater_equal(millis, EARLIEST), pc.less(millis, LATEST))
        self.all(known, "a time in milliseconds or microseconds since 1970", column)
        return millis
