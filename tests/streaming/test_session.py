"""The end of a session says nothing: on a job's standard error is what went wrong, and nothing else."""

import subprocess
import sys

import pytest

STATEFUL = """
import time

from pyspark.sql import SparkSession

from spark_jobs.edges.session import close_session

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.streaming.stateStore.maintenanceInterval", "50ms")
    .getOrCreate()
)
counted = spark.readStream.format("rate").option("rowsPerSecond", 1).load().groupBy("value").count()
query = counted.writeStream.format("noop").outputMode("update").trigger(availableNow=True).start()
query.awaitTermination()
assert spark._jvm.org.apache.spark.sql.execution.streaming.state.StateStore.isMaintenanceRunning()
close_session(spark)
time.sleep(1)
"""


@pytest.mark.timeout(300)
def test_a_closed_session_no_longer_keeps_the_state_of_its_streams_in_order() -> None:
    ran = subprocess.run([sys.executable, "-c", STATEFUL], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "SparkEnv" not in ran.stderr
