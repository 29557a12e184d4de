"""Exact arithmetic on decimal(38,18) columns.

Spark gives the product and the quotient of two decimal(38,18) the type decimal(38,6): twelve places are lost without
a word (`DecimalType.adjustPrecisionScale`). These columns keep all eighteen, rounded half up, by computing in parts
that fit. A result that does not fit is null; nothing here throws in ANSI mode.

Spark's unary minus and `abs` round a decimal to 34 digits (4.2.0: Scala's `BigDecimal` negates under
DECIMAL128), so signs are changed by subtraction from zero.
"""

from decimal import Decimal

import pyspark.sql.functions as F
from pyspark.sql import Column

PRICE = "decimal(38,18)"
_TERM = "decimal(37,18)"
_UNITS = "decimal(38,0)"


def multiply(left: Column, right: Column) -> Column:
    """Multiply two decimal(38,18) columns into a decimal(38,18), rounded half up at 18 places.

    Both are split at the point: the products of the parts are exact, and only the product of the two
    fractions has more than 18 places, so rounding that one part rounds the whole. Null where a factor or the
    product reaches 10^19.
    """
    left_whole, left_fraction = _split(left)
    right_whole, right_fraction = _split(right)
    total = F.try_multiply(left_whole, right_whole).try_cast(_TERM)
    for term in (left_whole * right_fraction, left_fraction * right_whole, left_fraction * right_fraction):
        total = (total + term.try_cast(_TERM)).try_cast(_TERM)
    return total.try_cast(PRICE)


def divide(numerator: Column, denominator: Column) -> Column:
    """Divide two decimal(38,18) columns into a decimal(38,18), rounded half up at 18 places.

    Long division, six digits at a time, on the values counted in units of 10^-18. Null where the denominator is
    zero or a value reaches 10^14.
    """
    divisor = _units(denominator)
    rest = _units(numerator)
    quotient = _whole_times(rest, divisor).try_cast(_TERM)
    for places in (6, 12, 18):
        rest = F.try_multiply(F.try_mod(rest, divisor), _literal(10**6, "decimal(7,0)")).try_cast(_UNITS)
        digits = _whole_times(rest, divisor).try_cast("decimal(6,0)")
        quotient = (quotient + digits * _literal(Decimal(1).scaleb(-places), f"decimal({places},{places})")).try_cast(
            _TERM
        )
    left_over = F.try_mod(rest, divisor)
    carry = F.when(left_over >= divisor - left_over, _literal(Decimal(1).scaleb(-18), _TERM)).otherwise(
        _literal(0, _TERM)
    )
    negative = (numerator < 0) != (denominator < 0)
    magnitude = (quotient + carry).try_cast(_TERM)
    return F.when(negative, _negated(magnitude)).otherwise(magnitude).try_cast(PRICE)


def over(price: Column, base: Column) -> Column:
    """Say by which part a price is over another: price / base - 1, all eighteen places kept."""
    return divide(price, base).try_cast(_TERM) - _literal(1, "decimal(1,0)")


def _split(value: Column) -> tuple[Column, Column]:
    """Split a decimal(38,18) into decimal(19,0) and decimal(18,18), both with its sign."""
    whole = (value - value % 1).try_cast("decimal(19,0)")
    return whole, (value % 1).try_cast("decimal(18,18)")


def _units(value: Column) -> Column:
    """Count a decimal(38,18), without its sign, in units of 10^-18."""
    magnitude = F.when(value < 0, _negated(value)).otherwise(value)
    return F.try_multiply(magnitude, _literal(10**18, "decimal(19,0)")).try_cast(_UNITS)


def _whole_times(numerator: Column, denominator: Column) -> Column:
    """Say how many whole times one count goes into another."""
    return F.try_divide(numerator - F.try_mod(numerator, denominator), denominator)


def _negated(value: Column) -> Column:
    return _literal(0, _TERM) - value.try_cast(_TERM)


def _literal(value: int | Decimal, kind: str) -> Column:
    return F.lit(f"{value:f}" if isinstance(value, Decimal) else str(value)).cast(kind)
