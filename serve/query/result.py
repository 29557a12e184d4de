"""Answers: typed columns and rows, and how they are written as JSON and CSV."""

import base64
import csv
import datetime as dt
import io
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import msgspec

Cell = object
"""A value of Python; None is null."""


class Column(msgspec.Struct, frozen=True):
    """A column: its name, and what its values are."""

    name: str
    type: str


class Result(msgspec.Struct, frozen=True):
    """The rows of an answer. `truncated`: there were more than the query may return. `nbytes`: of Arrow's values."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]
    truncated: bool = False
    nbytes: int = 0


TYPES = ("text", "integer", "decimal", "float", "boolean", "time", "date", "binary", "json")
"""Text, and in JSON also decimals, times, dates and binaries (base64), are JSON strings."""


def json_of(key: str, result: Result, seconds: float) -> bytes:
    """Write an answer as JSON. Decimals are strings with all their places, times RFC 3339 in UTC."""
    writers = [_WRITERS.get(column.type, _as_it_is) for column in result.columns]
    rows = [
        [None if cell is None else write(cell) for write, cell in zip(writers, row, strict=True)] for row in result.rows
    ]
    return msgspec.json.encode(
        {
            "key": key,
            "columns": result.columns,
            "rows": rows,
            "row_count": len(rows),
            "truncated": result.truncated,
            "seconds": round(seconds, 6),
        }
    )


def csv_of(result: Result) -> bytes:
    """Write an answer as CSV (RFC 4180): a header, then the same texts as in JSON; null is empty."""
    out = io.StringIO()
    write_row = csv.writer(out).writerow
    write_row([column.name for column in result.columns])
    for row in result.rows:
        write_row([_csv_text(column.type, cell) for column, cell in zip(result.columns, row, strict=True)])
    return out.getvalue().encode("utf-8", "replace")


def _csv_text(kind: str, cell: Cell) -> str:
    if cell is None:
        return ""
    written = _WRITERS.get(kind, _as_it_is)(cell)
    if isinstance(written, float) and not math.isfinite(written):
        return ""  # JSON has no word for it and says null
    if isinstance(written, bool):
        return "true" if written else "false"
    return written if isinstance(written, str) else msgspec.json.encode(written).decode()


def _decimal(cell: Cell) -> str:
    assert isinstance(cell, Decimal)
    return format(cell, "f")


def _time(cell: Cell) -> str:
    """Write a time with milliseconds, and with microseconds where it has them; one without a zone is UTC."""
    assert isinstance(cell, dt.datetime)
    utc = cell.replace(tzinfo=None) if cell.tzinfo is None else cell.astimezone(dt.UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds" if utc.microsecond % 1000 else "milliseconds") + "Z"


def _date(cell: Cell) -> str:
    assert isinstance(cell, dt.date)
    return cell.isoformat()


def _binary(cell: Cell) -> str:
    assert isinstance(cell, bytes)
    return base64.b64encode(cell).decode("ascii")


def _text(cell: Cell) -> str:
    return str(cell)


def _json(cell: Cell) -> object:
    """Write what holds other values, such as a list."""
    if isinstance(cell, Mapping):
        return {str(key): _json(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_json(value) for value in cell]
    for kind, write in ((Decimal, _decimal), (dt.datetime, _time), (dt.date, _date), (bytes, _binary)):
        if isinstance(cell, kind):
            return write(cell)
    return cell if cell is None or isinstance(cell, str | int | float | bool) else str(cell)


def _as_it_is(cell: Cell) -> Cell:
    return cell


_WRITERS: Mapping[str, Callable[[Cell], object]] = {
    "text": _text,
    "decimal": _decimal,
    "time": _time,
    "date": _date,
    "binary": _binary,
    "json": _json,
}
