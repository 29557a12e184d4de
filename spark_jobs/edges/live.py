"""The live job's edges: a session without a lake, a topic read from its end, and a topic written with every event."""

import datetime as dt

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from contracts.settings import KafkaSettings, MovingAverageSettings, home

LINGER_MS = 1
"""With each result sent alone the broker is the slowest part from some thousand results a second on."""

EXTENSION = "coinlake.live.LiveExtension"
"""The class for `spark.sql.extensions` that lets state stay with its partition of the topic.

It may, for all records of a symbol stand in one partition: the generator chooses it by the symbol.
"""

STATE = 3
"""Which state the windows keep: another number where what is aggregated changes, for Spark refuses the old state."""

LEAD = dt.timedelta(minutes=2)
"""How much is averaged of what was there before the first start: what the chart shows at once."""


def open_live_session(name: str) -> SparkSession:
    """Open the session; all that it needs stands in infra/spark/live.conf."""
    return SparkSession.builder.appName(f"coinlake {name}").getOrCreate()


def keep_windows_by(spark: SparkSession, partitions: int) -> int:
    """Set how many tasks keep the windows, for a topic of so many partitions; return it.

    Where Spark is extended (infra/spark/real_time) it is one for each: no row waits in a shuffle or changes threads.
    Else rows are shuffled into as many as Spark is configured for.
    """
    tasks = "spark.sql.shuffle.partitions"
    if EXTENSION in str(spark.conf.get("spark.sql.extensions", "")).split(","):
        spark.conf.set(tasks, partitions)
    return int(str(spark.conf.get(tasks)))


def read_newest(spark: SparkSession, kafka: KafkaSettings, topic: str) -> DataFrame:
    """Read a topic as a stream, where the checkpoint is new from a little before now.

    Spark notes in a new checkpoint where it begins before it reads: a job that is killed in its first batch begins
    there again. What retention deleted before it was read is not waited for: a live chart shows what is new.
    """
    begin = dt.datetime.now(dt.UTC) - LEAD
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", kafka.kafka_bootstrap_servers)
        .option("subscribe", topic)
        .option("startingTimestamp", str(round(begin.timestamp() * 1000)))
        .option("startingOffsetsByTimestampStrategy", "latest")
        .option("failOnDataLoss", "false")
        .load()
    )


def start_live(
    messages: DataFrame, kafka: KafkaSettings, topic: str, settings: MovingAverageSettings, tasks: int
) -> StreamingQuery:
    """Start to write messages to a topic as they come to be, by the trigger of the settings.

    `tasks` is how many keep the windows.
    """
    writer = (
        messages.writeStream.format("kafka")
        .queryName("moving_average")
        .outputMode("update")
        .option("kafka.bootstrap.servers", kafka.kafka_bootstrap_servers)
        .option("kafka.linger.ms", LINGER_MS)
        .option("kafka.compression.type", "none")
        .option("topic", topic)
        .option("checkpointLocation", checkpoint_of(settings, tasks))
    )
    if settings.live_trigger == "micro-batch":
        return writer.trigger(processingTime="0 seconds").start()
    seconds = f"{settings.live_checkpoint_seconds:g} seconds"
    return writer.trigger(realTime=seconds).start()  # type: ignore[call-overload,no-any-return]  # new in Spark 4.3


def checkpoint_of(settings: MovingAverageSettings, tasks: int) -> str:
    """Return where the query keeps its checkpoint: another place for whatever cannot go on from the same state."""
    base = settings.live_checkpoint.rstrip("/") or str(home() / "live" / "checkpoint")
    parts = (settings.live_source, settings.live_trigger, settings.live_window_ms, settings.live_slide_ms, tasks, STATE)
    return f"{base}/{'-'.join(map(str, parts))}"
