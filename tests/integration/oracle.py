"""What the tables must hold, computed by pandas and decimal from what an independent consumer read.

Written from the rules of the README and docs/tables.md. Nothing of the jobs is imported: two programs that agree to
the last digit were written apart.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, NamedTuple

import pandas as pd
from confluent_kafka import Consumer, KafkaError, TopicPartition

EXACT = Context(prec=120, rounding=ROUND_HALF_UP)
QUOTES, TICKERS, GAPS, REFUSED = "coin_market_cap", "wallex", "ingest_gaps", "ingest_rejected"
POLLS, KLINES, TRADES, LIQUIDATIONS = "binance_ticker", "crypto_kline_data", "binance_agg_trades", "alt_liquidations"
POSTS = ("bitcoin", "ethereum")
COMPACTED = frozenset({QUOTES, GAPS, POLLS, KLINES})

_PLACES: dict[str, dict[str, int]] = {
    QUOTES: {"price": 18, "market_cap": 8, "volume_24h": 8, "circulating_supply": 8, "percent_change_24h": 18},
    TICKERS: {
        "price": 18,
        "usdt_tmn": 18,
        "bid_price": 18,
        "ask_price": 18,
        "volume_24h": 18,
        "quote_volume_24h": 8,
    },
    GAPS: {},
    POLLS: {"price": 18},
    KLINES: {
        **dict.fromkeys(("open", "high", "low", "close", "volume", "taker_volume"), 18),
        **dict.fromkeys(("quote_volume", "taker_quote_volume"), 8),
    },
    TRADES: {"price": 18, "quantity": 18},
    LIQUIDATIONS: {
        **dict.fromkeys(("quantity", "filled_quantity", "bankruptcy_price", "average_price"), 18),
        "notional": 8,
    },
    **{topic: {} for topic in POSTS},
}
_TIMES = frozenset(
    {"event_time", "ingest_time", "poll_time", "from_time", "to_time", "repaired_at", "open_time", "close_time"}
)

QUOTE_LATENESS = dt.timedelta(minutes=15)
TICKER_LATENESS = dt.timedelta(minutes=2)
TOLERANCE = dt.timedelta(seconds=30)
INTERVAL = dt.timedelta(minutes=10)
INTERVALS = {"10m": INTERVAL, "1h": dt.timedelta(hours=1), "1d": dt.timedelta(days=1)}
MINUTE = dt.timedelta(minutes=1)
MAX_AGE = dt.timedelta(minutes=60)

Row = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One Kafka message as the broker handed it out."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes


class Snapshot(NamedTuple):
    """One joined row."""

    coin: str
    event_time: dt.datetime
    market: str
    market_quote: str
    ticker_time: dt.datetime
    cmc_id: int
    price_usd: Decimal
    market_cap: Decimal | None
    price: Decimal
    usdt_tmn: Decimal | None
    base_tmn: Decimal | None
    price_tmn: Decimal | None
    premium: Decimal | None
    binance_time: dt.datetime | None
    binance_price: Decimal | None
    premium_binance: Decimal | None
    implied_usdt_tmn: Decimal | None
    date: dt.date


class Candle(NamedTuple):
    """One candle; what price samples do not tell (volume, trades) is null of them."""

    venue: str
    coin: str
    quote: str
    interval: str
    open_time: dt.datetime
    close_time: dt.datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    average: Decimal
    volume: Decimal | None
    quote_volume: Decimal | None
    vwap: Decimal | None
    trades: int | None
    samples: int
    expected: int
    complete: bool
    date: dt.date


class Total(NamedTuple):
    """The market cap of one interval."""

    open_time: dt.datetime
    close_time: dt.datetime
    interval: str
    market_cap: Decimal
    coins: int
    oldest_age_seconds: int
    largest_coin: str
    dominance: Decimal
    date: dt.date


class Sample(NamedTuple):
    """One price of a series; among samples of one time the lower `tie` comes first."""

    venue: str
    coin: str
    quote: str
    event_time: dt.datetime
    tie: int
    price: Decimal


class Minute(NamedTuple):
    """What an exchange says of one minute of a series; null where it says nothing."""

    venue: str
    coin: str
    quote: str
    open_time: dt.datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal | None
    trades: int | None


# --- what was read ---------------------------------------------------------------------------------------------------


def consume(bootstrap_servers: str, *topics: str) -> list[Message]:
    """Read topics from their beginning to the end that they have now."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "independent-oracle",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        known = consumer.list_topics(timeout=20).topics
        parts = [TopicPartition(topic, number, 0) for topic in topics for number in known[topic].partitions]
        consumer.assign(parts)
        ended: set[tuple[str | None, int | None]] = set()
        read: list[Message] = []
        while len(ended) < len(parts):
            for message in consumer.consume(5000, 0.5):
                error = message.error()
                if error is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended.add((message.topic(), message.partition()))
                    continue
                topic, number, offset = message.topic(), message.partition(), message.offset()
                assert topic is not None and number is not None and offset is not None
                key = message.key()
                read.append(
                    Message(topic, number, offset, key if isinstance(key, bytes) else None, message.value() or b"")
                )
        return read
    finally:
        consumer.close()


def to_account_for(messages: Iterable[Message]) -> list[Message]:
    """Choose the messages that no cleaning may take away: all of them, of a compacted topic the newest of each key."""
    newest: dict[object, Message] = {}
    for message in messages:
        place = (message.topic, message.partition)
        name = (*place, message.key) if message.topic in COMPACTED else (*place, message.offset)
        known = newest.get(name)
        newest[name] = message if known is None or known.offset < message.offset else known
    return list(newest.values())


def typed(message: Message) -> Row:
    """Turn a message into the columns that bronze must have of it."""
    places = _PLACES[message.topic]
    return {name: _typed(name, value, places.get(name)) for name, value in json.loads(message.value).items()}


def _typed(name: str, value: Any, places: int | None) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return dt.datetime.fromisoformat(value)
    return rounded(Decimal(value), places) if places is not None else value


def events(messages: Iterable[Message], topic: str, identity: Collection[str]) -> list[Row]:
    """Return the records of a topic, each event once: the first received, with its `offset`."""
    first: dict[tuple[object, ...], Row] = {}
    for message in sorted((one for one in messages if one.topic == topic), key=lambda one: (one.partition, one.offset)):
        row = typed(message) | {"offset": message.offset}
        first.setdefault(tuple(row[name] for name in identity), row)
    return list(first.values())


def quotes_of(messages: Iterable[Message]) -> list[Row]:
    """Return the quotes, each (coin, last_updated) once."""
    return events(messages, QUOTES, ("cmc_id", "event_time"))


def tickers_of(messages: Iterable[Message]) -> list[Row]:
    """Return the tickers, each (market, poll) once."""
    return events(messages, TICKERS, ("symbol", "event_time"))


def polls_of(messages: Iterable[Message]) -> list[Row]:
    """Return Binance's prices, each (symbol, poll) once."""
    return events(messages, POLLS, ("symbol", "event_time"))


def klines_of(messages: Iterable[Message]) -> list[Row]:
    """Return every kline once: closed first, then the newest event time, then the lowest offset."""
    states = events(messages, KLINES, ("symbol", "interval", "open_time", "event_time", "closed"))
    first: dict[tuple[object, ...], Row] = {}
    for row in sorted(states, key=lambda row: (not row["closed"], -row["event_time"].timestamp(), row["offset"])):
        first.setdefault((row["symbol"], row["interval"], row["open_time"]), row)
    return list(first.values())


def trades_of(messages: Iterable[Message]) -> list[Row]:
    """Return the aggregate trades, each once."""
    return events(messages, TRADES, ("symbol", "agg_trade_id"))


# --- the join --------------------------------------------------------------------------------------------------------


def closed_before(quotes: Iterable[Row], tickers: Iterable[Row]) -> dt.datetime:
    """Return the event time before which a stream that has read all this has given out every row."""
    watermark: dt.datetime = min(
        max(row["event_time"] for row in quotes) - QUOTE_LATENESS,
        max(row["event_time"] for row in tickers if row["price"] is not None) - TICKER_LATENESS,
    )
    return watermark - TOLERANCE


def joined(
    quotes: Iterable[Row], tickers: Iterable[Row], before: dt.datetime, polls: Iterable[Row] = ()
) -> list[Snapshot]:
    """Join by `pandas.merge_asof`, market by market, the quotes before a time, then coin by coin Binance's prices."""
    abroad: dict[str, dict[dt.datetime, Row]] = defaultdict(dict)
    for row in polls:
        if row["quote"] == "USDT":
            abroad[row["base"]][row["event_time"]] = row
    by_coin: dict[str, dict[dt.datetime, Row]] = defaultdict(dict)
    for row in sorted(quotes, key=lambda row: row["offset"]):
        if row["event_time"] < before:
            by_coin[row["coin"]].setdefault(row["event_time"], row)
    by_market: dict[str, list[Row]] = defaultdict(list)
    for row in tickers:
        if row["price"] is not None:
            by_market[row["symbol"]].append(row)
    found = []
    for market, given in sorted(by_market.items()):
        left, right = by_coin.get(given[0]["base"], {}), {row["event_time"]: row for row in given}
        if left:
            there = abroad[given[0]["base"]]
            seen = dict(_nearest(left, there)) if there else {}
            found += [
                _snapshot(left[at], right[near], market, there.get(seen[at]) if at in seen else None)
                for at, near in _nearest(left, right)
            ]
    return found


def _nearest(
    left: Collection[dt.datetime], right: Collection[dt.datetime]
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    merged = pd.merge_asof(
        pd.DataFrame({"at": pd.to_datetime(sorted(left), utc=True)}),
        pd.DataFrame({"at": pd.to_datetime(sorted(right), utc=True)}).assign(near=lambda frame: frame["at"]),
        on="at",
        direction="nearest",
        tolerance=pd.Timedelta(TOLERANCE),
    ).dropna()
    for at, near in zip(merged["at"], merged["near"], strict=True):
        yield at.to_pydatetime(), near.to_pydatetime()


def _snapshot(quote: Row, ticker: Row, market: str, abroad: Row | None) -> Snapshot:
    rate, price = ticker["usdt_tmn"], ticker["price"]
    base_tmn = None if rate is None else product(quote["price"], rate)
    toman = {"TMN": price, "USDT": None if rate is None else product(price, rate)}.get(ticker["quote"])
    price_abroad = abroad["price"] if abroad else None
    toman_abroad = None if rate is None or price_abroad is None else product(price_abroad, rate)
    return Snapshot(
        coin=quote["coin"],
        event_time=quote["event_time"],
        market=market,
        market_quote=ticker["quote"],
        ticker_time=ticker["event_time"],
        cmc_id=quote["cmc_id"],
        price_usd=quote["price"],
        market_cap=quote["market_cap"],
        price=price,
        usdt_tmn=rate,
        base_tmn=base_tmn,
        price_tmn=toman,
        premium=_over(toman, base_tmn),
        binance_time=abroad["event_time"] if abroad else None,
        binance_price=price_abroad,
        premium_binance=_over(toman, toman_abroad),
        implied_usdt_tmn=None if toman is None or not price_abroad else quotient(toman, price_abroad),
        date=quote["event_time"].date(),
    )


def _over(price: Decimal | None, base: Decimal | None) -> Decimal | None:
    return None if price is None or not base else EXACT.subtract(quotient(price, base), Decimal(1))


# --- candles and market cap ------------------------------------------------------------------------------------------


def quote_samples(quotes: Iterable[Row]) -> Iterator[Sample]:
    """CoinMarketCap's own prices."""
    for row in quotes:
        yield Sample(row["venue"], row["coin"], row["quote"], row["event_time"], row["offset"], row["price"])


def ticker_samples(tickers: Iterable[Row]) -> Iterator[Sample]:
    """Each Wallex market's own prices."""
    for row in tickers:
        if row["price"] is not None:
            yield Sample(row["venue"], row["base"], row["quote"], row["event_time"], row["offset"], row["price"])


def base_samples(snapshots: Iterable[Snapshot]) -> Iterator[Sample]:
    """The toman base prices: one sample per (coin, quote time), from the nearest poll."""
    nearest: dict[tuple[str, dt.datetime], Snapshot] = {}
    for row in sorted(snapshots, key=lambda row: (abs(row.event_time - row.ticker_time), row.ticker_time, row.market)):
        if row.base_tmn is not None:
            nearest.setdefault((row.coin, row.event_time), row)
    for row in nearest.values():
        assert row.base_tmn is not None
        yield Sample("base_tmn", row.coin, "TMN", row.event_time, 0, row.base_tmn)


def candles(samples: Iterable[Sample]) -> list[Candle]:
    """Cut every series into candles of every interval."""
    found = []
    kept = list(samples)
    for interval, length in INTERVALS.items():
        buckets: dict[tuple[str, str, str, dt.datetime], list[Sample]] = defaultdict(list)
        for sample in kept:
            buckets[sample.venue, sample.coin, sample.quote, opening(sample.event_time, length)].append(sample)
        for (venue, coin, quote, open_time), inside in buckets.items():
            prices = [sample.price for sample in sorted(inside, key=lambda sample: (sample.event_time, sample.tie))]
            said: Row = {"venue": venue, "coin": coin, "quote": quote, "interval": interval}
            said |= {"open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]}
            said |= dict.fromkeys(("volume", "quote_volume", "vwap", "trades"))
            found.append(Candle(**said, **_counted_samples(prices, open_time, length)))
    return found


def _counted_samples(prices: list[Decimal], open_time: dt.datetime, length: dt.timedelta) -> Row:
    return {
        "open_time": open_time,
        "close_time": open_time + length,
        "average": quotient(total(prices), Decimal(len(prices))),
        "samples": len(prices),
        "expected": length // MINUTE,
        "complete": len(prices) >= length // MINUTE,
        "date": open_time.date(),
    }


def kline_minutes(klines: Iterable[Row]) -> Iterator[Minute]:
    """The exchange's own closed minutes."""
    for row in klines:
        if row["interval"] == "1m" and row["closed"]:
            said: Row = row | {"venue": "binance", "coin": row["base"]}
            yield Minute(**{name: said[name] for name in Minute._fields})


def trade_minutes(trades: Iterable[Row]) -> Iterator[Minute]:
    """The minutes in which there was a trade."""
    minutes: dict[tuple[str, str, dt.datetime], list[Row]] = defaultdict(list)
    for row in trades:
        minutes[row["base"], row["quote"], opening(row["event_time"], MINUTE)].append(row)
    for (coin, quote, open_time), inside in minutes.items():
        inside.sort(key=lambda row: row["agg_trade_id"])
        prices = [row["price"] for row in inside]
        yield Minute(
            venue="binance_trades",
            coin=coin,
            quote=quote,
            open_time=open_time,
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=total(row["quantity"] for row in inside),
            quote_volume=total(product(row["price"], row["quantity"]) for row in inside),
            trades=sum(row["last_trade_id"] - row["first_trade_id"] + 1 for row in inside),
        )


def exchange_candles(minutes: Iterable[Minute]) -> list[Candle]:
    """Cut an exchange's minutes into candles of every interval."""
    found = []
    kept = sorted(minutes, key=lambda minute: minute.open_time)
    for interval, length in INTERVALS.items():
        buckets: dict[tuple[str, str, str, dt.datetime], list[Minute]] = defaultdict(list)
        for minute in kept:
            buckets[minute.venue, minute.coin, minute.quote, opening(minute.open_time, length)].append(minute)
        for (venue, coin, quote, open_time), inside in buckets.items():
            volume = total(minute.volume for minute in inside)
            notionals = [minute.quote_volume for minute in inside if minute.quote_volume is not None]
            counts = [minute.trades for minute in inside if minute.trades is not None]
            notional = total(notionals) if len(notionals) == len(inside) else None
            found.append(
                Candle(
                    venue=venue,
                    coin=coin,
                    quote=quote,
                    interval=interval,
                    volume=volume,
                    open=inside[0].open,
                    high=max(minute.high for minute in inside),
                    low=min(minute.low for minute in inside),
                    close=inside[-1].close,
                    quote_volume=None if notional is None else rounded(notional, 8),
                    vwap=None if notional is None or not volume else quotient(notional, volume),
                    trades=sum(counts) if len(counts) == len(inside) else None,
                    **_counted_samples([minute.close for minute in inside], open_time, length),
                )
            )
    return found


def market_caps(quotes: Iterable[Row]) -> list[Total]:
    """Sum, for every interval in which a quote happened, each coin's newest market cap of the last 60 minutes."""
    counted = [row for row in quotes if row["market_cap"] is not None]
    found = []
    for open_time in sorted({opening(row["event_time"]) for row in counted}):
        close_time = open_time + INTERVAL
        newest: dict[int, Row] = {}
        for row in sorted(counted, key=lambda row: row["event_time"]):
            if close_time - MAX_AGE <= row["event_time"] < close_time:
                newest[row["cmc_id"]] = row
        sum_ = total(row["market_cap"] for row in newest.values())
        largest = max(newest.values(), key=lambda row: (row["market_cap"], -row["cmc_id"]))
        oldest = min(row["event_time"] for row in newest.values())
        found.append(
            Total(
                open_time=open_time,
                close_time=close_time,
                interval="10m",
                market_cap=sum_,
                coins=len(newest),
                oldest_age_seconds=int((close_time - oldest).total_seconds()),
                largest_coin=largest["coin"],
                dominance=quotient(largest["market_cap"], sum_),
                date=open_time.date(),
            )
        )
    return found


def opening(moment: dt.datetime, length: dt.timedelta = INTERVAL) -> dt.datetime:
    """Return when the interval of a moment opens, counted from midnight."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // length * length


# --- decimals --------------------------------------------------------------------------------------------------------


def rounded(value: Decimal, places: int) -> Decimal:
    """Round half up."""
    return value.quantize(Decimal(1).scaleb(-places), context=EXACT)


def product(left: Decimal, right: Decimal) -> Decimal:
    """Multiply, rounded half up at 18 places."""
    return rounded(EXACT.multiply(left, right), 18)


def quotient(left: Decimal, right: Decimal) -> Decimal:
    """Divide, rounded half up at 18 places."""
    return rounded(EXACT.divide(left, right), 18)


def total(values: Iterable[Decimal]) -> Decimal:
    """Add up, exactly."""
    result = Decimal(0)
    for value in values:
        result = EXACT.add(result, value)
    return result


# --- comparing -------------------------------------------------------------------------------------------------------


def differences(expected: Iterable[tuple[Any, ...]], found: Iterable[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Compare two bags of rows; both lists are empty where they are equal, else they show a few rows each."""
    left, right = _counted(expected), _counted(found)
    return {
        "missing": [row for row in left if left[row] > right.get(row, 0)][:5],
        "unexpected": [row for row in right if right[row] > left.get(row, 0)][:5],
    }


EQUAL: Mapping[str, list[Any]] = {"missing": [], "unexpected": []}


def _counted(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    counts: dict[tuple[Any, ...], int] = defaultdict(int)
    for row in rows:
        counts[tuple(row)] += 1
    return counts
