"""Packages in a folder of their own, where what they pin must not choose the versions that we run on."""

import hashlib
import sys
from pathlib import Path

from infra.setup import tools
from infra.setup.cache import ensure_entry


def ensure_package_folder(name: str, lock: Path) -> Path:
    """Return the folder with the packages of a lock, installed first if need be, every hash checked.

    It goes onto PYTHONPATH. Its name in the cache is `name` and a hash of the lock and of this Python.

    Raises:
        StackError: they cannot be installed.
    """
    version = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]

    def install(folder: Path) -> None:
        uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--python", sys.executable, "--quiet"]
        command = [*uv, "--require-hashes", "--target", str(folder), "-r", str(lock)]
        tools.run(command, log=tools.log_file(name))

    return ensure_entry(f"{name}-{version}", install)
