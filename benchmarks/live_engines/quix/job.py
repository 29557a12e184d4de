"""The moving average in Quix Streams."""

import datetime as dt
import os
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]
from quixstreams.dataframe.windows.aggregations import Count, Last, Max, Sum  # type: ignore[import-not-found]

WINDOW_MS, SLIDE_MS, LATENESS_MS = 3000, 500, 5000
COMMIT_SECONDS = 1.0
LINGER_MS = 1


def milliseconds(text: str) -> int:
    """Turn a wire time into ms since 1970."""
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def wire_time(moment_ms: int) -> str:
    """Turn ms since 1970 into a wire time."""
    text = dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def event_time(value: dict[str, Any], _headers: object, _timestamp: int, _kind: object) -> int:
    """Say when a trade happened."""
    return milliseconds(value["event_time"])


def to_numbers(trade: dict[str, Any]) -> dict[str, Any]:
    """Keep of a trade what is added up."""
    price, quantity = float(trade["price"]), float(trade["quantity"])
    return {
        "price": price,
        "quantity": quantity,
        "notional": price * quantity,
        "event_ms": milliseconds(trade["event_time"]),
    }


def to_record(window: dict[str, Any], symbol: str, _timestamp: int, _headers: object) -> dict[str, Any]:
    """Write a window as it travels."""
    return {
        "symbol": symbol,
        "window_start": wire_time(window["start"]),
        "window_end": wire_time(window["end"]),
        "mean": str(window["price"] / window["count"]),
        "vwap": str(window["notional"] / window["quantity"]),
        "last": str(window["last"]),
        "count": window["count"],
        "event_time": wire_time(window["event_ms"]),
    }


def main() -> None:
    """Run until stopped."""
    application = Application(
        broker_address=os.environ["COINLAKE_KAFKA_BOOTSTRAP_SERVERS"],
        consumer_group="quix",
        auto_offset_reset="earliest",
        commit_interval=COMMIT_SECONDS,
        state_dir=os.environ["QUIX_STATE"],
        producer_extra_config={"linger.ms": LINGER_MS},
        loglevel="WARNING",
    )
    trades = application.topic(
        "binance_agg_trades", key_deserializer="str", value_deserializer="json", timestamp_extractor=event_time
    )
    told = application.topic("crypto_data_aggregated", key_serializer="str", value_serializer="json")
    stream = (
        application.dataframe(trades)
        .apply(to_numbers)
        .hopping_window(WINDOW_MS, SLIDE_MS, grace_ms=LATENESS_MS)
        .agg(
            price=Sum("price"),
            quantity=Sum("quantity"),
            notional=Sum("notional"),
            last=Last("price"),
            count=Count(),
            event_ms=Max("event_ms"),
        )
        .current()
        .apply(to_record, metadata=True)
    )
    stream.to_topic(told)
    application.run()


if __name__ == "__main__":
    main()
