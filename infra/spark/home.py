"""Spark's own folder, at a place that does not move."""

import os
import shutil
from pathlib import Path

import pyspark

from infra.setup.cache import ensure_entry


def ensure_spark_home() -> Path:
    """Return a copy of the installed pyspark in the cache, made of hard links where that is possible.

    A class archive holds for one class path, by name and by each jar's time of change: with Spark in the cache it
    serves every checkout, and a reinstall of the packages does not end it.
    """
    installed = Path(pyspark.__file__).parent
    return ensure_entry(f"spark-{pyspark.__version__}", lambda folder: _copy(installed, folder))


def _copy(installed: Path, folder: Path) -> None:
    shutil.copytree(
        installed, folder, dirs_exist_ok=True, copy_function=_link, ignore=shutil.ignore_patterns("__pycache__")
    )


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
