"""Clients that others wrote."""

from pathlib import Path

from infra.setup.package_folder import ensure_package_folder

LOCK = Path(__file__).parent / "requirements.lock"


def ensure_clients() -> Path:
    """Return the folder with the packages of the lock, installed first if need be.

    Raises:
        StackError: they cannot be installed.
    """
    return ensure_package_folder("clients", LOCK)
