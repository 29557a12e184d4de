"""What a job is given: the session, the lake, the stores of state and of published Parquet, and the rules."""

from typing import NamedTuple

from pyspark.sql import SparkSession

from contracts.settings import JobSettings, KafkaSettings
from spark_jobs.edges.lake import Lake
from spark_jobs.edges.store import ObjectStore


class Context(NamedTuple):
    """The world of one run of a job."""

    spark: SparkSession
    lake: Lake
    state: ObjectStore
    published: ObjectStore
    kafka: KafkaSettings
    rules: JobSettings
