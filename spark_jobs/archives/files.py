"""Archive files as they are given: a zip that holds one CSV, a plain CSV, a gzipped CSV; their fingerprints."""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO

from spark_jobs.archives.errors import ArchiveError

UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError)
"""What the standard library raises where a file is cut, damaged or of another kind."""


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as it is given."""
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, sha256: str) -> bool:
    """Compare a file with the checksum beside it (`<file>.CHECKSUM`); False where there is none.

    Raises:
        ArchiveError: they differ, or the checksum's file is none.
    """
    beside = path.with_name(f"{path.name}.CHECKSUM")
    if not beside.exists():
        return False
    words = beside.read_text(errors="replace").split()
    if not words or len(words[0]) != 64:
        raise ArchiveError(f"{beside.name}: expected a sha256 and a file name, found {' '.join(words)[:80]!r}")
    if words[0].lower() != sha256:
        raise ArchiveError(f"{path.name}: expected sha256 {words[0].lower()} by {beside.name}, found {sha256}")
    return True


@contextmanager
def open_csv_text(path: Path) -> Iterator[IO[bytes]]:
    """Open the CSV inside a file as bytes.

    Raises:
        ArchiveError: it cannot be read, also later, while the block reads it.
    """
    try:
        with _opened(path) as file:
            if path.suffix == ".gz":
                with gzip.open(file) as text:
                    yield text  # type: ignore[misc]
            elif path.suffix == ".zip":
                with zipfile.ZipFile(file) as archive, archive.open(_only_csv(path, archive)) as text:
                    yield text
            else:
                yield file
    except UNREADABLE as error:
        raise ArchiveError(f"{path.name}: expected a whole file, found: {error}") from error


def _only_csv(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if name.endswith(".csv")]
    if len(names) != 1:
        raise ArchiveError(f"{path.name}: expected one .csv in the zip, found {len(names)}")
    return names[0]


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise ArchiveError(f"{path}: expected a file that can be read, found: {error.strerror}") from error
