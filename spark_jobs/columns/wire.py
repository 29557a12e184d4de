"""From wire text to typed columns, and the reason where that is not possible."""

import pyspark.sql.functions as F
from pyspark.sql import Column
from pyspark.sql.types import BinaryType, DataType, DecimalType, StringType, StructField, TimestampType

_TIME = "____-__-__T__:__:__.___Z"
"""RFC 3339 in UTC with milliseconds, each `_` one character; the cast then refuses what is no time."""
_FIRST_TIME = "1970"
"""Spark has a year 0 and Python none, and before 1582 their calendars differ: no market is as old as that."""
_SHOWN = 60
"""How many characters of a value that cannot be used a reason shows."""


def typed(text: Column, kind: DataType) -> Column:
    """Turn wire text into a value of this type; null where it is none. Decimals round half up to their scale."""
    if isinstance(kind, StringType):
        return text
    if isinstance(kind, TimestampType):
        return F.when(text.like(_TIME) & (text >= _FIRST_TIME), text.try_cast("timestamp"))
    if isinstance(kind, BinaryType):
        return F.try_to_binary(text, F.lit("base64"))
    return text.try_cast(kind)


def problem(text: Column, value: Column, field: StructField) -> Column:
    """Say why wire text is no value of this field, null where it is one; `value` is what `typed` made of it.

    A missing value is a problem only where the field must not be null.
    """
    unusable = F.when(
        text.isNotNull() & value.isNull(),
        F.concat(F.lit(f"{field.name}: expected {_expected(field.dataType)}, found "), F.left(text, F.lit(_SHOWN))),
    )
    if field.nullable:
        return unusable
    return F.when(text.isNull(), F.lit(f"{field.name}: expected a value, found none")).otherwise(unusable)


def _expected(kind: DataType) -> str:
    if isinstance(kind, DecimalType):
        return f"a number with at most {kind.precision - kind.scale} digits before the point"
    return {
        "string": "text",
        "timestamp": "a UTC time from 1970 on, such as 2024-03-19T22:05:00.000Z",
        "bigint": "a whole number",
        "boolean": "true or false",
        "binary": "base64",
    }[kind.simpleString()]
