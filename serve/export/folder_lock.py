"""One export at a time writes to a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import ExportError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder where there is none, and hold it for the length of the block; a kill lets go of it.

    Raises:
        ExportError: another export holds it, or it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a")
    except OSError as error:
        raise ExportError(f"expected a folder to write to, found: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"another export is writing to {folder}: one at a time") from None
        yield
