"""The download cache outside the checkout: each entry is made once, whole or not at all.

Entries live in `${XDG_CACHE_HOME:-~/.cache}/coinlake/<thing>-<version or hash>/`. An entry is filled in a
temporary folder and renamed, so one that exists is whole even when a run was killed half-way, and a file lock
keeps two runs from making the same one.
"""

import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from contracts.errors import StackError

stopping = threading.Event()
"""Set once when the whole set-up is to end: nothing is waited for or started any more."""


def cache_root() -> Path:
    """Return the cache folder, made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(base).absolute() / "coinlake"
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; wait for whoever holds it. The kernel frees it when a holder dies.

    Raises:
        StackError: the set-up is being stopped.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        while not _try_lock(file.fileno()):
            if stopping.wait(0.1):
                raise StackError("given up: the set-up is being stopped")
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def entry(name: str) -> Path:
    """Return the folder of a cache entry, whether it is there or not."""
    return cache_root() / name


def ensure_entry(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of a cache entry; when it is not there, let `make` fill it first.

    `make` is given an empty folder and raises when it cannot fill it; then no entry appears.
    """
    target = entry(name)
    if target.is_dir():
        return target
    with lock(cache_root() / f"{name}.lock"):
        if target.is_dir():
            return target
        for leftover in cache_root().glob(f"{name}.part-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f"{name}.part-", dir=cache_root()))
        try:
            part.chmod(0o755)
            make(part)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return target
