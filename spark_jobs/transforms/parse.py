"""Kafka messages -> typed rows, each with the reason why it is none."""

import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, StringType, StructField, StructType

from spark_jobs.columns.wire import problem, typed

KAFKA_COLUMNS = ("kafka_topic", "kafka_partition", "kafka_offset", "kafka_time")
REFUSAL = "refusal"


def name_kafka_columns(messages: DataFrame) -> DataFrame:
    """Give Spark's Kafka columns the names that bronze uses; `value` is the raw message."""
    return messages.select(
        "value",
        F.col("topic").alias("kafka_topic"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("timestamp").alias("kafka_time"),
    )


def parse_records(messages: DataFrame, record: StructType, max_ahead_seconds: float) -> DataFrame:
    """Parse wire JSON into the columns of `record`, the Kafka columns, `value` and `refusal`.

    `refusal` is null for a good row, else it lists every problem (`reason` is a field of a record of ours); `value`,
    the raw message, is kept where there is one. Everything is read as text and cast with `try_cast`, so no value,
    however large or odd, can stop a stream. A row whose event time is more than `max_ahead_seconds` ahead of its
    ingest time is refused: it would push the watermark into the future.
    """
    as_text = StructType([StructField(field.name, StringType()) for field in record.fields])
    # In brackets: alone, Spark's parser takes the first object of a message and drops whatever follows it.
    objects = F.from_json(F.concat(F.lit("["), F.col("value").cast("string"), F.lit("]")), ArrayType(as_text))
    wire = messages.withColumn("_objects", objects).withColumn(
        "_wire", F.when(F.size("_objects") == 1, F.element_at("_objects", 1))
    )
    # Typed once, in a step of its own: whether it worked is asked of the result.
    rows = wire.select(
        *(typed(F.col(f"_wire.{field.name}"), field.dataType).alias(field.name) for field in record.fields),
        *KAFKA_COLUMNS,
        "value",
        "_wire",
    )
    problems = F.concat_ws(
        "; ", *(problem(F.col(f"_wire.{field.name}"), F.col(field.name), field) for field in record.fields)
    )
    ahead = F.col("event_time") > F.col("ingest_time") + F.make_dt_interval(secs=F.lit(max_ahead_seconds))
    refusal = (
        F.when(F.col("value").isNull(), F.lit("expected a JSON object, found an empty message"))
        .when(F.col("_wire").isNull(), F.lit("expected a JSON object, found text that is none"))
        .when(F.col("_problems") != "", F.col("_problems"))
        .when(
            ahead,
            F.concat(
                F.lit(f"event_time: expected at most {max_ahead_seconds:g} s ahead of ingest_time, found "),
                F.date_format("event_time", "yyyy-MM-dd'T'HH:mm:ss.SSSX"),
            ),
        )
    )
    refused = rows.withColumn("_problems", problems).withColumn(REFUSAL, refusal).drop("_wire", "_problems")
    return refused.withColumn("value", F.when(F.col(REFUSAL).isNotNull(), F.col("value")))


def good_rows(parsed: DataFrame, columns: list[str]) -> DataFrame:
    """Keep the rows that are not refused, with their UTC `date`."""
    return parsed.where(F.col(REFUSAL).isNull()).select(*columns, *KAFKA_COLUMNS, F.to_date("event_time").alias("date"))


def refused_rows(parsed: DataFrame) -> DataFrame:
    """Turn the refused rows into rows of the `rejected` table, raw message included."""
    return parsed.where(F.col(REFUSAL).isNotNull()).select(
        F.lit("landing").alias("stage"),
        F.lit(None).cast("string").alias("venue"),
        F.col("kafka_topic").alias("stream"),
        F.col(REFUSAL).alias("reason"),
        F.col("value").alias("payload"),
        *KAFKA_COLUMNS,
        F.to_date("kafka_time").alias("date"),
    )


def rejected_at_ingest(good: DataFrame) -> DataFrame:
    """Turn good rows of the `ingest_rejected` topic into rows of the `rejected` table."""
    return good.select(
        F.lit("ingest").alias("stage"),
        "venue",
        "stream",
        "reason",
        "payload",
        *KAFKA_COLUMNS,
        F.to_date("kafka_time").alias("date"),
    )
