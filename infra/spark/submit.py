"""The command line of spark-submit for our jobs, with the JVM flags that a small machine wants."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import spark_jobs
from contracts.settings import LakeSettings
from infra.setup.java import find_java
from infra.spark.home import spark_home, spark_jars
from infra.spark.options import Submission, environment, options, s3_conf, s3_key, scratch_folder
from infra.spark.settings import SparkSettings
from infra.stack import class_archive

JOBS = Path(spark_jobs.__file__).parent

SHORT_RUN_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m", "-XX:-UsePerfData")
"""For runs of a minute or two, in which the JVM never gets hot: the quick compiler alone, with room for its code
(at the default size it runs out and the driver dies), and the plain collector."""

SHORT_RUN_CONF = {"spark.sql.codegen.wholeStage": "false"}

LONG_RUN_FLAGS = ("-XX:-UsePerfData",)
"""For a driver that runs until it is stopped or has a long backlog: the JVM's own compilers and collector."""


def submission(
    job: str,
    arguments: Sequence[str],
    settings: SparkSettings,
    *,
    short: bool = True,
    new_class_archive: Path | None = None,
) -> Submission:
    """Return how to submit `spark_jobs/<job>.py`; `short` says that it runs for a minute or two.

    Where this JDK has no class archive yet and `new_class_archive` is given, the driver of a short run writes one
    there as it ends: see the function of that name.
    """
    lake = LakeSettings.load()
    archived: list[str] = []
    if short:
        archive = spark_archive(settings)
        archived = class_archive.use_option(archive)
        if not archived and new_class_archive is not None:
            archived = class_archive.use_or_make_option(archive, new_class_archive)
    flags = SHORT_RUN_FLAGS if short else LONG_RUN_FLAGS
    # The job itself gives the key to its session, once that is open; event logs are opened before it is.
    logs_to_s3 = settings.spark_event_log.startswith("s3a:")
    conf = {**(SHORT_RUN_CONF if short else {}), **(s3_conf(lake) if logs_to_s3 else {})}
    command = [
        str(spark_home(settings) / "bin" / "spark-submit"),
        *options(settings, lake, [*flags, *archived], flags, conf),
        str(JOBS / f"{job}.py"),
        *arguments,
    ]
    key = s3_key(lake) if logs_to_s3 else {}
    return Submission(command, {**environment(settings), **key}, frozenset(key))


@contextmanager
def new_class_archive(settings: SparkSettings) -> Iterator[Path]:
    """Give the place for a class archive that `submission` takes; a block that ends well puts it into the cache."""
    new = scratch_folder() / f"classes-{os.getpid()}.jsa"
    try:
        yield new
        class_archive.adopt(new, spark_archive(settings))
    finally:
        new.unlink(missing_ok=True)


def spark_archive(settings: SparkSettings | None = None) -> Path:
    """Return where the driver's class archive is kept."""
    chosen = settings or SparkSettings.load()
    flags = (*SHORT_RUN_FLAGS, str(spark_home(chosen)))
    return class_archive.archive_file("spark", find_java(), spark_jars(chosen), flags)
