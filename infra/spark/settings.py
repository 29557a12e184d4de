"""How Spark is started: which one, where it runs, with how much memory."""

from typing import Annotated

from pydantic import Field

from contracts.settings import SettingsGroup

Memory = Annotated[str, Field(pattern=r"^[1-9]\d*[kmgtKMGT]$")]
"""A size as Spark and the JVM write it, such as 512m or 2g."""

_UNITS = {"k": 10, "m": 20, "g": 30, "t": 40}


def memory_bytes(size: str) -> int:
    """Return a size in bytes.

    >>> memory_bytes("512m") < memory_bytes("1g") == memory_bytes("1024M")
    True
    """
    return int(size[:-1]) << _UNITS[size[-1].lower()]


class SparkSettings(SettingsGroup):
    """How a job is submitted and a shell is started."""

    spark_master: str = "local[*]"
    spark_driver_memory: Memory = "1g"
    spark_executor_memory: Memory = "1g"
    spark_driver_host: str = "127.0.0.1"
    """The address at which executors reach the driver."""
    spark_home: str = ""
    """A Spark that is there already; empty: a copy of the pip package in the cache."""
    spark_jars: str = ""
    """A folder that holds the jars Spark needs beside its own; empty: fetched into the cache."""
    spark_live_master: str = "local[8]"
    """Where the moving average runs: Real-Time Mode holds a task slot for each partition as long as it runs."""
    spark_live_memory: Memory = "512m"
    spark_live_home: str = ""
    """A Spark with Real-Time Mode that is there already; empty: pyspark 4.3 in a folder of its own in the cache."""
    spark_live_extension: str = ""
    """A folder of the classes that extend that Spark, compiled already; empty: compiled into the cache."""
    spark_event_log: Annotated[str, Field(pattern=r"^$|^s3a://|^file:///")] = ""
    """Where Spark writes its event logs, as the URI of a folder; empty: nowhere."""

    @property
    def runs_here(self) -> bool:
        """Say whether tasks run in the driver, so that no executor needs anything."""
        return self.spark_master.startswith("local") and not self.spark_master.startswith("local-cluster")
