"""Where a candle comes from: the rows of bronze whose prices it sums up, and what those prices make of it.

Works in Python's `decimal`, apart from Spark, so that it is a second opinion on the candle.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext

import msgspec

from contracts.decimals import PRICE_SCALE
from serve.kafka_messages import Position

_DIGITS = 80


class TracedCandle(msgspec.Struct, frozen=True):
    """One row of the `candles` table of record."""

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
    average: Decimal | None
    samples: int
    expected: int
    complete: bool


class BronzeValue(msgspec.Struct, frozen=True):
    """A value of one bronze row, the wire field it was read from, and where its message stands in Kafka.

    `repeats` are the later messages that say the same event.
    """

    field: str
    value: Decimal
    position: Position
    repeats: tuple[Position, ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """One price that a candle sums up: the product of its inputs, rounded half up at 18 places.

    A venue's own price has one input; a toman base price has two, the coin's USD price and the USDT/TMN rate.
    `tie` orders samples of one event time.
    """

    event_time: dt.datetime
    tie: int
    price: Decimal
    inputs: tuple[BronzeValue, ...]


class Summary(msgspec.Struct, frozen=True):
    """What samples make a candle of: which sample is its open, high, low and close (by index), and its average."""

    open: int
    high: int
    low: int
    close: int
    total: Decimal
    average: Decimal


class Trace(msgspec.Struct, frozen=True):
    """A candle and its samples, ordered by (event_time, tie)."""

    candle: TracedCandle
    samples: tuple[Sample, ...]

    def positions(self) -> set[Position]:
        """Return where in Kafka all that was read for this candle stands, repeats included."""
        values = [value for sample in self.samples for value in sample.inputs]
        return {position for value in values for position in (value.position, *value.repeats)}


def summarise(samples: Sequence[Sample]) -> Summary:
    """Make a candle of ordered samples; the first of equal prices is the high or the low.

    Raises:
        ValueError: there is no sample.
    """
    if not samples:
        raise ValueError("expected at least one sample, found none")
    prices = [sample.price for sample in samples]
    with localcontext() as context:
        context.prec = _DIGITS
        total = sum(prices, Decimal(0))
        average = half_up(total / len(prices))
    return Summary(
        open=0,
        high=prices.index(max(prices)),
        low=prices.index(min(prices)),
        close=len(prices) - 1,
        total=total,
        average=average,
    )


def differences(candle: TracedCandle, samples: Sequence[Sample]) -> list[str]:
    """List where a candle is not what its samples make; empty where all is equal to the last digit."""
    if not samples:
        return [f"samples: the table says {candle.samples}, bronze has none"]
    summary = summarise(samples)
    computed = {
        "open": samples[summary.open].price,
        "high": samples[summary.high].price,
        "low": samples[summary.low].price,
        "close": samples[summary.close].price,
        "average": summary.average,
        "samples": len(samples),
    }
    return [
        f"{name}: the table says {getattr(candle, name)}, its rows give {value}"
        for name, value in computed.items()
        if getattr(candle, name) != value
    ]


def product(values: Sequence[Decimal]) -> Decimal:
    """Multiply prices, rounded half up at 18 places."""
    with localcontext() as context:
        context.prec = _DIGITS
        result = Decimal(1)
        for value in values:
            result *= value
        return half_up(result)


def half_up(value: Decimal) -> Decimal:
    """Round half up at 18 places, as bronze and the tables do."""
    with localcontext() as context:
        context.prec = _DIGITS
        return value.quantize(Decimal(1).scaleb(-PRICE_SCALE), rounding=ROUND_HALF_UP)
