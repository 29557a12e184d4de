"""Average the newest prices by sliding windows, from Kafka to Kafka, for the live chart.

    spark-submit --properties-file infra/spark/live.conf spark_jobs/moving_average.py

`coinlake moving-average` submits it. It runs until it is stopped; started again it goes on from its checkpoint.
"""

import sys
from collections.abc import Callable

import pyspark.sql.functions as F
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame

from contracts.errors import JobError
from contracts.settings import KafkaSettings, MovingAverageSettings
from contracts.spark_schema import struct_type
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_DATA_AGGREGATED, CRYPTO_KLINE_DATA, Stream
from spark_jobs.columns.to_wire import wire_json
from spark_jobs.edges.kafka import describe_topics
from spark_jobs.edges.live import keep_windows_by, open_live_session, read_newest, start_live
from spark_jobs.edges.session import close_session
from spark_jobs.edges.spark_errors import reason_of
from spark_jobs.program import main_of, say
from spark_jobs.transforms.parse import REFUSAL, name_kafka_columns, parse_records
from spark_jobs.transforms.sliding_window import Sliding, average_klines, average_trades

Average = Callable[[DataFrame, Sliding], DataFrame]
AVERAGES: dict[str, tuple[Stream, Average]] = {
    stream.topic: (stream, average)
    for stream, average in ((BINANCE_AGG_TRADES, average_trades), (CRYPTO_KLINE_DATA, average_klines))
}


def plan(messages: DataFrame, settings: MovingAverageSettings) -> DataFrame:
    """Turn messages of the source into messages that tell each window anew with each event in it.

    In: Kafka's columns. Out: key and value of `crypto_data_aggregated`. Refused messages are left to the landing job,
    which reads the same topic and keeps them with their reasons.
    """
    stream, average = AVERAGES[settings.live_source]
    windows = Sliding(settings.live_window_ms, settings.live_slide_ms)
    return (
        messages.transform(name_kafka_columns)
        .transform(parse_records, struct_type(stream.record), settings.live_max_ahead_seconds)
        .where(F.col(REFUSAL).isNull())
        .withWatermark("event_time", f"{settings.live_lateness_ms} milliseconds")
        .transform(average, windows)
        .select(
            F.col("symbol").alias("key"),
            wire_json(struct_type(CRYPTO_DATA_AGGREGATED.record)).alias("value"),
        )
    )


def run() -> None:
    """Average until stopped.

    Raises:
        BrokerError: no broker answers.
        TopicError: a topic is missing.
        JobError: the query ended with an error.
    """
    kafka, settings = KafkaSettings.load(), MovingAverageSettings.load()
    source, told = settings.live_source, CRYPTO_DATA_AGGREGATED.topic
    topics = describe_topics(kafka, [source, told])
    spark = open_live_session("moving_average")
    try:
        tasks = keep_windows_by(spark, topics[source].partitions)
        messages = plan(read_newest(spark, kafka, source), settings)
        query = start_live(messages, kafka, told, settings, tasks)
        say(f"moving average: {source} -> {told}, {settings.live_trigger}, {tasks} tasks, Spark {spark.version}")
        query.awaitTermination()
    except StreamingQueryException as error:
        raise JobError(f"the moving average ended with an error: {reason_of(error)}") from error
    finally:
        close_session(spark)


def main() -> int:
    """Run the job; return the exit code."""
    return main_of(run)


if __name__ == "__main__":
    sys.exit(main())
