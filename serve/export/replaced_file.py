"""A file that is only ever replaced as a whole, so that a kill at any instant leaves the old one or the new one."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import tables

from contracts.errors import ExportError
from serve.export import hdf5_tables
from serve.export.layout import Table

_NEW = ".new"
_SPARE_BYTES = 1_000_000
"""HDF5 does not give back the room of rows that were replaced: a file with more than its half and this is packed."""

Replace = Callable[[Path, Path], None]
"""Puts the first file in the place of the second: `os.replace`, but for tests that end in the middle."""


@contextmanager
def rewritten(path: Path, layout: Sequence[Table], replace: Replace) -> Iterator[pd.HDFStore]:
    """Open a copy of a file, or a new one of these tables; it takes the file's place when the block ends well.

    The copy is on the disk (fsync) before it takes the place, and the folder after it. Where the block fails, the file
    is untouched.

    Raises:
        ExportError: the file, or the folder, cannot be read or written.
    """
    copy = path.with_name(f".{path.name}{_NEW}")
    try:
        if path.exists():
            _copy(path, copy)
            with _opened(copy, "a") as store:
                yield store
        else:
            with _opened(copy, "w") as store:
                for table in layout:
                    hdf5_tables.create(store, table)
                root: Any = store.root
                root._v_attrs.packed_bytes = 0
                yield store
        _to_disk(copy)
        replace(copy, path)
        _to_disk(path.parent)
    except (OSError, tables.HDF5ExtError) as error:
        raise ExportError(f"expected to write {path}, found: {_first_line(error)}") from None
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def opened(path: Path) -> Iterator[pd.HDFStore]:
    """Open a file to read it.

    Raises:
        ExportError: it is no HDF5 file, or cannot be read.
    """
    try:
        with _opened(path, "r") as store:
            yield store
    except (OSError, tables.HDF5ExtError) as error:
        raise ExportError(f"expected an HDF5 file in {path}, found: {_first_line(error)}") from None


def remove_copies(folder: Path) -> int:
    """Remove the copies that a killed export left half written, and return how many there were.

    Raises:
        ExportError: one of them cannot be removed, as in a folder that may only be read.
    """
    left = list(folder.glob(f".*{_NEW}"))
    try:
        for copy in left:
            copy.unlink()
    except OSError as error:
        raise ExportError(f"expected a folder to write to, found: {error}") from None
    return len(left)


@contextmanager
def _opened(path: Path, mode: Literal["r", "a", "w"]) -> Iterator[pd.HDFStore]:
    with pd.HDFStore(path, mode=mode, complevel=1, complib="zlib") as store:
        yield store


def _copy(path: Path, copy: Path) -> None:
    """Copy the bytes; where more than half of them are room that nothing uses, the tables alone."""
    with tables.open_file(path, "r") as file:
        packed = int(file.root._v_attrs.packed_bytes)
        if path.stat().st_size <= 2 * packed + _SPARE_BYTES:
            file.close()
            shutil.copyfile(path, copy)
            return
        file.copy_file(copy, overwrite=True)
    with tables.open_file(copy, "a") as file:
        file.root._v_attrs.packed_bytes = copy.stat().st_size


def _to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
