"""Arrow batches become the rows of an answer."""

from collections.abc import Iterable

import pyarrow as pa

from serve.query.result import Cell, Column, Result

MOST_BYTES = 64 * 1024 * 1024
"""How large the rows of an answer may be."""


class UnfitError(ValueError):
    """The rows are no answer: they take more memory than they may, or hold what no value of Python is."""


def result_of(batches: pa.RecordBatchReader, row_limit: int) -> Result:
    """Read at most so many rows, and whether there are more.

    Raises:
        UnfitError: they are larger than MOST_BYTES, or one is a time or date that Python has not, such as infinity.
    """
    rows: list[tuple[Cell, ...]] = []
    size = 0
    columns = tuple(Column(field.name, type_of(field.type)) for field in batches.schema)
    for batch in _not_empty(batches):
        taken = batch.slice(0, row_limit + 1 - len(rows))
        size += taken.nbytes
        if size > MOST_BYTES:
            raise UnfitError(f"an answer of more than {MOST_BYTES >> 20} MiB: ask for fewer rows or columns")
        cells = (_cells(column, values) for column, values in zip(columns, taken.columns, strict=True))
        rows.extend(zip(*cells, strict=True))
        if len(rows) > row_limit:
            return Result(columns, rows[:row_limit], truncated=True, nbytes=size)
    return Result(columns, rows, nbytes=size)


def _cells(column: Column, values: pa.Array) -> list[Cell]:
    try:
        cells: list[Cell] = values.to_pylist()
    except (ValueError, OverflowError) as error:
        raise UnfitError(f"column {column.name} has a {column.type} that cannot be written: {error}") from None
    return cells


def _not_empty(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    return (batch for batch in batches if batch.num_rows)


def type_of(kind: pa.DataType) -> str:
    """Name the type of a column as answers do.

    >>> [type_of(kind) for kind in (pa.string(), pa.int64(), pa.decimal128(38, 18), pa.timestamp("us", "UTC"))]
    ['text', 'integer', 'decimal', 'time']
    """
    for is_type, name in _NAMES:
        if is_type(kind):
            return name
    return "json"


_NAMES = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_integer, "integer"),
    (pa.types.is_decimal, "decimal"),
    (pa.types.is_floating, "float"),
    (pa.types.is_timestamp, "time"),
    (pa.types.is_date, "date"),
    (pa.types.is_string, "text"),
    (pa.types.is_large_string, "text"),
    (pa.types.is_null, "text"),
    (pa.types.is_binary, "binary"),
    (pa.types.is_large_binary, "binary"),
)
