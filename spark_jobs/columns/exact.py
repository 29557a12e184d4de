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

    On the values counted in units of 10^-18: first the whole millionths, from a quotient that Spark has rounded to the
    nearest; then what they leave over is divided. Spark rounds a quotient twice (`Decimal./`: at 39 places, then at
    those of the type), which is once here: a quotient of such counts is never as near to a tie without being one. Null
    where the denominator is zero or a value reaches 10^14.
    """
    dividend, divisor = _units(numerator), _units(denominator)
    million = _literal(10**6, "decimal(7,0)")
    nearest = F.try_multiply(F.try_divide(dividend, divisor), million).try_cast(_UNITS)
    rest = F.try_subtract(F.try_multiply(dividend, million), F.try_multiply(nearest, divisor)).try_cast(_UNITS)
    millionths = F.when(rest < 0, nearest - 1).otherwise(nearest)
    left_over = F.when(rest < 0, rest + divisor).otherwise(rest).try_cast(_UNITS)
    more = F.try_divide(F.try_multiply(left_over, million).try_cast(_UNITS), divisor).try_cast("decimal(13,6)")
    magnitude = (millionths * _literal(Decimal("1e-6"), "decimal(6,6)")).try_cast(_TERM) + (
        more * _literal(Decimal("1e-12"), "decimal(12,12)")
    )
    negative = (numerator < 0) != (denominator < 0)
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


def _negated(value: Column) -> Column:
    return _literal(0, _TERM) - value.try_cast(_TERM)


def _literal(value: int | Decimal, kind: str) -> Column:
    return F.lit(f"{value:f}" if isinstance(value, Decimal) else str(value)).cast(kind)
