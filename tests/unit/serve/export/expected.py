"""What an export's files must hold, computed message by message in plain Python: json, Decimal and Fraction alone.

Written from docs/hdf5.md. Nothing of the export is imported.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

MINUTE = dt.timedelta(minutes=1)
LATENESS = {"coin_market_cap": dt.timedelta(minutes=15)}
OTHERS_LATENESS = dt.timedelta(minutes=2)
AHEAD = dt.timedelta(minutes=1)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

SYMBOL = {"coin_market_cap": "coin"}
PRICE = {"crypto_kline_data": "close"}
POSTS = ("bitcoin", "ethereum")

Series = tuple[str, str, str, str]
Bar = tuple[Any, ...]
"""Venue, topic, symbol, kline, start, then mean, sum, first, last, min, max as floats, and the count."""


@dataclass
class Expected:
    """Sorted rows of the tables, over all days; a row of `late` says its series, time and price."""

    bars: list[Bar] = field(default_factory=list)
    open_bars: list[Bar] = field(default_factory=list)
    late: list[tuple[Any, ...]] = field(default_factory=list)
    posts: list[tuple[Any, ...]] = field(default_factory=list)
    rejected: list[tuple[str, bytes]] = field(default_factory=list)
    without_price: Counter[str] = field(default_factory=Counter)


def expected(messages: Iterable[tuple[str, bytes]], interval: dt.timedelta = MINUTE) -> Expected:
    """Take messages as (topic, value), those of each symbol in their order."""
    found = Expected()
    newest: dict[Series, dt.datetime] = {}
    held: dict[tuple[Series, dt.datetime], dict[Any, tuple[Any, ...]]] = {}
    posts: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    for topic, value in messages:
        try:
            row = json.loads(value)
            at, received = (dt.datetime.fromisoformat(row[name]) for name in ("event_time", "ingest_time"))
        except (ValueError, KeyError, TypeError):
            found.rejected.append((topic, value))
            continue
        if at - received > AHEAD:
            found.rejected.append((topic, value))
        elif topic in POSTS:
            posts.setdefault((row["venue"], row["coin"], row["post_id"]), (at, row["text"], row.get("likes")))
        elif row[PRICE.get(topic, "price")] is None:
            found.without_price[topic] += 1
        else:
            series = (row["venue"], topic, row[SYMBOL.get(topic, "symbol")], row.get("interval") or "")
            price, start = Decimal(row[PRICE.get(topic, "price")]), at - (at - EPOCH) % interval
            end = start + interval + LATENESS.get(topic, OTHERS_LATENESS)
            if series in newest and end <= newest[series]:
                found.late.append((*series, at, price))
            else:
                identity, tie = _identity(topic, row), _tie(topic, row)
                held.setdefault((series, start), {}).setdefault(identity, (at, tie, price))
            newest[series] = max(newest.get(series, at), at)
    for (series, start), rows in held.items():
        end = start + interval + LATENESS.get(series[1], OTHERS_LATENESS)
        (found.bars if end <= newest[series] else found.open_bars).append((*series, start, *_values(rows.values())))
    found.posts = [(*identity, *told) for identity, told in posts.items()]
    for rows_of_table in (found.bars, found.open_bars, found.late, found.posts, found.rejected):
        rows_of_table.sort(key=repr)
    return found


def _values(rows: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    prices = [price for _, _, price in sorted(rows)]
    exact = sum(map(Fraction, prices), Fraction(0))
    return (
        *(float(exact / len(prices)), float(exact), float(prices[0]), float(prices[-1])),
        *(float(min(prices)), float(max(prices)), len(prices)),
    )


def _identity(topic: str, row: dict[str, Any]) -> tuple[Any, ...]:
    fields = {
        "coin_market_cap": ("cmc_id", "event_time"),
        "binance_agg_trades": ("symbol", "agg_trade_id"),
        "crypto_kline_data": ("symbol", "interval", "open_time", "event_time", "closed"),
    }
    return tuple(row[name] for name in fields.get(topic, ("symbol", "event_time")))


def _tie(topic: str, row: dict[str, Any]) -> Any:
    if topic == "crypto_kline_data":
        return row["open_time"], row["closed"]
    return row.get("agg_trade_id", row.get("cmc_id", 0))
