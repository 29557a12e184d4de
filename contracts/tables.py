"""The tables of the lake as data: name, layer, columns, identity.

Paths, query names and transaction ids derive from the table; nobody types them. Every table is a
Delta table partitioned by `date` (UTC) alone: partitioned by coin and date too, one run made twenty
times the objects.
"""

from enum import StrEnum

import msgspec
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    DateType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from contracts.records import AggTrade, Kline, Record, fields_of
from contracts.spark_schema import MONEY, PRICE, struct_type
from contracts.streams import (
    ALT_LIQUIDATIONS,
    BINANCE_AGG_TRADES,
    BINANCE_TICKER,
    BITCOIN,
    COIN_MARKET_CAP,
    CRYPTO_KLINE_DATA,
    ETHEREUM,
    INGEST_GAPS,
    WALLEX,
    Stream,
)


class Layer(StrEnum):
    """bronze: as received. silver: typed, deduplicated, joined. gold: what people read."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One Delta table.

    `identity` are the columns that no two rows share. `event_columns` are what the data says, as opposed to
    when and how we received it: two runs over the same topics agree on them. `published_by` are the folders of the
    published Parquet, empty where the table is not published.
    """

    name: str
    layer: Layer
    schema: StructType
    identity: tuple[str, ...]
    event_columns: tuple[str, ...]
    published_by: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The table's place below the lake's `tables/`."""
        return f"tables/{self.layer}/{self.name}"

    @property
    def published_path(self) -> str:
        """The published Parquet's place below the lake."""
        return f"published/{self.name}"


class Landing(msgspec.Struct, frozen=True, kw_only=True):
    """A stream and the bronze table it lands in."""

    stream: Stream
    table: Table


def _column(name: str, kind: object, *, nullable: bool = True) -> StructField:
    return StructField(name, kind, nullable)  # type: ignore[arg-type]


KAFKA_COLUMNS = (
    _column("kafka_topic", StringType(), nullable=False),
    _column("kafka_partition", IntegerType(), nullable=False),
    _column("kafka_offset", LongType(), nullable=False),
    _column("kafka_time", TimestampType(), nullable=False),
)
REPEAT = _column("repeat", BooleanType(), nullable=False)
"""True where an earlier offset already said the same event (a cached answer, a restart)."""

DATE = _column("date", DateType(), nullable=False)
"""The UTC date of the row's event time: the partition column of every table."""


RECEIPT_COLUMNS = frozenset({"ingest_time", "poll_time", "cmc_rank"})
"""Columns of the answer, not of the event: a later answer may repeat the event and differ in these."""


def _landing(stream: Stream) -> Landing:
    columns = [*struct_type(stream.record).fields, *KAFKA_COLUMNS, REPEAT, DATE]
    table = Table(
        name=stream.topic,
        layer=Layer.BRONZE,
        schema=StructType(columns),
        identity=("kafka_topic", "kafka_partition", "kafka_offset"),
        event_columns=tuple(field.name for field in fields_of(stream.record) if field.name not in RECEIPT_COLUMNS),
    )
    return Landing(stream=stream, table=table)


LAND_COIN_MARKET_CAP = _landing(COIN_MARKET_CAP)
LAND_WALLEX = _landing(WALLEX)
LAND_BINANCE_TICKER = _landing(BINANCE_TICKER)
LAND_CRYPTO_KLINE_DATA = _landing(CRYPTO_KLINE_DATA)
LAND_BINANCE_AGG_TRADES = _landing(BINANCE_AGG_TRADES)
LAND_ALT_LIQUIDATIONS = _landing(ALT_LIQUIDATIONS)
LAND_BITCOIN = _landing(BITCOIN)
LAND_ETHEREUM = _landing(ETHEREUM)
LAND_INGEST_GAPS = _landing(INGEST_GAPS)
LANDINGS: tuple[Landing, ...] = (
    LAND_COIN_MARKET_CAP,
    LAND_WALLEX,
    LAND_BINANCE_TICKER,
    LAND_CRYPTO_KLINE_DATA,
    LAND_BINANCE_AGG_TRADES,
    LAND_ALT_LIQUIDATIONS,
    LAND_BITCOIN,
    LAND_ETHEREUM,
    LAND_INGEST_GAPS,
)

BRONZE_COIN_MARKET_CAP = LAND_COIN_MARKET_CAP.table
BRONZE_WALLEX = LAND_WALLEX.table
BRONZE_BINANCE_TICKER = LAND_BINANCE_TICKER.table
BRONZE_CRYPTO_KLINE_DATA = LAND_CRYPTO_KLINE_DATA.table
BRONZE_BINANCE_AGG_TRADES = LAND_BINANCE_AGG_TRADES.table
BRONZE_ALT_LIQUIDATIONS = LAND_ALT_LIQUIDATIONS.table
BRONZE_BITCOIN = LAND_BITCOIN.table
BRONZE_ETHEREUM = LAND_ETHEREUM.table
BRONZE_INGEST_GAPS = LAND_INGEST_GAPS.table

FILE_COLUMNS = (
    _column("file_sha256", StringType(), nullable=False),
    _column("file_name", StringType(), nullable=False),
    _column("file_row", LongType(), nullable=False),
)
"""Where an imported row comes from: the file as it was given, and the row in it, the first being 0."""


def _imported(name: str, record: type[Record]) -> Table:
    return Table(
        name=name,
        layer=Layer.BRONZE,
        schema=StructType([*struct_type(record).fields, *FILE_COLUMNS, DATE]),
        identity=("file_sha256", "file_row"),
        event_columns=tuple(field.name for field in fields_of(record) if field.name not in RECEIPT_COLUMNS),
    )


IMPORTED_KLINES = _imported("imported_klines", Kline)
IMPORTED_AGG_TRADES = _imported("imported_agg_trades", AggTrade)
"""Rows of archive files and of REST pages that `coinlake backfill` took in."""

REJECTED = Table(
    name="rejected",
    layer=Layer.BRONZE,
    schema=StructType(
        [
            _column("stage", StringType(), nullable=False),
            _column("venue", StringType()),
            _column("stream", StringType()),
            _column("reason", StringType(), nullable=False),
            _column("payload", BinaryType()),
            *KAFKA_COLUMNS,
            DATE,
        ]
    ),
    identity=("kafka_topic", "kafka_partition", "kafka_offset"),
    event_columns=("stage", "venue", "stream", "reason", "payload", "kafka_topic", "kafka_partition", "kafka_offset"),
)
"""What is no record, raw and with its reason. `stage` says who refused it: `ingest` (a row of a venue's answer)
or `landing` (a Kafka message). `date` is the UTC date of the broker's time."""

MARKET_SNAPSHOTS = Table(
    name="market_snapshots",
    layer=Layer.SILVER,
    schema=StructType(
        [
            _column("coin", StringType(), nullable=False),
            _column("event_time", TimestampType(), nullable=False),
            _column("market", StringType(), nullable=False),
            _column("market_quote", StringType(), nullable=False),
            _column("ticker_time", TimestampType(), nullable=False),
            _column("cmc_id", LongType(), nullable=False),
            _column("price_usd", PRICE, nullable=False),
            _column("market_cap", MONEY),
            _column("price", PRICE, nullable=False),
            _column("usdt_tmn", PRICE),
            _column("base_tmn", PRICE),
            _column("price_tmn", PRICE),
            _column("premium", PRICE),
            _column("binance_time", TimestampType()),
            _column("binance_price", PRICE),
            _column("premium_binance", PRICE),
            _column("implied_usdt_tmn", PRICE),
            _column("quote_offset", LongType(), nullable=False),
            _column("ticker_offset", LongType(), nullable=False),
            DATE,
        ]
    ),
    identity=("coin", "event_time", "market"),
    event_columns=(
        *("coin", "event_time", "market", "market_quote", "ticker_time", "cmc_id", "price_usd", "market_cap"),
        *("price", "usdt_tmn", "base_tmn", "price_tmn", "premium"),
        *("binance_time", "binance_price", "premium_binance", "implied_usdt_tmn", "date"),
    ),
    published_by=("coin", "date"),
)

_KLINE_COLUMNS = (
    *("venue", "symbol", "base", "quote", "interval", "open_time", "close_time", "open", "high", "low", "close"),
    *("volume", "quote_volume", "trades", "taker_volume", "taker_quote_volume", "closed"),
)
KLINES = Table(
    name="klines",
    layer=Layer.SILVER,
    schema=StructType(
        [
            *(struct_type(Kline)[name] for name in _KLINE_COLUMNS),
            _column("event_time", TimestampType(), nullable=False),
            _column("imported", BooleanType(), nullable=False),
            DATE,
        ]
    ),
    identity=("venue", "symbol", "interval", "open_time"),
    event_columns=(*_KLINE_COLUMNS, "date"),
)
"""One row per kline, of all that was pushed or imported: closed first, then the newest event time. `date` is the UTC
date of its open time."""

_SCORES = ("negative", "neutral", "positive", "compound")
POSTS_SCORED = Table(
    name="posts_scored",
    layer=Layer.SILVER,
    schema=StructType(
        [
            _column("coin", StringType(), nullable=False),
            _column("venue", StringType(), nullable=False),
            _column("post_id", StringType(), nullable=False),
            _column("event_time", TimestampType(), nullable=False),
            _column("author_id", StringType()),
            _column("followers", LongType()),
            _column("text", StringType(), nullable=False),
            _column("clean_text", StringType(), nullable=False),
            _column("language", StringType(), nullable=False),
            *(_column(name, DoubleType()) for name in _SCORES),
            _column("model", StringType(), nullable=False),
            _column("spam", BooleanType(), nullable=False),
            _column("spam_signs", StringType(), nullable=False),
            _column("near_duplicate_of", StringType()),
            DATE,
        ]
    ),
    identity=("coin", "venue", "post_id"),
    event_columns=(
        *("coin", "venue", "post_id", "event_time", "text", "clean_text", "language", *_SCORES, "model"),
        *("spam", "spam_signs", "near_duplicate_of", "date"),
    ),
)
"""Every post with its scores, one row for each coin that it is about. `coin` is the coin's symbol, as in `candles`."""

GAPS = Table(
    name="gaps",
    layer=Layer.SILVER,
    schema=StructType(
        [
            _column("venue", StringType(), nullable=False),
            _column("stream", StringType(), nullable=False),
            _column("symbol", StringType(), nullable=False),
            _column("from_time", TimestampType(), nullable=False),
            _column("to_time", TimestampType()),
            _column("cause", StringType(), nullable=False),
            _column("recoverable", BooleanType(), nullable=False),
            _column("missed", LongType()),
            _column("repaired_at", TimestampType()),
            _column("ingest_time", TimestampType(), nullable=False),
            DATE,
        ]
    ),
    identity=("venue", "stream", "symbol", "from_time"),
    event_columns=("venue", "stream", "symbol", "from_time", "to_time", "cause", "recoverable", "missed", "date"),
)
"""Holes as they stand now, one row each. `date` is the UTC date of `from_time`."""

CANDLES = Table(
    name="candles",
    layer=Layer.GOLD,
    schema=StructType(
        [
            _column("venue", StringType(), nullable=False),
            _column("coin", StringType(), nullable=False),
            _column("quote", StringType(), nullable=False),
            _column("interval", StringType(), nullable=False),
            _column("open_time", TimestampType(), nullable=False),
            _column("close_time", TimestampType(), nullable=False),
            _column("open", PRICE, nullable=False),
            _column("high", PRICE, nullable=False),
            _column("low", PRICE, nullable=False),
            _column("close", PRICE, nullable=False),
            _column("average", PRICE),
            _column("volume", PRICE),
            _column("quote_volume", MONEY),
            _column("vwap", PRICE),
            _column("trades", LongType()),
            _column("samples", LongType(), nullable=False),
            _column("expected", LongType(), nullable=False),
            _column("complete", BooleanType(), nullable=False),
            DATE,
        ]
    ),
    identity=("venue", "coin", "quote", "interval", "open_time"),
    event_columns=(
        *("venue", "coin", "quote", "interval", "open_time", "close_time", "open", "high", "low", "close"),
        *("average", "volume", "quote_volume", "vwap", "trades", "samples", "expected", "complete", "date"),
    ),
    published_by=("coin", "date"),
)

MARKET_CAP = Table(
    name="market_cap",
    layer=Layer.GOLD,
    schema=StructType(
        [
            _column("open_time", TimestampType(), nullable=False),
            _column("close_time", TimestampType(), nullable=False),
            _column("interval", StringType(), nullable=False),
            _column("market_cap", MONEY),
            _column("coins", LongType(), nullable=False),
            _column("oldest_age_seconds", LongType(), nullable=False),
            _column("largest_coin", StringType(), nullable=False),
            _column("dominance", PRICE),
            DATE,
        ]
    ),
    identity=("interval", "open_time"),
    event_columns=(
        *("open_time", "close_time", "interval", "market_cap", "coins"),
        *("oldest_age_seconds", "largest_coin", "dominance", "date"),
    ),
    published_by=("date",),
)

HOURLY_SENTIMENT = Table(
    name="hourly_sentiment",
    layer=Layer.GOLD,
    schema=StructType(
        [
            _column("coin", StringType(), nullable=False),
            _column("open_time", TimestampType(), nullable=False),
            _column("close_time", TimestampType(), nullable=False),
            _column("posts", LongType(), nullable=False),
            _column("spam", LongType(), nullable=False),
            _column("near_duplicates", LongType(), nullable=False),
            _column("scored", LongType(), nullable=False),
            _column("mean_sentiment", PRICE),
            _column("weighted_sentiment", PRICE),
            _column("share_positive", PRICE),
            _column("share_negative", PRICE),
            _column("originals", LongType(), nullable=False),
            _column("original_sentiment", PRICE),
            _column("venue", StringType()),
            _column("quote", StringType()),
            _column("open", PRICE),
            _column("close", PRICE),
            _column("price_return", PRICE),
            _column("volume", PRICE),
            _column("complete", BooleanType()),
            DATE,
        ]
    ),
    identity=("coin", "open_time"),
    event_columns=(
        *("coin", "open_time", "close_time", "posts", "spam", "near_duplicates", "scored", "mean_sentiment"),
        *("weighted_sentiment", "share_positive", "share_negative", "originals", "original_sentiment"),
        *("venue", "quote", "open", "close", "price_return", "volume", "complete", "date"),
    ),
    published_by=("coin", "date"),
)
"""What people said of a coin in an hour, beside what its price did in it: a row for each hour with a post."""

TABLES: tuple[Table, ...] = (
    *(landing.table for landing in LANDINGS),
    REJECTED,
    IMPORTED_KLINES,
    IMPORTED_AGG_TRADES,
    MARKET_SNAPSHOTS,
    KLINES,
    POSTS_SCORED,
    GAPS,
    CANDLES,
    MARKET_CAP,
    HOURLY_SENTIMENT,
)
PUBLISHED: tuple[Table, ...] = tuple(table for table in TABLES if table.published_by)
