"""Our Python code as one file that Spark carries to its executors (`--py-files`)."""

import hashlib
import os
import zipfile
from pathlib import Path

import contracts
import sentiment
import spark_jobs

PACKAGES = (contracts, sentiment, spark_jobs)
_CARRIED = (".py", ".tsv")
_NEW_YEAR_1980 = (1980, 1, 1, 0, 0, 0)


def python_zip(folder: Path) -> Path:
    """Write what the jobs are made of as a zip into a folder, named after a hash of it, and return it.

    A driver that still runs may be serving an older one, which therefore stays.
    """
    files = dict(sorted(found for package in PACKAGES for found in _files(Path(str(package.__file__)).parent)))
    said = hashlib.sha256()
    for name, body in files.items():
        said.update(f"{name} {len(body)}\n".encode() + body)
    target = folder / f"coinlake-{said.hexdigest()[:12]}.zip"
    if not target.exists():
        part = target.with_name(f"{target.name}.part-{os.getpid()}")
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in files.items():
                archive.writestr(zipfile.ZipInfo(name, _NEW_YEAR_1980), body)
        part.replace(target)
    return target


def _files(package: Path) -> list[tuple[str, bytes]]:
    return [
        (str(path.relative_to(package.parent)), path.read_bytes())
        for path in package.rglob("*")
        if path.suffix in _CARRIED
    ]
