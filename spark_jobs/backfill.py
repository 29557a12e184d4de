"""Take archive files into bronze: each row once, however often a file is given and wherever a run was killed.

No Spark: files become Arrow, and Arrow becomes Delta. A commit holds the rows of one or more files and says for each
how far it has been taken in (a transaction of the file's sha256 whose version is the number of rows); a run goes on
there. What Delta has committed is there whole, with that number, or not at all.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import pyarrow as pa

from contracts.settings import LakeSettings
from contracts.tables import Table
from spark_jobs.archives.errors import ArchiveError
from spark_jobs.archives.files import sha256_of, verify
from spark_jobs.archives.imports import IMPORTED, Imports
from spark_jobs.archives.names import Overrides, contents_of
from spark_jobs.archives.read import read_parts
from spark_jobs.archives.rows import Origin, arrow_schema, bronze_rows
from spark_jobs.edges.lease import Lease
from spark_jobs.edges.store import open_store


class Sizes(msgspec.Struct, frozen=True):
    """How much is taken at once, which bounds the memory of a run: some 500 MB."""

    rows_per_commit: int = 500_000
    bytes_per_read: int = 8 << 20
    """Text that is parsed at once: some 100,000 rows."""


SIZES = Sizes()


class Imported(msgspec.Struct, frozen=True):
    """What became of one file: the rows it has and how many of them are new."""

    path: Path
    rows: int
    new: int
    verified: bool


class Watch(Protocol):
    """Is told how a run goes."""

    def begins(self, path: Path) -> None:
        """A file is about to be read."""

    def moved(self, rows: int) -> None:
        """So many more rows of it were read."""

    def ended(self, imported: Imported) -> None:
        """All rows of a file are in the table."""


def backfill(
    settings: LakeSettings,
    files: Sequence[Path],
    said: Overrides,
    watch: Watch,
    now: dt.datetime | None = None,
    sizes: Sizes = SIZES,
) -> None:
    """Take in all rows of these files that are not in yet.

    Raises:
        ArchiveError: a file is damaged, differs from its checksum, or has a row that cannot be taken. Files before it
            are in; of the file itself, rows before its last commit may be.
        SettingsError: a file's name does not say what it holds; nothing was written.
        StoreError: the object store cannot be reached or refuses.
        LeaseHeldError: another backfill or a maintenance is running.
    """
    ingest_time = now or dt.datetime.now(dt.UTC)
    contents = {path: contents_of(path, said) for path in files}
    with Lease(open_store(settings, settings.state), IMPORTED) as lease:
        imports = Imports(settings, lease.check)
        pending = {table.name: _Pending(imports, table, watch, sizes) for table in IMPORTED}
        refused: ArchiveError | None = None
        try:
            for path in files:
                watch.begins(path)
                sha256 = sha256_of(path)
                verified = verify(path, sha256)
                origin = Origin(sha256, path.name, contents[path], ingest_time)
                pending[origin.table.name].take(path, origin, verified=verified)
        except ArchiveError as error:
            refused = error  # the files before it are whole
        # Not where anything else ends the run: a commit that was under way may be in, and would be in twice.
        for waiting in pending.values():
            waiting.commit()
        if refused is not None:
            raise refused


class _Pending:
    """Rows of one table that wait for their commit, and how far each file is with them."""

    def __init__(self, imports: Imports, table: Table, watch: Watch, sizes: Sizes) -> None:
        self._imports = imports
        self._table = table
        self._watch = watch
        self._sizes = sizes
        self._parts: list[pa.Table] = []
        self._taken: dict[str, int] = {}
        self._ended: list[Imported] = []

    def take(self, path: Path, origin: Origin, *, verified: bool) -> None:
        """Take in what is not in yet of one file."""
        rows_so_far, whole = f"backfill:{origin.sha256}", f"backfill-whole:{origin.sha256}"
        known = self._number(whole)
        if known is not None:
            self._watch.ended(Imported(path, known, 0, verified))
            return
        done = self._number(rows_so_far) or 0
        read = 0
        for first_row, part in read_parts(path, origin.shape, self._sizes.bytes_per_read):
            fresh = part.slice(max(0, done - first_row))
            read = first_row + part.num_rows
            self._watch.moved(part.num_rows)
            if fresh.num_rows:
                self._parts.append(bronze_rows(fresh, read - fresh.num_rows, origin))
                self._taken[rows_so_far] = read
                if sum(waiting.num_rows for waiting in self._parts) >= self._sizes.rows_per_commit:
                    self.commit()
        self._taken[whole] = read
        self._ended.append(Imported(path, read, read - done, verified))

    def commit(self) -> None:
        """Write what waits, in one Delta transaction."""
        if self._taken:
            rows = pa.concat_tables([arrow_schema(self._table).empty_table(), *self._parts])
            self._imports.append(self._table, rows, self._taken)
        for imported in self._ended:
            self._watch.ended(imported)
        self._parts, self._taken, self._ended = [], {}, []

    def _number(self, name: str) -> int | None:
        """Return the number under a name, of what is committed or waits to be."""
        return self._taken.get(name, self._imports.number(self._table, name))
