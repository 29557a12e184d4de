"""The Spark session of a job. What does not depend on settings stands in infra/spark/spark-defaults.conf."""

from pyspark.sql import SparkSession

from contracts.settings import JobSettings, LakeSettings


def open_session(name: str, lake: LakeSettings, job: JobSettings) -> SparkSession:
    """Open the session and point it at the lake.

    The S3 key is given to Hadoop's configuration of the running session, not to Spark's: that one is written into the
    event log and shown in the UI.
    """
    spark = (
        SparkSession.builder.appName(name)
        .config("spark.sql.shuffle.partitions", str(job.shuffle_partitions))
        .getOrCreate()
    )
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    hadoop.set("fs.s3a.endpoint", lake.s3_endpoint)
    hadoop.set("fs.s3a.endpoint.region", lake.s3_region)
    hadoop.set("fs.s3a.access.key", lake.s3_access_key.get_secret_value())
    hadoop.set("fs.s3a.secret.key", lake.s3_secret_key.get_secret_value())
    hadoop.set("fs.s3a.connection.ssl.enabled", str(lake.s3_endpoint.startswith("https")).lower())
    return spark


def close_session(spark: SparkSession) -> None:
    """End the session, and before it what keeps the state of streams in order once a minute.

    Spark leaves that running: where its minute falls between the end of the session and the end of the process, a
    well-ended job says `IllegalStateException: SparkEnv not active`.
    """
    jvm = spark.sparkContext._jvm
    if jvm is not None:
        jvm.org.apache.spark.sql.execution.streaming.state.StateStore.stopMaintenanceTask()
    spark.stop()
