"""Literal records and messages of the tests of the export."""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

import pandas as pd

from contracts.records import AggTrade, CoinQuote, Kline, MarketTicker, Post, PriceTicker, Record, encode
from contracts.streams import stream_of
from serve.export.feed import Lane, Message
from serve.export.settings import Rules

RULES = Rules(interval=60_000, lateness_quotes=900_000, lateness_others=120_000, max_ahead=60_000)
NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)


def after(seconds: float) -> dt.datetime:
    """So many seconds after noon."""
    return NOON + dt.timedelta(seconds=seconds)


def trade(number: int, price: str, seconds: float, *, symbol: str = "BTCUSDT") -> AggTrade:
    at = after(seconds)
    return AggTrade(
        **{"venue": "binance", "event_time": at, "ingest_time": at, "symbol": symbol, "base": symbol[:3]},
        **{"quote": "USDT", "agg_trade_id": number, "price": Decimal(price), "quantity": Decimal(1)},
        **{"first_trade_id": number, "last_trade_id": number, "buyer_is_maker": False},
    )


def quote(cmc_id: int, price: str, seconds: float, *, coin: str = "BTC") -> CoinQuote:
    at = after(seconds)
    return CoinQuote(
        **{"venue": "coin_market_cap", "event_time": at, "ingest_time": at, "poll_time": at, "cmc_id": cmc_id},
        **{"coin": coin, "symbol": coin, "name": coin, "quote": "USD", "price": Decimal(price)},
    )


def ticker(price: str | None, seconds: float, *, symbol: str = "BTCTMN") -> MarketTicker:
    at = after(seconds)
    return MarketTicker(
        **{"venue": "wallex", "event_time": at, "ingest_time": at, "symbol": symbol, "base": symbol[:3]},
        **{"quote": "TMN", "price": None if price is None else Decimal(price)},
    )


def polled(price: str, seconds: float) -> PriceTicker:
    at = after(seconds)
    return PriceTicker(
        **{"venue": "binance", "event_time": at, "ingest_time": at, "symbol": "BTCUSDT", "base": "BTC"},
        **{"quote": "USDT", "price": Decimal(price)},
    )


def kline(close: str, seconds: float, *, interval: str = "1m", closed: bool = False) -> Kline:
    at, start = after(seconds), after(seconds // 60 * 60)
    return Kline(
        **{"venue": "binance", "event_time": at, "ingest_time": at, "symbol": "BTCUSDT", "base": "BTC"},
        **{"quote": "USDT", "interval": interval, "open_time": start, "close_time": start + dt.timedelta(minutes=1)},
        **{"open": Decimal(1), "high": Decimal(9), "low": Decimal(1), "close": Decimal(close), "volume": Decimal(1)},
        **{"closed": closed},
    )


def post(post_id: str, text: str, seconds: float = 0, *, coin: str = "bitcoin", likes: int | None = None) -> Post:
    at = after(seconds)
    return Post(
        **{"venue": "x", "event_time": at, "ingest_time": at, "coin": coin, "post_id": post_id, "text": text},
        **{"likes": likes, "found_by": "a query", "raw": "{}"},
    )


def in_lanes(records: Iterable[Record], partitions: int = 1) -> list[Message]:
    """Make messages in this order, each symbol in a partition of its own choice."""
    return placed([(stream_of(record).topic, _symbol(record), encode(record)) for record in records], partitions)


def placed(values: Iterable[tuple[str, str, bytes]], partitions: int = 1) -> list[Message]:
    """Make messages of (topic, symbol, value), in this order."""
    ends: dict[Lane, int] = {}
    messages = []
    for topic, symbol, value in values:
        lane = Lane(topic, str(sum(symbol.encode()) % partitions))
        messages.append(Message(lane, ends.get(lane, 0), value))
        ends[lane] = ends.get(lane, 0) + 1
    return messages


def values_of(messages: Sequence[Message]) -> list[tuple[str, bytes]]:
    """Return messages as (topic, value)."""
    return [(message.lane.topic, message.value) for message in messages]


def neutral(texts: pd.Series, languages: pd.Series) -> pd.DataFrame:
    """Score every text alike, without a model; what is cleaned is white space at both ends."""
    numbers = dict.fromkeys(("negative", "neutral", "positive", "compound"), 0.5)
    return pd.DataFrame({"clean_text": texts.map(str.strip), "language": languages}).assign(**numbers)


def _symbol(record: Record) -> str:
    """All quotes share a partition, since their topic has but one."""
    return "" if isinstance(record, CoinQuote) else str(getattr(record, stream_of(record).symbol))
