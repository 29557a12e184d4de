"""Prices, sums and shares as people read them. Text comes from decimals by way of decimals, never of floats."""

import datetime as dt
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, localcontext

NONE = "-"
SIGNIFICANT_DIGITS = 7
_DIGITS = 80
"""More than a product of two decimal(38, s) values has."""
_UNITS = ((12, "T"), (9, "B"), (6, "M"), (3, "K"))


def places_of(values: Iterable[Decimal]) -> int:
    """Choose the places after the point for a column: seven significant digits of its largest value.

    >>> [places_of([Decimal(text)]) for text in ("9281234567.12", "83434.4", "1.0003", "0.00001234", "0")]
    [0, 2, 6, 11, 2]
    """
    largest = max((abs(value) for value in values), default=Decimal(0))
    if largest == 0:
        return 2
    return min(18, max(0, SIGNIFICANT_DIGITS - 1 - largest.adjusted()))


def rounded(value: Decimal, places: int) -> Decimal:
    """Round half up to so many places after the point."""
    with localcontext() as context:
        context.prec = _DIGITS
        return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def grouped(value: Decimal | None, places: int) -> str:
    """Write a price with its thousands apart.

    >>> grouped(Decimal("83434.405000000000000000"), 2), grouped(None, 2)
    ('83,434.41', '-')
    """
    return NONE if value is None else f"{rounded(value, places):,f}"


def price(value: Decimal | None) -> str:
    """Write one price that stands alone.

    >>> price(Decimal("0.000012340000000000")), price(Decimal("9281234567.12"))
    ('0.00001234000', '9,281,234,567')
    """
    return NONE if value is None else grouped(value, places_of([value]))


def short(value: Decimal | None) -> str:
    """Write a large sum with three places and its unit: trillions, billions, millions, thousands.

    >>> short(Decimal("3412345678901.12345678")), short(Decimal("999")), short(None)
    ('3.412 T', '999', '-')
    """
    if value is None:
        return NONE
    for power, unit in _UNITS:
        if abs(value) >= 10**power:
            return f"{rounded(_shifted(value, -power), 3):,f} {unit}"
    return exact(value)


def percent(share: Decimal | None, *, signed: bool = False) -> str:
    """Write a share of one in percent.

    >>> percent(Decimal("0.522234")), percent(Decimal("0.0125"), signed=True), percent(Decimal("-0.00004"), signed=True)
    ('52.22%', '+1.25%', '0.00%')
    """
    if share is None:
        return NONE
    value = rounded(_shifted(share, 2), 2)
    if value == 0:
        return "0.00%"
    return f"{value:+f}%" if signed else f"{value:f}%"


def exact(value: Decimal | None) -> str:
    """Write every digit of a value that says something: only zeros at the end go.

    >>> exact(Decimal("83434.400000000000000000")), exact(Decimal("1E+3")), exact(Decimal("0E-18"))
    ('83434.4', '1000', '0')
    """
    if value is None:
        return NONE
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _shifted(value: Decimal, power: int) -> Decimal:
    """Multiply by a power of ten; the default context would keep 28 digits of it."""
    with localcontext() as context:
        context.prec = _DIGITS
        return value.scaleb(power)


def clock(moment: dt.datetime) -> str:
    """Write a time in UTC to the minute.

    >>> clock(dt.datetime(2024, 3, 19, 22, 5, 31, tzinfo=dt.UTC))
    '2024-03-19 22:05'
    """
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M}"
