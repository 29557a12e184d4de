"""What each of Spark's programs is started with: spark-submit for our jobs, and the three shells."""

import ipaddress
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.settings import LakeSettings, home
from infra.setup.java import find_java
from infra.spark.event_log import event_log_conf
from infra.spark.home import spark_home, spark_jars
from infra.spark.python_code import python_zip
from infra.spark.settings import SparkSettings

HERE = Path(__file__).parent
CONF = HERE / "spark-defaults.conf"
LOG4J = HERE / "log4j2.properties"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Submission:
    """A command line and the environment it needs, in which `secret` names what no screen may show."""

    command: list[str]
    env: Mapping[str, str]
    secret: frozenset[str] = frozenset()


def options(
    settings: SparkSettings,
    lake: LakeSettings,
    java_options: Sequence[str],
    executor_java_options: Sequence[str],
    conf: Mapping[str, str],
) -> list[str]:
    """Return the options that every program of Spark takes, before those of its own.

    The class path is given by `extraClassPath` and not by `--jars`, which copies every jar at every start: the jars
    lie at the same path on every machine of a cluster.
    """
    jars, scratch = spark_jars(settings), scratch_folder()
    every = {
        "spark.driver.host": settings.spark_driver_host,
        "spark.driver.bindAddress": LOOPBACK if _is_loopback(settings.spark_driver_host) else "0.0.0.0",
        "spark.driver.extraClassPath": f"{jars}/*",
        "spark.pyspark.python": sys.executable,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        **event_log_conf(settings.spark_event_log, lake),
    }
    carried: list[str] = []
    if not settings.runs_here:
        every["spark.executor.extraClassPath"] = f"{jars}/*"
        every["spark.executor.memory"] = settings.spark_executor_memory
        if executor_java_options:
            every["spark.executor.extraJavaOptions"] = " ".join(executor_java_options)
        carried = ["--py-files", str(python_zip(scratch))]
    java_options = [
        *java_options,
        f"-Dlog4j2.configurationFile={LOG4J.as_uri()}",
        f"-Djava.io.tmpdir={scratch}",
    ]
    return [
        *("--master", settings.spark_master),
        *("--driver-memory", settings.spark_driver_memory),
        *("--properties-file", str(CONF)),
        *("--driver-java-options", " ".join(java_options)),
        *carried,
        *(part for name, value in {**every, **conf}.items() for part in ("--conf", f"{name}={value}")),
    ]


def environment(settings: SparkSettings) -> dict[str, str]:
    """Return the variables that every program of Spark needs."""
    local = {"SPARK_LOCAL_IP": LOOPBACK} if _is_loopback(settings.spark_driver_host) else {}
    return {
        "SPARK_HOME": str(spark_home(settings)),
        **local,
        "COINLAKE_HOME": str(home()),
        "JAVA_HOME": os.environ.get("JAVA_HOME") or str(find_java().resolve().parents[1]),
    }


def s3_conf(lake: LakeSettings) -> dict[str, str]:
    """Return where the object store is, for what is read or written before a job has said so to its session."""
    return {
        "spark.hadoop.fs.s3a.endpoint": lake.s3_endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": lake.s3_region,
        "spark.hadoop.fs.s3a.connection.ssl.enabled": str(lake.s3_endpoint.startswith("https")).lower(),
    }


def s3_key(lake: LakeSettings) -> dict[str, str]:
    """Return the key as the variables that Spark's driver reads at its start and hands to its executors itself.

    A command line is there for every user of the machine to read; an environment for its owner alone.
    """
    key = {
        "AWS_ACCESS_KEY_ID": lake.s3_access_key.get_secret_value(),
        "AWS_SECRET_ACCESS_KEY": lake.s3_secret_key.get_secret_value(),
    }
    return {name: value for name, value in key.items() if value}


def scratch_folder() -> Path:
    """Return the folder for what Spark writes beside the lake, made if need be."""
    folder = home() / "spark"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
