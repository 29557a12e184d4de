"""Binance's payloads, over REST and over WebSocket, as records or rejections. Pure and total."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.records import AggTrade, Kline, PriceTicker, Rejected
from contracts.settings import KLINE_INTERVALS
from contracts.streams import BINANCE_AGG_TRADES, BINANCE_TICKER, CRYPTO_KLINE_DATA, Stream
from ingest.fields import FieldError, decimal_field, integer_field, member, not_ahead, object_field, text_field
from ingest.reject import reject
from ingest.sources.binance import VENUE
from ingest.sources.binance.times import epoch_field
from ingest.wire_json import ABSENT, Members, show, wrong_shape

_MS = dt.timedelta(milliseconds=1)
_PLACES = (*("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q"),)
"""What the columns of a REST row are called in a pushed kline."""


@dataclass(frozen=True)
class Listing:
    """What a symbol is made of."""

    symbol: str
    base: str
    quote: str


@dataclass(frozen=True)
class Receipt:
    """When something was received, and how far its event time may be ahead of that."""

    ingest_time: dt.datetime
    max_ahead: dt.timedelta = dt.timedelta(seconds=60)


def parse_listings(document: object) -> dict[str, Listing]:
    """Turn exchangeInfo into listings by symbol; a symbol that does not say what it is made of is left out.

    Raises:
        TransientSourceError: kind `shape`; the answer has no array of symbols.
    """
    symbols = member(document, "symbols") if isinstance(document, Members) else document
    if not isinstance(symbols, list):
        wrong_shape("exchangeInfo", "an object with an array of symbols", document)
    found: dict[str, Listing] = {}
    for row in symbols:
        try:
            fields = object_field("symbol", row)
            names = ("symbol", "baseAsset", "quoteAsset")
            listing = Listing(*(text_field(name, member(fields, name)) for name in names))
        except FieldError:
            continue
        found[listing.symbol] = listing
    return found


def parse_prices(
    document: object, listings: Mapping[str, Listing], wanted: set[str], poll_time: dt.datetime, receipt: Receipt
) -> list[PriceTicker | Rejected]:
    """Turn ticker/price, an array or one object, into one price or rejection for each wanted symbol it names.

    Raises:
        TransientSourceError: kind `shape`; the answer is neither.
    """
    rows = [document] if isinstance(document, Members) else document
    if not isinstance(rows, list):
        wrong_shape("ticker/price", "an array or an object", document)
    seen: set[str] = set()
    parsed: list[PriceTicker | Rejected] = []
    for row in rows:
        try:
            fields = object_field("price", row)
            symbol = text_field("symbol", member(fields, "symbol"))
            if symbol not in wanted:
                continue
            not_ahead("Date", poll_time, receipt.ingest_time, receipt.max_ahead)
            if symbol in seen:
                raise FieldError(f"symbol: expected once per answer, found {show(symbol)} again")
            listing = _listing(symbol, listings)
            price = PriceTicker(
                venue=VENUE,
                event_time=poll_time,
                ingest_time=receipt.ingest_time,
                symbol=symbol,
                base=listing.base,
                quote=listing.quote,
                price=decimal_field(PriceTicker, "price", member(fields, "price")),
            )
            seen.add(symbol)
            parsed.append(price)
        except FieldError as error:
            parsed.append(_rejected(BINANCE_TICKER, error, row, poll_time, receipt))
    return parsed


def symbols_named(document: object) -> set[str]:
    """Return the symbols that an answer of ticker/price has a row of, whatever else is in the row."""
    rows = document if isinstance(document, list) else [document]
    named = (member(row, "symbol") for row in rows if isinstance(row, Members))
    return {symbol for symbol in named if isinstance(symbol, str)}


def parse_kline_row(row: object, listing: Listing, interval: str, receipt: Receipt) -> Kline | Rejected:
    """Turn a REST row of a closed kline into a record: its event time is its close time."""
    try:
        if not isinstance(row, list) or len(row) < len(_PLACES):
            raise FieldError(f"kline: expected an array of at least {len(_PLACES)} values, found {show(row)}")
        fields = Members([*zip(_PLACES, row, strict=False), ("i", interval)])
        return _kline(fields, listing, None, closed=True, receipt=receipt)
    except FieldError as error:
        return _rejected(CRYPTO_KLINE_DATA, error, row, receipt.ingest_time, receipt)


def parse_kline_push(data: object, listings: Mapping[str, Listing], receipt: Receipt) -> Kline | Rejected:
    """Turn a pushed kline into a record: its event time is the venue's time of the push."""
    try:
        frame = object_field("kline", data)
        fields = object_field("k", member(frame, "k"))
        closed = member(fields, "x")
        if not isinstance(closed, bool):
            raise FieldError(f"x: expected true or false, found {show(closed)}")
        listing = _listing(text_field("s", member(frame, "s")), listings)
        return _kline(fields, listing, epoch_field("E", member(frame, "E")), closed=closed, receipt=receipt)
    except FieldError as error:
        return _rejected(CRYPTO_KLINE_DATA, error, data, receipt.ingest_time, receipt)


def _kline(fields: Members, listing: Listing, pushed: dt.datetime | None, *, closed: bool, receipt: Receipt) -> Kline:
    interval = text_field("i", member(fields, "i"))
    if interval not in KLINE_INTERVALS:
        raise FieldError(f"i: expected one of {', '.join(KLINE_INTERVALS)}, found {show(interval)}")
    if member(fields, "s") not in [ABSENT, listing.symbol]:
        raise FieldError(f"k.s: expected {listing.symbol}, found {show(member(fields, 's'))}")
    last = epoch_field("T", member(fields, "T"))
    kline = Kline(
        venue=VENUE,
        event_time=last if pushed is None else pushed,
        ingest_time=receipt.ingest_time,
        symbol=listing.symbol,
        base=listing.base,
        quote=listing.quote,
        interval=interval,
        open_time=epoch_field("t", member(fields, "t")),
        close_time=last + _MS,
        open=decimal_field(Kline, "open", member(fields, "o")),
        high=decimal_field(Kline, "high", member(fields, "h")),
        low=decimal_field(Kline, "low", member(fields, "l")),
        close=decimal_field(Kline, "close", member(fields, "c")),
        volume=decimal_field(Kline, "volume", member(fields, "v")),
        closed=closed,
        quote_volume=decimal_field(Kline, "quote_volume", member(fields, "q")),
        trades=integer_field("n", member(fields, "n")),
        taker_volume=decimal_field(Kline, "taker_volume", member(fields, "V")),
        taker_quote_volume=decimal_field(Kline, "taker_quote_volume", member(fields, "Q")),
    )
    if kline.close_time <= kline.open_time:
        raise FieldError(f"T: expected a time after t ({show(fields['t'])}), found {show(fields['T'])}")
    if not kline.low <= min(kline.open, kline.close) <= max(kline.open, kline.close) <= kline.high:
        raise FieldError(
            f"kline: expected low <= open, close <= high, found "
            f"{', '.join(f'{name} {show(fields[name])}' for name in 'ohlc')}"
        )
    not_ahead("E" if pushed else "T", kline.event_time, receipt.ingest_time, receipt.max_ahead)
    return kline


def parse_agg_trade_push(data: object, listings: Mapping[str, Listing], receipt: Receipt) -> AggTrade | Rejected:
    """Turn a pushed aggregate trade into a record."""
    try:
        frame = object_field("aggTrade", data)
        return _agg_trade(frame, _listing(text_field("s", member(frame, "s")), listings), receipt)
    except FieldError as error:
        return _rejected(BINANCE_AGG_TRADES, error, data, receipt.ingest_time, receipt)


def parse_agg_trade_row(row: object, listing: Listing, receipt: Receipt) -> AggTrade | Rejected:
    """Turn one object of REST's aggTrades into a record."""
    try:
        return _agg_trade(object_field("aggTrade", row), listing, receipt)
    except FieldError as error:
        return _rejected(BINANCE_AGG_TRADES, error, row, receipt.ingest_time, receipt)


def _agg_trade(fields: Members, listing: Listing, receipt: Receipt) -> AggTrade:
    maker = member(fields, "m")
    if not isinstance(maker, bool):
        raise FieldError(f"m: expected true or false, found {show(maker)}")
    trade = AggTrade(
        venue=VENUE,
        event_time=epoch_field("T", member(fields, "T")),
        ingest_time=receipt.ingest_time,
        symbol=listing.symbol,
        base=listing.base,
        quote=listing.quote,
        agg_trade_id=integer_field("a", member(fields, "a")),
        price=decimal_field(AggTrade, "price", member(fields, "p")),
        quantity=decimal_field(AggTrade, "quantity", member(fields, "q")),
        first_trade_id=integer_field("f", member(fields, "f"), least=-1),
        last_trade_id=integer_field("l", member(fields, "l"), least=-1),
        buyer_is_maker=maker,
    )
    if trade.last_trade_id < trade.first_trade_id:
        raise FieldError(f"l: expected at least f ({trade.first_trade_id}), found {trade.last_trade_id}")
    not_ahead("T", trade.event_time, receipt.ingest_time, receipt.max_ahead)
    return trade


def _listing(symbol: str, listings: Mapping[str, Listing]) -> Listing:
    if symbol not in listings:
        raise FieldError(f"symbol: expected one that exchangeInfo lists, found {show(symbol)}")
    return listings[symbol]


def _rejected(stream: Stream, error: Exception, raw: object, moment: dt.datetime, receipt: Receipt) -> Rejected:
    return reject(VENUE, stream, str(error), raw, poll_time=moment, ingest_time=receipt.ingest_time)
