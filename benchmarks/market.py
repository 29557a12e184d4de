"""A market of any length, written to Kafka as the generator would have written it, at a rate no poll could reach.

Coins, listings and prices are those of the generated market (`simulator.market`); one poll of both venues a minute
gives 112 quotes and 137 tickers. The messages are the wire JSON of real records, with other times and prices.
"""

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from confluent_kafka import KafkaError, Message, Producer

from contracts.errors import UndeliveredError
from contracts.records import wire_time
from contracts.settings import KafkaSettings
from contracts.streams import COIN_MARKET_CAP, WALLEX, Stream
from ingest.murmur2 import partition_of
from simulator.coins import COINS
from simulator.market import Market
from simulator.wallex_listings import LISTINGS

START = dt.datetime(2024, 3, 19, tzinfo=dt.UTC)
SEED = 20260311
USDT_TMN = 58_000
MINUTES_AT_ONCE = 240
POLL_SECOND = 7
"""When within its minute Wallex is polled."""
QUOTE_AGE_MINUTES = 1
"""How far a quote's `last_updated` lies behind the poll that brings it."""

_QUOTE = (
    '{{"venue":"coin_market_cap","event_time":"{event}","ingest_time":"{ingest}","poll_time":"{poll}","cmc_id":{id},'
    '"coin":"{coin}","symbol":"{symbol}","name":"{name}","quote":"USD","price":"{price:.12f}","cmc_rank":{rank},'
    '"market_cap":"{cap:.8f}","volume_24h":"{volume:.8f}","circulating_supply":"{supply}",'
    '"percent_change_24h":"{change:.8f}"}}'
)
_TICKER = (
    '{{"venue":"wallex","event_time":"{event}","ingest_time":"{ingest}","symbol":"{base}{quote}","base":"{base}",'
    '"quote":"{quote}","price":"{price:.{tick}f}","usdt_tmn":"{rate}","bid_price":"{bid:.{tick}f}",'
    '"ask_price":"{ask:.{tick}f}","volume_24h":"{volume:.8f}","quote_volume_24h":"{turnover:.8f}"}}'
)
MARKETS = tuple((listing.base, quote) for listing in LISTINGS for quote in ("TMN", *listing.quotes))
NAMES = tuple(
    coin.symbol if coin.symbol not in {better.symbol for better in COINS[:rank]} else f"{coin.symbol}-{coin.cmc_id}"
    for rank, coin in enumerate(COINS)
)
"""What each coin is called in `coin`: its symbol, if no better-ranked coin bears it."""
ROWS_PER_MINUTE = len(COINS) + len(MARKETS)


class Wire(NamedTuple):
    """One message: where it goes, its key, the text that chooses its partition, and its value."""

    stream: Stream
    key: str
    symbol: str
    value: str


def minutes_for(rows: int) -> int:
    """Return how many minutes of market have at least so many rows."""
    return -(-rows // ROWS_PER_MINUTE)


def messages(minutes: int, begin: dt.datetime = START) -> Iterator[Wire]:
    """Write the polls of so many minutes, in the order in which they would have come."""
    market = Market(SEED)
    rows = np.arange(len(COINS))[:, np.newaxis]
    place = {name: row for row, name in enumerate(NAMES)}
    start = int(begin.timestamp())
    for first in range(0, minutes, MINUTES_AT_ONCE):
        seconds = start + 60 * np.arange(first, min(first + MINUTES_AT_ONCE, minutes), dtype=np.int64)
        for second, prices in zip(seconds.tolist(), market.usd(rows, seconds).T.tolist(), strict=True):
            yield from _quotes(second, prices)
            yield from _tickers(second, prices, place)


def _quotes(second: int, prices: list[float]) -> Iterator[Wire]:
    event, poll = _wire(second - 60 * QUOTE_AGE_MINUTES), _wire(second + POLL_SECOND)
    ingest = _wire(second + POLL_SECOND + 1)
    for rank, (coin, name, price) in enumerate(zip(COINS, NAMES, prices, strict=True), start=1):
        cap = price * coin.supply
        value = _QUOTE.format(
            event=event, ingest=ingest, poll=poll, id=coin.cmc_id, coin=name, symbol=coin.symbol, name=coin.name,
            price=price, rank=rank, cap=cap, volume=cap / 20, supply=coin.supply, change=price % 7,
        )  # fmt: skip
        yield Wire(COIN_MARKET_CAP, f"{coin.cmc_id}:{event}", str(coin.cmc_id), value)


def _tickers(second: int, prices: list[float], place: dict[str, int]) -> Iterator[Wire]:
    event, ingest = _wire(second + POLL_SECOND), _wire(second + POLL_SECOND + 1)
    bitcoin = prices[place["BTC"]]
    for base, quote in MARKETS:
        usd = prices[place[base]]
        price, tick = {"TMN": (usd * USDT_TMN, 2), "USDT": (usd, 8), "BTC": (usd / bitcoin, 12)}[quote]
        value = _TICKER.format(
            event=event, ingest=ingest, base=base, quote=quote, price=price, tick=tick, rate=USDT_TMN,
            bid=price * 0.999, ask=price * 1.001, volume=1e6 / usd, turnover=1e6 * price / usd,
        )  # fmt: skip
        yield Wire(WALLEX, base + quote, base + quote, value)


def _wire(second: int) -> str:
    return wire_time(dt.datetime.fromtimestamp(second, dt.UTC))


def fill(kafka: KafkaSettings, minutes: int, begin: dt.datetime = START) -> int:
    """Write so many minutes of market to their topics and return how many rows were acknowledged.

    Raises:
        UndeliveredError: Kafka did not acknowledge all of them.
    """
    failed: list[str] = []

    def report(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error.name())

    producer = Producer(
        {
            "bootstrap.servers": kafka.kafka_bootstrap_servers,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 50,
            "log_level": 3,  # at its start it tells that a broker is not quite ready yet, and asks again
            "queue.buffering.max.messages": 500_000,
        }
    )
    known = producer.list_topics(timeout=10).topics
    partitions = {stream.topic: len(known[stream.topic].partitions) for stream in (COIN_MARKET_CAP, WALLEX)}
    sent = 0
    for message in messages(minutes, begin):
        number = partition_of(message.symbol.encode(), partitions[message.stream.topic])
        while True:
            try:
                producer.produce(message.stream.topic, message.value, message.key, number, on_delivery=report)
                break
            except BufferError:
                producer.poll(0.1)
        sent += 1
        if sent % 2000 == 0:
            producer.poll(0)
    left = producer.flush(120)
    if left or failed:
        raise UndeliveredError(
            f"Kafka did not acknowledge {left + len(failed)} of {sent} rows", count=left + len(failed)
        )
    return sent
