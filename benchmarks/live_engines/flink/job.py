"""The moving average in Flink's SQL.

Each event is spread over its windows by HOP, and a window is told anew with each event by an OVER aggregate in order of
arrival: plain appends, six for an event, as ours. A grouped window with early firing would write upserts with a
tombstone for each, and refuses LAST_VALUE (2.3.0: the function has no `merge`). Tuned for latency: no wait in network
buffers, one slot, state on the heap, a checkpoint every 10 s, the producer's linger as in every engine here.
"""

import os
from pathlib import Path
from urllib.parse import urlparse

from pyflink.common import Configuration  # type: ignore[import-not-found]
from pyflink.table import EnvironmentSettings, TableEnvironment  # type: ignore[import-not-found]

CHECKPOINT_SECONDS = 10
LINGER_MS = 1

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

QUERY = """
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
        "parallelism.default": "1",
        "execution.buffer-timeout.interval": "0 ms",
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
        "properties.linger.ms": str(LINGER_MS),
    }
    tables.execute_sql(SOURCE.format(options=options(KAFKA, source, JSON)))
    tables.execute_sql(SINK.format(options=options(KAFKA, sink)))
    tables.execute_sql(QUERY).wait()


if __name__ == "__main__":
    main()
