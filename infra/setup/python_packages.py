"""The virtual environment: every package at its pinned version with its hash checked, and coinlake itself."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from contracts.errors import StackError
from infra.setup import tools
from infra.setup.cache import lock

ROOT = Path(__file__).parent.parent.parent
_STATE = ".coinlake"
_DECLARATIONS = ("pyproject.toml", "requirements.lock")


def ensure_packages(root: Path = ROOT) -> Path:
    """Return the folder of the virtual environment, made or brought up to date first.

    Raises:
        StackError: pip or uv failed.
    """
    folder = root / ".venv"
    if is_current(root):
        return folder
    with lock(root / _STATE / "venv.lock"):
        if not is_current(root):
            _install(root, folder)
    return folder


def is_current(root: Path) -> bool:
    """Tell whether the environment was finished from the lock as it is now, by this place in the file system."""
    stamp = root / ".venv" / "coinlake-stamp"
    return stamp.is_file() and stamp.read_text() == _fingerprint(root)


def pinned_uv(lock_text: str) -> str:
    r"""Return the requirement of uv, hashes and all, out of the text of a lock.

    >>> pinned_uv("urllib3==2.0 \\\n    --hash=sha256:aa\nuv==0.9.1 \\\n    --hash=sha256:bb\n    # via coinlake\n")
    'uv==0.9.1 --hash=sha256:bb'
    """
    found = re.search(r"^uv==.*(?:\n    --hash=.*)+", lock_text, re.MULTILINE)
    if found is None:
        raise StackError("requirements.lock: expected a pinned uv with hashes, found none")
    return " ".join(found[0].replace("\\", " ").split())


def _fingerprint(root: Path) -> str:
    digest = hashlib.sha256(str(root).encode())
    for name in _DECLARATIONS:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _install(root: Path, folder: Path) -> None:
    unfinished = root / _STATE / "venv.unfinished"
    log = tools.log_file("python-packages")
    # A run killed half-way may have left a package in pieces that its metadata calls whole.
    if unfinished.exists() or not _works(folder):
        shutil.rmtree(folder, ignore_errors=True)
    unfinished.touch()
    python = str(folder / "bin" / "python")
    if not folder.exists():
        tools.run([sys.executable, "-m", "venv", str(folder)], log=log)
    uv_requirement = pinned_uv((root / "requirements.lock").read_text())
    requirement = folder / "uv-requirement.txt"
    requirement.write_text(uv_requirement + "\n")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    tools.run([*pip, "--require-hashes", "--no-deps", "-r", str(requirement)], log=log)
    uv = [str(folder / "bin" / "uv"), "pip"]
    tools.run([*uv, "sync", "--require-hashes", "--python", python, str(root / "requirements.lock")], log=log)
    # Built by the setuptools of the lock; `compat` puts the checkout itself on the path, so new rooms are seen.
    editable = ["--no-deps", "--no-build-isolation", "--offline", "-C", "editable_mode=compat", "-e", str(root)]
    tools.run([*uv, "install", "--python", python, *editable], log=log)
    (folder / "coinlake-stamp").write_text(_fingerprint(root))
    unfinished.unlink()


def _works(folder: Path) -> bool:
    python = folder / "bin" / "python"
    return (
        python.exists()
        and subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    )
