"""Spark's own folder and its extra jars, at places that do not move."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyspark

from contracts.errors import SettingsError
from infra.jars import ensure_spark_jars
from infra.setup.cache import ensure_entry
from infra.spark.real_time import ensure_real_time_packages
from infra.spark.real_time.extension import ensure_extension
from infra.spark.settings import SparkSettings
from spark_jobs.edges.live import EXTENSION


def spark_home(settings: SparkSettings) -> Path:
    """Return the Spark that is used: the one of the settings, else our own copy.

    Raises:
        SettingsError: there is no Spark in the folder of the settings.
    """
    if not settings.spark_home:
        return ensure_spark_home()
    return _having(Path(settings.spark_home), "bin/spark-submit", "COINLAKE_SPARK_HOME", "a Spark")


def spark_jars(settings: SparkSettings) -> Path:
    """Return the folder of the jars Spark needs beside its own: the one of the settings, else our own.

    Raises:
        SettingsError: there is no Delta jar in the folder of the settings.
        StackError: our own are not there and cannot be fetched.
    """
    if not settings.spark_jars:
        return ensure_spark_jars()
    return _having(Path(settings.spark_jars), "delta-spark_*.jar", "COINLAKE_SPARK_JARS", "a folder of jars")


def live_home(settings: SparkSettings) -> Path:
    """Return the Spark with Real-Time Mode: the one of the settings, else pyspark 4.3 in the cache.

    Raises:
        SettingsError: there is no Spark in the folder of the settings.
        StackError: ours cannot be installed.
    """
    if not settings.spark_live_home:
        return ensure_real_time_packages() / "pyspark"
    return _having(Path(settings.spark_live_home), "bin/spark-submit", "COINLAKE_SPARK_LIVE_HOME", "a Spark")


def live_extension(settings: SparkSettings, spark: Path, connector: Sequence[Path]) -> Path:
    """Return the folder of the classes that extend that Spark: the one of the settings, else our own.

    Raises:
        SettingsError: the classes are not in the folder of the settings.
        StackError: our own cannot be compiled.
    """
    if not settings.spark_live_extension:
        return ensure_extension(spark, connector)
    classes = f"{EXTENSION.replace('.', '/')}.class"
    return _having(Path(settings.spark_live_extension), classes, "COINLAKE_SPARK_LIVE_EXTENSION", "a folder of classes")


def _having(folder: Path, pattern: str, variable: str, what: str) -> Path:
    if not any(folder.glob(pattern)):
        raise SettingsError(f"{variable}: expected {what} with {pattern}, found none in {folder}")
    return folder.absolute()


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
