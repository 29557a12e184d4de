"""The command line of spark-submit for the moving average."""

import os
import sys
from pathlib import Path

import spark_jobs
from contracts.settings import MovingAverageSettings
from infra.spark.home import live_extension, live_home, spark_home, spark_jars
from infra.spark.options import LOG4J, LOOPBACK, Submission, environment, scratch_folder
from infra.spark.settings import SparkSettings
from spark_jobs.edges.live import EXTENSION

HERE = Path(__file__).parent
CONF = HERE / "live.conf"
JOB = Path(spark_jobs.__file__).parent / "moving_average.py"
CONNECTOR = (
    "spark-sql-kafka-0-10_*.jar",
    "spark-token-provider-kafka-0-10_*.jar",
    "kafka-clients-*.jar",
    "commons-pool2-*.jar",
)
"""What the Kafka source and sink need, of the jars that the jobs of the lake need."""
JVM_FLAGS = ("-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:-DontCompileHugeMethods")
"""One collector thread: its pauses are short on so small a heap, and the cores are needed elsewhere.

The JVM would never compile a method of more than 8,000 bytes, and Spark generates some of 10,000 and 20,000 for this
query: each event would be interpreted for as long as the job runs.
"""


def live_submission(settings: SparkSettings, rules: MovingAverageSettings) -> Submission:
    """Return how to submit the moving average to the Spark that its trigger needs.

    Raises:
        SettingsError: a folder of the settings is not what it should be.
        StackError: Spark 4.3 or the jars are not there and cannot be fetched, or there is no compiler.
    """
    real_time = rules.live_trigger == "real-time"
    spark = live_home(settings) if real_time else spark_home(settings)
    folder, scratch = spark_jars(settings), scratch_folder()
    class_path = [jar for pattern in CONNECTOR for jar in sorted(folder.glob(pattern))]
    flags = (*JVM_FLAGS, f"-Dlog4j2.configurationFile={LOG4J.as_uri()}", f"-Djava.io.tmpdir={scratch}")
    extended = {}
    if real_time:
        class_path.append(live_extension(settings, spark, class_path))
        extended = {"spark.sql.extensions": EXTENSION}
    conf = {
        **extended,
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.extraClassPath": ":".join(map(str, class_path)),
        "spark.pyspark.python": sys.executable,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
    }
    command = [
        str(spark / "bin" / "spark-submit"),
        *("--master", settings.spark_live_master),
        *("--driver-memory", settings.spark_live_memory),
        *("--properties-file", str(CONF)),
        *("--driver-java-options", " ".join(flags)),
        *(part for name, value in conf.items() for part in ("--conf", f"{name}={value}")),
        str(JOB),
    ]
    # Python must find the pyspark that belongs to this Spark before the one of our own environment.
    paths = [str(spark.parent), os.environ.get("PYTHONPATH", "")] if real_time else [os.environ.get("PYTHONPATH", "")]
    env = {**environment(settings), "SPARK_HOME": str(spark), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return Submission(command, env)
