"""Which record travels on which topic, under which key. Adding a stream adds a line, not an `if`."""

import msgspec

from contracts.errors import RecordError
from contracts.records import (
    AggTrade,
    CoinQuote,
    Gap,
    Kline,
    Liquidation,
    MarketTicker,
    MovingAverage,
    Post,
    PriceTicker,
    Record,
    Rejected,
    wire_text,
)


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One topic and what it carries.

    `key` are the fields of the Kafka key, joined by ":". `identity` are the fields that make two
    records the same event. `symbol` is the field that chooses the partition, so that all rows of
    one symbol share one even when the key is longer. `only` is a field and the value it has in all records of this
    stream, where another stream carries the same type of record. `work` says that each record is for one worker of
    several, where the transport tells work from what everybody hears.
    """

    topic: str
    record: type[Record]
    key: tuple[str, ...]
    identity: tuple[str, ...]
    symbol: str
    only: tuple[str, str] | None = None
    work: bool = False

    def carries(self, record: Record) -> bool:
        """Say whether a record is one of this stream."""
        return type(record) is self.record and (self.only is None or getattr(record, self.only[0]) == self.only[1])


COIN_MARKET_CAP = Stream(
    topic="coin_market_cap",
    record=CoinQuote,
    key=("cmc_id", "event_time"),
    identity=("cmc_id", "event_time"),
    symbol="cmc_id",
)
WALLEX = Stream(
    topic="wallex",
    record=MarketTicker,
    key=("symbol",),
    identity=("symbol", "event_time"),
    symbol="symbol",
)
BINANCE_TICKER = Stream(
    topic="binance_ticker",
    record=PriceTicker,
    key=("symbol", "event_time"),
    identity=("symbol", "event_time"),
    symbol="symbol",
)
CRYPTO_KLINE_DATA = Stream(
    topic="crypto_kline_data",
    record=Kline,
    key=("symbol", "interval", "open_time"),
    identity=("symbol", "interval", "open_time", "event_time", "closed"),
    symbol="symbol",
)
BINANCE_AGG_TRADES = Stream(
    topic="binance_agg_trades",
    record=AggTrade,
    key=("symbol",),
    identity=("symbol", "agg_trade_id"),
    symbol="symbol",
)
CRYPTO_DATA_AGGREGATED = Stream(
    topic="crypto_data_aggregated",
    record=MovingAverage,
    key=("symbol",),
    identity=("symbol", "window_end"),
    symbol="symbol",
)
ALT_LIQUIDATIONS = Stream(
    topic="alt_liquidations",
    record=Liquidation,
    key=("symbol",),
    identity=("event_time", "venue", "symbol", "side"),
    symbol="symbol",
)
ALT_LIQUIDATIONS_DEAD_LETTERS = "alt_liquidations_dead_letters"
"""The topic of what the sink of liquidations could not read: raw messages, no records."""


def _posts(coin: str) -> Stream:
    return Stream(
        topic=coin,
        record=Post,
        key=("post_id",),
        identity=("venue", "post_id"),
        symbol="post_id",
        only=("coin", coin),
        work=True,
    )


SYMBOLS_OF_POSTS = {"bitcoin": "BTC", "ethereum": "ETH"}
"""The coin of a post, which is also its topic, and the symbol that the coin has everywhere else."""
BITCOIN = _posts("bitcoin")
ETHEREUM = _posts("ethereum")
POSTS: tuple[Stream, ...] = (BITCOIN, ETHEREUM)
"""The streams of posts, one a coin; the topic is named as the coin."""
INGEST_GAPS = Stream(
    topic="ingest_gaps",
    record=Gap,
    key=("venue", "symbol", "stream", "from_time"),
    identity=("venue", "symbol", "stream", "from_time", "to_time", "repaired_at"),
    symbol="symbol",
)
INGEST_REJECTED = Stream(
    topic="ingest_rejected",
    record=Rejected,
    key=("venue", "stream"),
    identity=("venue", "stream", "ingest_time", "reason", "payload"),
    symbol="venue",
)

STREAMS: tuple[Stream, ...] = (
    COIN_MARKET_CAP,
    WALLEX,
    BINANCE_TICKER,
    CRYPTO_KLINE_DATA,
    BINANCE_AGG_TRADES,
    CRYPTO_DATA_AGGREGATED,
    ALT_LIQUIDATIONS,
    *POSTS,
    INGEST_GAPS,
    INGEST_REJECTED,
)


def stream_of(record: Record) -> Stream:
    """Return the stream that carries a record.

    Raises:
        RecordError: there is none, as for a post about a coin that has no topic.
    """
    for stream in STREAMS:
        if stream.carries(record):
            return stream
    coins = ", ".join(stream.topic for stream in POSTS)
    raise RecordError(
        f"expected a record of a stream, found {type(record).__name__} of {getattr(record, 'coin', 'no coin')}"
        f" (posts are of {coins})"
    )


def key_of(stream: Stream, record: Record) -> bytes:
    """Build the Kafka key of a record.

    >>> import datetime as dt
    >>> noon = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)
    >>> key_of(WALLEX, MarketTicker(venue="wallex", event_time=noon, ingest_time=noon,
    ...                             symbol="BTCTMN", base="BTC", quote="TMN"))
    b'BTCTMN'
    """
    return ":".join(wire_text(getattr(record, name)) for name in stream.key).encode()


def symbol_of(stream: Stream, record: Record) -> bytes:
    """Build the text whose murmur2 hash chooses the partition of a record."""
    return wire_text(getattr(record, stream.symbol)).encode()
