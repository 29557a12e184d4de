"""Stores for the dashboard's tests: answers by query, and what was asked of them."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from contracts.errors import StoreError
from serve.dashboard.ask import Row
from serve.query.client import EndpointError

NOON = dt.datetime(2026, 3, 19, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def answers() -> dict[str, list[Row]]:
    """Return what a lake with one coin and three liquidations answers to each query of the dashboard."""
    per_minute = [
        {"minute": NOON, "side": "long", "notional": Decimal("1500.5"), "liquidations": 2},
        {"minute": NOON + MINUTE, "side": "short", "notional": Decimal("20"), "liquidations": 1},
    ]
    liquidation = {
        **{"event_time": NOON + MINUTE, "symbol": "BTCUSDT", "side": "short", "notional": Decimal("20")},
        **{"average_price": Decimal("64310.60"), "filled_quantity": Decimal("0.002961000000000001")},
        "venue": "binance_futures",
    }
    candle = {
        **{"open_time": NOON, "close_time": NOON + 10 * MINUTE, "open": Decimal(3), "high": Decimal(5)},
        **{"low": Decimal(2), "close": Decimal(4), "volume": Decimal(7), "complete": True},
    }
    cap = {
        **{"open_time": NOON, "close_time": NOON + 10 * MINUTE, "market_cap": Decimal("2574031000000"), "coins": 100},
        **{"largest_coin": "BTC", "dominance": Decimal("0.5321")},
    }
    return {
        "liquidations_newest": [{"event_time": NOON + MINUTE, "kafka_time": NOON + MINUTE, "liquidations": 3}],
        "liquidations_per_minute": per_minute,
        "liquidation_totals": [
            {"symbol": "BTCUSDT", "side": "short", "notional": Decimal(20), "liquidations": 1, "largest": Decimal(20)},
            {"symbol": "ETHUSDT", "side": "long", "notional": Decimal("1500.5"), "liquidations": 2},
        ],
        "liquidations_largest": [liquidation],
        "liquidations_recent": [liquidation],
        "lake_newest": [{"name": "candles", "newest_time": NOON, "published_at": NOON, "version": 4}],
        "last_batches": [{"layer": "gold", "name": "candles", "committed_at": NOON, "rows": 12, "version": 4}],
        "coins": [{"coin": "BTC"}, {"coin": "ETH"}],
        "candle_series": [{"venue": "binance", "quote": "USDT", "interval": "10m"}],
        "candles": [candle, {**candle, "open_time": NOON + 10 * MINUTE, "complete": False}],
        "market_cap": [cap, {**cap, "close_time": NOON + 20 * MINUTE}],
        "base_tmn_premium": [{"coin": "BTC", "base_tmn": Decimal("6385773000"), "premium": Decimal("-0.0021")}],
        "hourly_sentiment": [
            {
                **{"open_time": NOON, "posts": 7, "original_sentiment": Decimal("0.25"), "close": Decimal(4)},
                **{"price_return": Decimal("0.01")},
            },
            {
                **{"open_time": NOON + 60 * MINUTE, "posts": 2, "original_sentiment": Decimal("-0.5"), "close": None},
                **{"price_return": None},
            },
        ],
        "posts_newest": [
            {
                "event_time": NOON,
                "compound": 0.5,
                "text": "to the moon",
                "language": "en",
                "followers": 3,
                "spam_signs": "",
            }
        ],
        "gaps": [{"venue": "wallex", "from_time": NOON, "to_time": None, "cause": "HTTP 500", "state": "open"}],
        "gaps_unfilled": [{"unfilled": 1, "open": 1}],
        "rejected": [],
        "late_rows": [],
        "reconcile_score": [],
        "topics": [{"topic": "wallex", "partition": 0, "first_offset": 0, "next_offset": 5}],
        "lag": [{"topic": "wallex", "partition": 0, "consumer": "bronze", "lag": 5}],
        "messages": [{"partition": 0, "offset": 4, "key": "BTCTMN", "value": "{}"}],
    }


class Stores:
    """Answers from a table; a query in `down` fails, one in `absent` has no table yet, and every question is noted."""

    def __init__(self) -> None:
        self.answers = answers()
        self.down: set[str] = set()
        self.absent: set[str] = set()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, key: str, **parameters: object) -> Sequence[Row]:
        self.asked.append((key, parameters))
        if key in self.down:
            raise StoreError(f"{key}: the store is down")
        if key in self.absent:
            raise EndpointError(f"{key}: not there yet", status=404, kind="nothing_there")
        return self.answers[key]

    def times(self, key: str) -> int:
        return sum(name == key for name, _ in self.asked)
