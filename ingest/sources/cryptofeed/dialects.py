"""How cryptofeed tells liquidations, venue by venue, and what that is as a record. Pure and total.

What it tells is not one thing: its `side` is as the venue has it, of the order or of the position, and its `quantity`
may count contracts. A venue is here only where both are known; Binance never, or its liquidations were there twice.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Never, Protocol

from contracts.records import Liquidation, Rejected, Side
from contracts.streams import ALT_LIQUIDATIONS
from ingest.fields import FieldError, amount_field, not_ahead, text_field
from ingest.notional import notional_of
from ingest.reject import reject
from ingest.wire_json import NumberText, show

_LATEST = 10**11
"""In seconds the year 5138; as milliseconds it is March 1973."""


@dataclass(frozen=True)
class Dialect:
    """How cryptofeed tells a venue's liquidations.

    `exchange` is its name for the venue, `bought` the position that was closed where its side is "buy". Contracts of
    `quotes` have quantities in their base; others are not asked for. `sampled`: the venue does not tell all of them.
    """

    exchange: str
    venue: str
    bought: Side
    quotes: tuple[str, ...]
    sampled: bool


DIALECTS: Mapping[str, Dialect] = {
    # Bybit's side is that of the position: "Buy" is a long that was closed (cryptofeed issue 985). It tells all.
    "bybit_liquidations": Dialect("BYBIT", "bybit", bought="long", quotes=("USDT", "USDC"), sampled=False),
}
"""OKX and Deribit are left out: of them cryptofeed 3 tells contracts, or dollars, without what a contract is worth."""


class Told(Protocol):
    """A liquidation as cryptofeed tells it; `timestamp` is in seconds since 1970."""

    exchange: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    timestamp: float | None


def parse(told: Told, dialect: Dialect, ingest_time: dt.datetime, max_ahead: dt.timedelta) -> Liquidation | Rejected:
    """Turn what cryptofeed tells into a record: base and quote are those of its symbol, `BASE-QUOTE-PERP` or dated.

    Its price is the bankruptcy price; the average price is not told. Where it tells no time, it is that of receipt.
    """
    try:
        symbol = text_field("symbol", told.symbol)
        base, quote = _assets(symbol, dialect)
        quantity = amount_field(Liquidation, "quantity", _text("quantity", told.quantity), zero=False)
        price = amount_field(Liquidation, "bankruptcy_price", _text("price", told.price), zero=False)
        event_time = ingest_time if told.timestamp is None else _moment(told.timestamp)
        not_ahead("timestamp", event_time, ingest_time, max_ahead)
        return Liquidation(
            venue=dialect.venue,
            event_time=event_time,
            ingest_time=ingest_time,
            symbol=symbol,
            base=base,
            quote=quote,
            side=_side(told.side, dialect),
            quantity=quantity,
            filled_quantity=quantity,
            bankruptcy_price=price,
            notional=notional_of(price, quantity),
            sampled=dialect.sampled,
        )
    except FieldError as error:
        names = ("exchange", "symbol", "side", "quantity", "price", "timestamp")
        raw = json.dumps({name: getattr(told, name) for name in names}, default=str)
        return reject(dialect.venue, ALT_LIQUIDATIONS, str(error), raw, poll_time=ingest_time, ingest_time=ingest_time)


def _assets(symbol: str, dialect: Dialect) -> tuple[str, str]:
    base, *rest = symbol.split("-")
    if len(rest) != 2 or not base or rest[0] not in dialect.quotes:
        raise FieldError(f"symbol: expected a contract of {', '.join(dialect.quotes)}, found {show(symbol)}")
    return base, rest[0]


def _side(side: object, dialect: Dialect) -> Side:
    if side not in ("buy", "sell"):
        _refuse("side", "buy or sell", side)
    other: Side = "short" if dialect.bought == "long" else "long"
    return dialect.bought if side == "buy" else other


def _text(name: str, number: object) -> NumberText:
    if not isinstance(number, Decimal):
        _refuse(name, "a decimal", number)
    return NumberText(format(number, "f"))


def _moment(seconds: object) -> dt.datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < _LATEST:
        _refuse("timestamp", "seconds since 1970", seconds)
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=round(seconds * 1000))


def _refuse(name: str, expected: str, found: object) -> Never:
    """Refuse what cryptofeed tells; it is Python's, not JSON's."""
    raise FieldError(f"{name}: expected {expected}, found {show(found if isinstance(found, str) else repr(found))}")
