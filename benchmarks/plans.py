"""The plans that are measured, as command lines: ours, and the plain one with Spark's defaults, or with one changed."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.spark.backlog import is_short, waiting
from infra.spark.home import spark_home, spark_jars
from infra.spark.options import LOG4J, LOOPBACK, Submission, environment, scratch_folder
from infra.spark.settings import SparkSettings
from infra.spark.submit import submission

PLAIN_PLAN = Path(__file__).parent / "plain_plan.py"


@dataclass(frozen=True)
class Plan:
    """A way from the topics to the lake; `submit` reads the lake and Kafka from the environment."""

    name: str
    submit: Callable[[SparkSettings], Submission]


def _ours(settings: SparkSettings) -> Submission:
    return submission("process_markets", ["--trigger", "available-now"], settings, short=is_short(waiting()))


def _plain(settings: SparkSettings, tuned: Mapping[str, str]) -> Submission:
    """Submit with nothing set but where things are, the heap that ours has, a quiet log, no web page and `tuned`."""
    scratch = scratch_folder()
    conf = {
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.extraClassPath": f"{spark_jars(settings)}/*",
        "spark.pyspark.python": sys.executable,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.ui.enabled": "false",
        **tuned,
    }
    command = [
        str(spark_home(settings) / "bin" / "spark-submit"),
        *("--master", settings.spark_master),
        *("--driver-memory", settings.spark_driver_memory),
        *("--driver-java-options", f"-Dlog4j2.configurationFile={LOG4J.as_uri()} -Djava.io.tmpdir={scratch}"),
        *(part for name, value in conf.items() for part in ("--conf", f"{name}={value}")),
        str(PLAIN_PLAN),
    ]
    return Submission(command, environment(settings))


OURS = Plan("ours", _ours)
PLAIN = Plan("plain", lambda settings: _plain(settings, {}))
PLAIN_2 = Plan("plain-2", lambda settings: _plain(settings, {"spark.sql.shuffle.partitions": "2"}))
"""The same file with 2 shuffle partitions instead of 200: how much of the difference that one setting makes."""

PLANS = {plan.name: plan for plan in (OURS, PLAIN, PLAIN_2)}
DEFAULT_PLANS = ",".join(PLANS)
