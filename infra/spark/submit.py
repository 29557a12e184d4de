"""The command line of spark-submit for our jobs, with the JVM flags that a small machine wants."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import spark_jobs
from contracts.settings import SettingsGroup, home
from infra.jars import ensure_spark_jars
from infra.setup.java import find_java
from infra.spark.home import ensure_spark_home
from infra.stack import class_archive

HERE = Path(__file__).parent
CONF = HERE / "spark-defaults.conf"
LOG4J = HERE / "log4j2.properties"
JOBS = Path(spark_jobs.__file__).parent

SHORT_RUN_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m", "-XX:-UsePerfData")
"""For runs of a minute or two, in which the JVM never gets hot: the quick compiler alone, with room for its code
(at the default size it runs out and the driver dies), and the plain collector."""

SHORT_RUN_CONF = {"spark.sql.codegen.wholeStage": "false"}

LONG_RUN_FLAGS = ("-XX:-UsePerfData",)
"""For a driver that runs until it is stopped: the JVM's own compilers and collector."""


class SparkSettings(SettingsGroup):
    """How a job is submitted."""

    spark_master: str = "local[*]"
    spark_driver_memory: str = "1g"


@dataclass(frozen=True)
class Submission:
    """A command line and the environment it needs."""

    command: list[str]
    env: Mapping[str, str]


def submission(
    job: str,
    arguments: Sequence[str],
    settings: SparkSettings,
    *,
    short: bool = True,
    new_class_archive: Path | None = None,
) -> Submission:
    """Return how to submit `spark_jobs/<job>.py`; `short` says that it runs for minutes, not for days.

    Where this JDK has no class archive yet and `new_class_archive` is given, the driver of a short run writes one
    there as it ends: `class_archive.adopt` takes it into the cache.
    """
    jars = ensure_spark_jars()
    options: list[str] = []
    if short:
        archive = spark_archive()
        options = class_archive.use_option(archive)
        if not options and new_class_archive is not None:
            options = class_archive.use_or_make_option(archive, new_class_archive)
    scratch = home() / "spark"
    scratch.mkdir(parents=True, exist_ok=True)
    conf = {
        "spark.driver.extraClassPath": f"{jars}/*",
        "spark.executor.extraClassPath": f"{jars}/*",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        **(SHORT_RUN_CONF if short else {}),
    }
    java_options = [
        *(SHORT_RUN_FLAGS if short else LONG_RUN_FLAGS),
        *options,
        f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
        f"-Djava.io.tmpdir={scratch}",
    ]
    command = [
        str(ensure_spark_home() / "bin" / "spark-submit"),
        *("--master", settings.spark_master),
        *("--driver-memory", settings.spark_driver_memory),
        *("--properties-file", str(CONF)),
        *("--driver-java-options", " ".join(java_options)),
        *(part for name, value in conf.items() for part in ("--conf", f"{name}={value}")),
        str(JOBS / f"{job}.py"),
        *arguments,
    ]
    return Submission(command, _environment())


def spark_archive() -> Path:
    """Return where the driver's class archive is kept."""
    flags = (*SHORT_RUN_FLAGS, str(ensure_spark_home()))
    return class_archive.archive_file("spark", find_java(), ensure_spark_jars(), flags)


def _environment() -> dict[str, str]:
    return {
        "SPARK_HOME": str(ensure_spark_home()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "COINLAKE_HOME": str(home()),
        "JAVA_HOME": os.environ.get("JAVA_HOME") or str(find_java().resolve().parents[1]),
    }
