"""Clients that others wrote, in a folder of their own: what they pin must not choose the versions that we run on."""

import hashlib
import sys
from pathlib import Path

from infra.setup import tools
from infra.setup.cache import ensure_entry

LOCK = Path(__file__).parent / "requirements.lock"


def ensure_clients() -> Path:
    """Return the folder with the packages of the lock, installed first if need be, every hash checked.

    Raises:
        StackError: they cannot be installed.
    """
    version = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return ensure_entry(f"clients-{version}", _install)


def _install(folder: Path) -> None:
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--python", sys.executable, "--quiet"]
    command = [*uv, "--require-hashes", "--target", str(folder), "-r", str(LOCK)]
    tools.run(command, log=tools.log_file("clients"))
