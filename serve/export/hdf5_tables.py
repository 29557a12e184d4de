"""Tables of one open HDF5 file: written by pandas through PyTables, read by `pandas.read_hdf` alone.

Texts are stored as UTF-8 of a fixed width, a column of its own for each, so that a long text widens its column and no
other. A width that no longer suffices makes the whole table be written anew: nothing is ever cut.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from serve.export.layout import NULL, Table

_BYTES_AT_ONCE = 16_000_000
"""Rows are written, and copied to a wider table, in pieces of about so many bytes."""
_STORED: dict[str, Any] = {
    **{"format": "table", "data_columns": True, "index": False},
    **{"nan_rep": NULL, "encoding": "UTF-8", "errors": "surrogatepass"},
}


def create(store: pd.HDFStore, table: Table, widths: Mapping[str, int] | None = None) -> None:
    """Make an empty table, with at least these widths in bytes for its texts."""
    # pandas writes no empty frame: a row shows the types, and goes.
    _append(store, table.name, table.example(), {**table.first_widths(), **(widths or {})})
    _node(store, table).truncate(0)


def append(store: pd.HDFStore, table: Table, rows: pd.DataFrame) -> None:
    """Add rows at a table's end; their columns are the table's.

    Every text comes back as it was, but for NUL characters at its end: a fixed width cannot tell them from its filling.
    """
    rows = rows[list(table.columns)]
    found, needed = widths(store, table), _widths_of(table, rows)
    if any(needed[column] > found[column] for column in needed):
        # Half as wide again, so that texts that grow little by little do not each write the table anew.
        _widen(
            store,
            table,
            {c: max(found[c], needed[c] * 3 // 2 if needed[c] > found[c] else 0) for c in needed},
        )
    for piece in _pieces(rows, _row_bytes(store, table)):
        first = length(store, table)
        _append(store, table.name, piece.set_axis(pd.RangeIndex(first, first + len(piece)), axis="index"))


def replace(store: pd.HDFStore, table: Table, rows: pd.DataFrame) -> None:
    """Put these rows in the place of all that a table holds."""
    _node(store, table).truncate(0)
    append(store, table, rows)


def read(store: pd.HDFStore, table: Table, start: int = 0, stop: int | None = None) -> pd.DataFrame:
    """Read a table, or its rows from `start` up to but not including `stop`; a null text is None."""
    frame: pd.DataFrame = _untyped(store).select(table.name, start=start, stop=stop)
    texts = [column for column, kind in table.columns.items() if kind == "text"]
    return frame.assign(**{column: frame[column].astype(object).where(frame[column].notna(), None) for column in texts})


def read_columns(store: pd.HDFStore, table: Table, columns: Sequence[str]) -> pd.DataFrame:
    """Read some columns of a table, without the width of the others."""
    return pd.DataFrame({column: _untyped(store).select_column(table.name, column) for column in columns})


def length(store: pd.HDFStore, table: Table) -> int:
    """Return a table's number of rows."""
    return int(_node(store, table).nrows)


def widths(store: pd.HDFStore, table: Table) -> dict[str, int]:
    """Return the width of each column of text, in bytes."""
    described = _node(store, table).coldescrs
    return {column: int(described[column].itemsize) for column, kind in table.columns.items() if kind == "text"}


def _append(store: pd.HDFStore, name: str, rows: pd.DataFrame, widths: Mapping[str, int] | None = None) -> None:
    store.append(name, rows, min_itemsize=dict(widths) if widths else None, **_STORED)


def _widths_of(table: Table, rows: pd.DataFrame) -> dict[str, int]:
    return {
        column: max(
            (len((NULL if text is None else text).encode(errors="surrogatepass")) for text in rows[column]), default=0
        )
        for column, kind in table.columns.items()
        if kind == "text"
    }


def _row_bytes(store: pd.HDFStore, table: Table) -> int:
    return int(_node(store, table).rowsize)


def _pieces(rows: pd.DataFrame, row_bytes: int) -> Iterator[pd.DataFrame]:
    at_once = max(1, _BYTES_AT_ONCE // row_bytes)
    for start in range(0, len(rows), at_once):
        yield rows.iloc[start : start + at_once]


def _widen(store: pd.HDFStore, table: Table, widths: Mapping[str, int]) -> None:
    wider = Table(f"{table.name}_wider", table.columns)
    create(store, wider, widths)
    at_once = max(1, _BYTES_AT_ONCE // _row_bytes(store, wider))
    for start in range(0, length(store, table), at_once):
        _append(store, wider.name, read(store, table, start, start + at_once))
    _untyped(store).remove(table.name)
    _untyped(store).get_node(wider.name)._f_rename(table.name)


def _node(store: pd.HDFStore, table: Table) -> Any:
    """Return PyTables' own table."""
    return _untyped(store).get_storer(table.name).table


def _untyped(store: pd.HDFStore) -> Any:
    """Return a store as what it does: its stubs lack most of its methods."""
    return store
