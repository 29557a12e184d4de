"""From a record of Kafka to a point of the chart, encoded once for all clients."""

import datetime as dt
from decimal import Decimal

import msgspec

from contracts.decimals import PRICE_PRECISION
from contracts.errors import RecordError
from contracts.records import MovingAverage, decode

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one (symbol, window end) in one record.

    Times are in ms since 1970. `sequence` is the record's offset, `result` its time in Kafka. `encoded` is the point as
    clients get it: a JSON object.
    """

    symbol: str
    base: str
    quote: str
    end: int
    count: int
    sequence: int
    event: int
    broker: int
    result: int
    encoded: bytes


class _WirePoint(msgspec.Struct):
    symbol: str
    end: int
    mean: str
    vwap: str | None
    last: str
    count: int
    sequence: int
    event: int
    broker: int
    result: int


_ENCODER = msgspec.json.Encoder()


def point_of(payload: bytes, *, offset: int, timestamp_ms: int) -> Point:
    """Read a Kafka message.

    Raises:
        RecordError: the payload is no MovingAverage, or one with a price or a time that cannot be.
    """
    record = decode(payload, MovingAverage)
    wire = _WirePoint(
        symbol=record.symbol,
        end=_milliseconds(record.window_end),
        mean=_price(record.mean),
        vwap=None if record.vwap is None else _price(record.vwap),
        last=_price(record.last),
        count=record.count,
        sequence=offset,
        event=_milliseconds(record.event_time),
        broker=_milliseconds(record.broker_time),
        result=timestamp_ms,
    )
    return Point(
        symbol=record.symbol,
        base=record.base,
        quote=record.quote,
        end=wire.end,
        count=record.count,
        sequence=offset,
        event=wire.event,
        broker=wire.broker,
        result=timestamp_ms,
        encoded=_ENCODER.encode(wire),
    )


def _milliseconds(moment: dt.datetime) -> int:
    """Count the milliseconds since 1970.

    >>> _milliseconds(dt.datetime(1970, 1, 1, 0, 1, 0, 500_000, tzinfo=dt.UTC))
    60500
    """
    if moment.tzinfo is None:
        raise RecordError(f"expected a time with a time zone, found {moment.isoformat()}")
    return (moment - _EPOCH) // _MILLISECOND


def _price(price: Decimal) -> str:
    """Write a price in digits: no NaN, and no exponent that would make millions of them."""
    if not price.is_finite() or abs(price.adjusted()) > PRICE_PRECISION:
        raise RecordError(f"expected a price of at most {PRICE_PRECISION} digits, found {price}")
    return format(price, "f")
