"""Payloads of Binance's USD-M futures, as they are pushed on the market route, as liquidations. Pure and total."""

import datetime as dt
import re
from decimal import Decimal

from contracts.records import Liquidation, Rejected, Side
from contracts.streams import ALT_LIQUIDATIONS
from ingest.fields import FieldError, amount_field, member, not_ahead, object_field, text_field
from ingest.notional import notional_of
from ingest.reject import reject
from ingest.sources.binance.parse import Receipt
from ingest.sources.binance.times import epoch_field
from ingest.wire_json import Members, show

VENUE = "binance_futures"
QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD1", "BTC")
"""What USD-M futures are quoted in, and were."""
_CLOSED: dict[str, Side] = {"SELL": "long", "BUY": "short"}
"""The venue sells to close a long, and buys to close a short."""
_DELIVERY = re.compile(r"_[0-9]{6}$")


def parse_liquidation_push(data: object, receipt: Receipt) -> Liquidation | Rejected:
    """Turn a pushed `forceOrder` into a record; members we do not know (`ps`, `st` of 2026) are of no concern.

    `notional` is average price x filled quantity, rounded half up at 8 places; the exact prices stand beside it.
    """
    try:
        order = object_field("o", member(object_field("forceOrder", data), "o"))
        return _liquidation(order, receipt)
    except FieldError as error:
        return _rejected(error, data, receipt)


def parse_mark_price_push(data: object, receipt: Receipt) -> dt.datetime | Rejected:
    """Return the venue's time of a pushed mark price: all that is asked of it is that it comes."""
    try:
        pushed = epoch_field("E", member(object_field("markPriceUpdate", data), "E"))
        not_ahead("E", pushed, receipt.ingest_time, receipt.max_ahead)
    except FieldError as error:
        return _rejected(error, data, receipt)
    return pushed


def assets_of(symbol: str) -> tuple[str | None, str | None]:
    """Split a symbol, also of a dated contract, into base and quote; None where it does not say.

    >>> assets_of("1000PEPEUSDC"), assets_of("BTCUSDT_260327"), assets_of("DEFI")
    (('1000PEPE', 'USDC'), ('BTC', 'USDT'), (None, None))
    """
    pair = _DELIVERY.sub("", symbol)
    for quote in QUOTES:
        if pair.endswith(quote) and pair != quote:
            return pair.removesuffix(quote), quote
    return None, None


def _liquidation(order: Members, receipt: Receipt) -> Liquidation:
    sold = member(order, "S")
    side = _CLOSED.get(sold) if isinstance(sold, str) else None
    if side is None:
        raise FieldError(f"S: expected SELL or BUY, found {show(sold)}")
    symbol = text_field("s", member(order, "s"))
    quantity = amount_field(Liquidation, "quantity", member(order, "q"), zero=False)
    filled = amount_field(Liquidation, "filled_quantity", member(order, "z"))
    bankruptcy = amount_field(Liquidation, "bankruptcy_price", member(order, "p"), zero=False)
    average = amount_field(Liquidation, "average_price", member(order, "ap")) if "ap" in order else Decimal(0)
    if filled > quantity:
        raise FieldError(f"z: expected at most q ({show(order['q'])}), found {show(order['z'])}")
    base, quote = assets_of(symbol)
    event_time = epoch_field("T", member(order, "T"))
    not_ahead("T", event_time, receipt.ingest_time, receipt.max_ahead)
    return Liquidation(
        venue=VENUE,
        event_time=event_time,
        ingest_time=receipt.ingest_time,
        symbol=symbol,
        base=base,
        quote=quote,
        side=side,
        quantity=quantity,
        filled_quantity=filled,
        bankruptcy_price=bankruptcy,
        average_price=average or None,
        notional=notional_of(average or bankruptcy, filled),
        sampled=True,
    )


def _rejected(error: Exception, raw: object, receipt: Receipt) -> Rejected:
    now = receipt.ingest_time
    return reject(VENUE, ALT_LIQUIDATIONS, str(error), raw, poll_time=now, ingest_time=now)
