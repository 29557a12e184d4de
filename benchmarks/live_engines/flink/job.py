"""The moving average in Flink's SQL."""

import os
from pathlib import Path
from urllib.parse import urlparse

from pyflink.common import Configuration  # type: ignore[import-not-found]
from pyflink.table import EnvironmentSettings, TableEnvironment  # type: ignore[import-not-found]

CHECKPOINT_SECONDS = 10

KAFKA = {
    "connector": "kafka",
    "properties.bootstrap.servers": os.environ["COINLAKE_KAFKA_BOOTSTRAP_SERVERS"],
}
JSON = {"format": "json", "json.timestamp-format.standard": "ISO-8601"}

SOURCE = """
CREATE TABLE trades (
    symbol STRING, base STRING, quote STRING, price DOUBLE, quantity DOUBLE,
    event_time TIMESTAMP_LTZ(3), ingest_time TIMESTAMP_LTZ(3),
    broker_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    arrived AS PROCTIME(),
    WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ({options})
"""

SINK = """
CREATE TABLE told (
    venue STRING, symbol STRING, base STRING, quote STRING,
    window_start TIMESTAMP_LTZ(3), window_end TIMESTAMP_LTZ(3),
    mean STRING, vwap STRING, `last` STRING, `count` BIGINT,
    event_time TIMESTAMP_LTZ(3), ingest_time TIMESTAMP_LTZ(3), broker_time TIMESTAMP_LTZ(3)
) WITH ({options})
"""

QUERY_OVER = """
INSERT INTO told
SELECT
    'binance', symbol, base, quote,
    CAST(window_start AS TIMESTAMP_LTZ(3)), CAST(window_end AS TIMESTAMP_LTZ(3)),
    CAST(AVG(price) OVER so_far AS STRING),
    CAST(SUM(price * quantity) OVER so_far / SUM(quantity) OVER so_far AS STRING),
    CAST(price AS STRING),
    COUNT(*) OVER so_far,
    event_time, ingest_time, broker_time
FROM TABLE(HOP(TABLE trades, DESCRIPTOR(event_time), INTERVAL '0.5' SECOND, INTERVAL '3' SECOND))
WINDOW so_far AS (
    PARTITION BY symbol, window_end ORDER BY arrived ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)
"""

QUERY_GROUP = """
INSERT INTO told
SELECT venue, symbol, base, quote, window_start, window_end, mean, vwap, `last`, `count`,
    event_time, ingest_time, broker_time
FROM TO_CHANGELOG(input => TABLE grouped, op_mapping => MAP['INSERT, UPDATE_AFTER', 'U'])
"""
VIEW_GROUP = """
CREATE VIEW grouped AS
SELECT
    'binance' AS venue, symbol, LAST_VALUE(base) AS base, LAST_VALUE(quote) AS quote,
    CAST(window_start AS TIMESTAMP_LTZ(3)) AS window_start, CAST(window_end AS TIMESTAMP_LTZ(3)) AS window_end,
    CAST(AVG(price) AS STRING) AS mean,
    CAST(SUM(price * quantity) / SUM(quantity) AS STRING) AS vwap,
    CAST(LAST_VALUE(price) AS STRING) AS `last`,
    COUNT(*) AS `count`,
    MAX(event_time) AS event_time, LAST_VALUE(ingest_time) AS ingest_time, LAST_VALUE(broker_time) AS broker_time
FROM TABLE(HOP(TABLE trades, DESCRIPTOR(event_time), INTERVAL '0.5' SECOND, INTERVAL '3' SECOND))
GROUP BY symbol, window_end, window_start
"""
SINK_UPSERT = SINK.replace(
    "broker_time TIMESTAMP_LTZ(3)\n)",
    "broker_time TIMESTAMP_LTZ(3),\n PRIMARY KEY (symbol, window_end) NOT ENFORCED\n)",
)
VIEW_HOP = """
INSERT INTO told
SELECT
    'binance' AS venue, symbol, LAST_VALUE(base) AS base, LAST_VALUE(quote) AS quote,
    CAST(HOP_START(event_time, INTERVAL '0.5' SECOND, INTERVAL '3' SECOND) AS TIMESTAMP_LTZ(3)),
    CAST(HOP_END(event_time, INTERVAL '0.5' SECOND, INTERVAL '3' SECOND) AS TIMESTAMP_LTZ(3)),
    CAST(AVG(price) AS STRING) AS mean,
    CAST(SUM(price * quantity) / SUM(quantity) AS STRING) AS vwap,
    CAST(LAST_VALUE(price) AS STRING) AS `last`,
    COUNT(*) AS `count`,
    MAX(event_time) AS event_time, LAST_VALUE(ingest_time) AS ingest_time, LAST_VALUE(broker_time) AS broker_time
FROM trades
GROUP BY symbol, HOP(event_time, INTERVAL '0.5' SECOND, INTERVAL '3' SECOND)
"""


def options(*groups: dict[str, str]) -> str:
    """Write the options of a table."""
    return ", ".join(f"'{name}' = '{value}'" for group in groups for name, value in group.items())


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest checkpoint that is whole."""
    whole = folder.glob("*/chk-*/_metadata")
    return max((file.parent for file in whole), key=lambda found: found.stat().st_mtime, default=None)


def main() -> None:
    """Run until killed."""
    state = os.environ["FLINK_STATE"]
    settings = {
        "pipeline.jars": os.environ["FLINK_CONNECTOR"],
        "parallelism.default": os.environ.get("F_PAR", "1"),
        "execution.buffer-timeout.interval": os.environ.get("F_BUF", "0 ms"),
        "execution.checkpointing.interval": f"{CHECKPOINT_SECONDS} s",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": state,
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "state.backend.type": "hashmap",
        "table.exec.state.ttl": "10 min",
        "table.local-time-zone": "UTC",
    }
    if (newest := newest_checkpoint(Path(urlparse(state).path))) is not None:
        settings["execution.state-recovery.path"] = newest.as_uri()
    variant = os.environ.get("F_VARIANT", "over")
    if variant == "hop":
        settings["table.exec.emit.early-fire.enabled"] = "true"
        settings["table.exec.emit.early-fire.delay"] = "0 ms"
        settings["table.exec.emit.allow-lateness"] = "5 s"
    configuration = Configuration()
    for name, value in settings.items():
        configuration.set_string(name, value)
    tables = TableEnvironment.create(
        EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration).build()
    )
    source = {"topic": "binance_agg_trades", "scan.startup.mode": "earliest-offset", "properties.group.id": "flink"}
    sink = {
        "topic": "crypto_data_aggregated",
        "key.fields": "symbol",
        "key.format": "raw",
        "value.format": "json",
        "value.json.timestamp-format.standard": "ISO-8601",
        "sink.delivery-guarantee": "at-least-once",
        "properties.linger.ms": os.environ.get("F_LINGER", "0"),
    }
    tables.execute_sql(SOURCE.format(options=options(KAFKA, source, JSON)))
    if variant in ("hop", "upsert"):
        del sink["key.fields"]
        sink["key.format"] = "json"
        sink["key.json.timestamp-format.standard"] = "ISO-8601"
        tables.execute_sql(SINK_UPSERT.format(options=options(KAFKA | {"connector": "upsert-kafka"}, sink)))
        if variant == "hop":
            q = VIEW_HOP
        else:
            tables.execute_sql(VIEW_GROUP)
            q = "INSERT INTO told SELECT * FROM grouped"
    else:
        tables.execute_sql(SINK.format(options=options(KAFKA, sink)))
        q = QUERY_OVER
        if variant == "group":
            tables.execute_sql(VIEW_GROUP)
            q = QUERY_GROUP
    if os.environ.get("F_EXPLAIN"):
        print(tables.explain_sql(q))
    tables.execute_sql(q).wait()


if __name__ == "__main__":
    main()
