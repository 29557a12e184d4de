"""What a job is given: the session, the lake, the state store and the rules."""

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
    kafka: KafkaSettings
    rules: JobSettings
