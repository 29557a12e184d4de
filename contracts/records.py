"""The records that travel through Kafka: the one source of the wire schema.

Every record is JSON. Decimals are JSON strings, so no reader can turn a price into a float;
times are UTC, RFC 3339 with milliseconds; bytes are base64.
"""

import base64
import datetime as dt
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec

from contracts.decimals import Money, Price
from contracts.errors import RecordError

Side = Literal["long", "short"]
"""Which position: one that gains as the price rises, or as it falls."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What every record says: where it happened, when it happened, and when we received it."""

    venue: str
    event_time: dt.datetime
    ingest_time: dt.datetime


class CoinQuote(Record, frozen=True, kw_only=True):
    """One coin of one CoinMarketCap response, priced in `quote` (USD).

    `event_time` is the coin's own `last_updated`; `poll_time` is the venue's clock when it
    answered (the response's `Date` header), so `poll_time - event_time` is the age of the quote.
    `coin` is the symbol for the best-ranked coin of the response that bears it, else `SYMBOL-cmc_id`.
    """

    poll_time: dt.datetime
    cmc_id: int
    coin: str
    symbol: str
    name: str
    quote: str
    price: Price
    cmc_rank: int | None = None
    market_cap: Money | None = None
    volume_24h: Money | None = None
    circulating_supply: Money | None = None
    percent_change_24h: Price | None = None


class MarketTicker(Record, frozen=True, kw_only=True):
    """One Wallex market of one poll; `event_time` is the response's `Date` header.

    `price` is the market's last price in `quote`, null where the venue says "-". `usdt_tmn` is the
    last price of USDTTMN in the same response: toman for one USDT.
    """

    symbol: str
    base: str
    quote: str
    price: Price | None = None
    usdt_tmn: Price | None = None
    bid_price: Price | None = None
    ask_price: Price | None = None
    volume_24h: Price | None = None
    quote_volume_24h: Money | None = None


class PriceTicker(Record, frozen=True, kw_only=True):
    """One Binance symbol of one poll of the latest prices; `event_time` is the response's `Date` header."""

    symbol: str
    base: str
    quote: str
    price: Price


class Kline(Record, frozen=True, kw_only=True):
    """One state of one exchange candle (Binance calls it a kline) of `interval` from `open_time`.

    A pushed kline has the venue's push time as event time and is not `closed` until its last push; one read over REST
    or from an archive is closed and has its close time as event time. `close_time` is exclusive. Quantities are in
    `base`, quote volumes in `quote`; `taker_volume` is the part of `volume` that was bought by takers. What a file of
    few columns does not say is null.
    """

    symbol: str
    base: str
    quote: str
    interval: str
    open_time: dt.datetime
    close_time: dt.datetime
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Price
    closed: bool
    quote_volume: Money | None = None
    trades: int | None = None
    taker_volume: Price | None = None
    taker_quote_volume: Money | None = None


class AggTrade(Record, frozen=True, kw_only=True):
    """Trades of one taker order at one price, as Binance aggregates them; `event_time` is the trade's time.

    Ids of one symbol run without a hole: a jump of `agg_trade_id` is a loss. The number of trades in it is
    last_trade_id - first_trade_id + 1. Its notional is price x quantity.
    """

    symbol: str
    base: str
    quote: str
    agg_trade_id: int
    price: Price
    quantity: Price
    first_trade_id: int
    last_trade_id: int
    buyer_is_maker: bool


class MovingAverage(Record, frozen=True, kw_only=True):
    """What is known so far of one window of one symbol: from `window_start` up to but not including `window_end`.

    `mean` is the mean of the `count` prices in it, `vwap` weighs them by quantity (null where the source tells none),
    `last` is the newest one. A window is told anew with each event in it, so of the records of one (symbol,
    `window_end`) the one of the greatest `count` is the newest and holds all of the others. `event_time`, `ingest_time`
    and `broker_time` are those of the newest event in it: when it happened, when we received it, when Kafka had it.
    """

    broker_time: dt.datetime
    symbol: str
    base: str
    quote: str
    window_start: dt.datetime
    window_end: dt.datetime
    mean: Price
    vwap: Price | None = None
    last: Price
    count: int


class Liquidation(Record, frozen=True, kw_only=True):
    """One order by which a venue closed a position by force; `event_time` is when the venue traded it.

    `side` is the position that was closed: `long` (the venue sold) or `short` (it bought). `quantity` is that of the
    order and `filled_quantity` the part of it that was traded, in `base` (null, like `quote`, where the symbol does not
    say). `bankruptcy_price` is the order's limit, at which the position's margin is gone; `average_price` is that of
    its trades, null where the venue does not tell it. `notional` is in `quote`: average price x filled quantity, else
    bankruptcy price x filled quantity. `sampled` is true where the venue tells only some of them (Binance at most one
    per symbol and second), so that sums are a lower bound.
    """

    symbol: str
    base: str | None = None
    quote: str | None = None
    side: Side
    quantity: Price
    filled_quantity: Price
    bankruptcy_price: Price
    average_price: Price | None = None
    notional: Money
    sampled: bool


class Post(Record, frozen=True, kw_only=True):
    """What somebody wrote about a coin; `event_time` is when it was posted.

    A post that names two coins is one record of each. `likes`, `reposts`, `replies` and `quotes` are as they stood when
    the post was read, and `followers` is the number its author had then; what is not told is null. `found_by` is the
    query, or the name of the file, that gave it. `raw` is the post as it came, as JSON: for X an object of `data`, the
    item of the answer, and `includes`, what the answer said of its author.
    """

    coin: str
    post_id: str
    text: str
    lang: str | None = None
    author_id: str | None = None
    likes: int | None = None
    reposts: int | None = None
    replies: int | None = None
    quotes: int | None = None
    followers: int | None = None
    found_by: str
    raw: str


class Gap(Record, frozen=True, kw_only=True):
    """A hole in a stream, on the venue's clock: nothing was received in (`from_time`, `to_time`).

    `event_time` equals `from_time`. `to_time` is null while the hole is still open; the record that
    closes it has the same key and replaces it. `symbol` is "*" where the whole stream is missing.
    `missed` is the number of polls, klines or trade ids that were due and did not come, null where it is unknown.
    """

    symbol: str
    stream: str
    from_time: dt.datetime
    cause: str
    recoverable: bool
    to_time: dt.datetime | None = None
    missed: int | None = None
    repaired_at: dt.datetime | None = None


class Rejected(Record, frozen=True, kw_only=True):
    """A row of a venue's answer, or a whole answer, that is no record: kept raw, with the reason."""

    stream: str
    reason: str
    payload: bytes


R = TypeVar("R", bound=Record)


def wire_time(moment: dt.datetime) -> str:
    """Write a UTC moment as RFC 3339 with milliseconds (finer digits are cut off).

    >>> wire_time(dt.datetime(2024, 3, 19, 22, 5, tzinfo=dt.UTC))
    '2024-03-19T22:05:00.000Z'
    """
    if moment.tzinfo is None:
        raise RecordError(f"expected a time with a time zone, found {moment.isoformat()}")
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wire_text(value: object) -> str:
    """Write one value the way keys and JSON strings carry it."""
    return wire_time(value) if isinstance(value, dt.datetime) else str(value)


def _wire_value(value: object) -> object:
    if isinstance(value, dt.datetime):
        return wire_time(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


def encode(record: Record) -> bytes:
    """Encode a record as wire JSON."""
    fields = {name: _wire_value(getattr(record, name)) for name in record.__struct_fields__}
    return msgspec.json.encode(fields)


def decode(payload: bytes, record_type: type[R]) -> R:
    """Decode wire JSON into a record.

    Raises:
        RecordError: the payload is not JSON, or not a record of this type.
    """
    try:
        return msgspec.json.decode(payload, type=record_type)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordError(f"expected a {record_type.__name__}, found: {error}") from error


def fields_of(record_type: type[Record]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """List a record's fields, in wire order."""
    return msgspec.structs.fields(record_type)


def replace(record: R, **changes: Any) -> R:
    """Copy a record with some fields changed."""
    return msgspec.structs.replace(record, **changes)
