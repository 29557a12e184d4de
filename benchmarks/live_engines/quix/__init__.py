"""Quix Streams, in Python packages of its own; see `job.py` for the job and for what was tuned."""

import sys
from pathlib import Path

from infra.setup.package_folder import ensure_package_folder

HERE = Path(__file__).parent


def quix_command(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Fetch Quix Streams (62 MB) where it is missing; return how to start the job.

    Raises:
        StackError: it cannot be fetched.
    """
    packages = ensure_package_folder("live-quix", HERE / "requirements.lock")
    return [sys.executable, str(HERE / "job.py")], {"PYTHONPATH": str(packages), "QUIX_STATE": str(folder)}
