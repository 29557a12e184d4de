"""Reading an archive file in parts of bounded memory, its text straight to decimals and whole numbers."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pc_csv

from spark_jobs.archives.columns import Columns, Shape, columns_of
from spark_jobs.archives.errors import ArchiveError
from spark_jobs.archives.files import open_csv_text

LOOKED_AT = 5_000
"""How many rows are looked at together in the search for a bad one."""


def read_parts(path: Path, shape: Shape, block_bytes: int = 8 << 20) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of a file in order, each part with the number of its first row; the first row is 0.

    Raises:
        ArchiveError: the file is damaged, or a row is not of this shape; the message names the row.
    """
    with open_csv_text(path) as text:
        before, first = _first_row(text)
    if first is None:
        return
    columns = columns_of(path, first, shape)
    start = 0
    try:
        with open_csv_text(path) as text, _reader(text, columns, before, block_bytes) as reader:
            for batch in reader:
                if batch.num_rows:
                    yield start, pa.Table.from_batches([batch])
                start += batch.num_rows
    except pa.ArrowInvalid as error:
        raise _first_bad_row(path, columns) or ArchiveError(f"{path.name}: {error}") from error


def _first_row(text: IO[bytes]) -> tuple[int, list[str] | None]:
    """Read the first row that is not empty, of which a line as long as a block is none; and count the lines before."""
    before = 0
    while line := text.readline(1 << 16):
        if words := line.decode(errors="replace").strip("\ufeff\r\n"):
            return before, words.split(",")
        before += 1
    return before, None


def _reader(text: IO[bytes], columns: Columns, before: int, block_bytes: int) -> pc_csv.CSVStreamingReader:
    try:
        return pc_csv.open_csv(
            text,
            pc_csv.ReadOptions(
                column_names=columns.names,
                skip_rows=before + columns.has_header,
                block_size=block_bytes,
                use_threads=True,
            ),
            convert_options=pc_csv.ConvertOptions(
                column_types=columns.types,
                include_columns=list(columns.types),
                null_values=[],
                true_values=["true", "True", "TRUE"],
                false_values=["false", "False", "FALSE"],
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):  # a header and nothing after it
            return pa.RecordBatchReader.from_batches(pa.schema([]), [])
        raise


def _first_bad_row(path: Path, columns: Columns) -> ArchiveError | None:
    """Find the row that pyarrow could not take: it says what was wrong with it and not where it is."""
    with open_csv_text(path) as raw:
        rows = csv.reader(io.TextIOWrapper(raw, "utf-8-sig", errors="replace"))
        numbered = enumerate((row for row in rows if row), start=-1 if columns.has_header else 0)
        some: list[tuple[int, list[str]]] = []
        for number, row in numbered:
            if number < 0:
                continue
            if len(row) != len(columns.names):
                return _bad_value(path, some, columns) or ArchiveError(
                    f"{path.name}: row {number}: expected {len(columns.names)} columns, found {len(row)}:"
                    f" {','.join(row)[:120]}"
                )
            some.append((number, row))
            if len(some) == LOOKED_AT:
                if bad := _bad_value(path, some, columns):
                    return bad
                some = []
        return _bad_value(path, some, columns)


def _bad_value(path: Path, rows: list[tuple[int, list[str]]], columns: Columns) -> ArchiveError | None:
    read = {columns.names.index(name): (name, kind) for name, kind in columns.types.items()}
    if all(_is(pa.array([row[place] for _, row in rows]), kind) for place, (_, kind) in read.items()):
        return None
    for number, row in rows:
        for place, (name, kind) in read.items():
            if not _is(pa.array([row[place]]), kind):
                return ArchiveError(f"{path.name}: row {number}: expected {name} as {kind}, found {row[place][:60]!r}")
    return None


def _is(texts: pa.Array, kind: pa.DataType) -> bool:
    try:
        texts.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
