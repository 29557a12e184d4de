"""The MinIO server: the one on PATH, else the one in the cache, else built once with `go install`."""

import shutil
from pathlib import Path

from contracts.errors import StackError
from infra.setup import tools
from infra.setup.cache import ensure_entry, entry

VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
_ENTRY = f"minio-{VERSION}"


def minio_binary() -> Path:
    """Return the path of the MinIO server.

    Raises:
        StackError: it is neither on PATH nor in the cache; `make setup` builds it.
    """
    on_path = shutil.which("minio")
    if on_path is not None:
        return Path(on_path)
    built = entry(_ENTRY) / "minio"
    if not built.is_file():
        raise StackError(f"MinIO is neither on PATH nor in the cache (expected {built}): run `make setup`")
    return built


def ensure_minio() -> Path:
    """Return the path of the MinIO server, built first when there is none (about four minutes on two cores).

    Raises:
        StackError: there is no Go to build it with, or the build failed.
    """
    if shutil.which("minio") is None:
        ensure_entry(_ENTRY, _build)
    return minio_binary()


def _build(folder: Path) -> None:
    go = tools.find("go", "install Go 1.24 or newer to build MinIO once, or put a `minio` on PATH")
    tools.run(
        [go, "install", "-trimpath", "-ldflags", "-s -w", f"github.com/minio/minio@{VERSION}"],
        log=tools.log_file("minio"),
        env={"CGO_ENABLED": "0", "GOBIN": str(folder), "GOFLAGS": ""},
    )
