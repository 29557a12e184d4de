"""The exchange's own klines, from archive files."""

import datetime as dt
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa

from contracts.errors import NoDataError, SettingsError
from contracts.tables import IMPORTED_KLINES
from spark_jobs.archives.files import sha256_of, verify
from spark_jobs.archives.names import Contents, contents_of, is_archive
from spark_jobs.archives.read import read_parts
from spark_jobs.archives.rows import Origin, arrow_schema, bronze_rows


def kline_files(folder: Path, intervals: Collection[str], symbols: Collection[str]) -> dict[Path, Contents]:
    """Find the files of klines in a folder; no symbols are all.

    Raises:
        NoDataError: there is none.
    """
    found: dict[Path, Contents] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and is_archive(path)):
        try:
            contents = contents_of(path)
        except SettingsError:
            continue  # a file of another kind
        if contents.interval in intervals and (not symbols or contents.symbol in symbols):
            found[path] = contents
    if not found:
        of = f" of {', '.join(symbols)}" if symbols else ""
        raise NoDataError(f"expected files of {', '.join(sorted(intervals))} klines{of} in {folder}, found none")
    return found


def read_klines(files: dict[Path, Contents]) -> pa.Table:
    """Read files of klines as rows of `imported_klines`.

    Raises:
        ArchiveError: a file is damaged, differs from its checksum or has a row that cannot be taken.
    """
    now = dt.datetime.now(dt.UTC)
    parts: Sequence[pa.Table] = [
        bronze_rows(part, first_row, origin)
        for path, contents in files.items()
        for origin in (_origin(path, contents, now),)
        for first_row, part in read_parts(path, origin.shape)
    ]
    return pa.concat_tables([arrow_schema(IMPORTED_KLINES).empty_table(), *parts])


def _origin(path: Path, contents: Contents, now: dt.datetime) -> Origin:
    sha256 = sha256_of(path)
    verify(path, sha256)
    return Origin(sha256, path.name, contents, now)
