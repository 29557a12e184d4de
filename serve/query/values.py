"""Text becomes a value of one of the types that parameters have. No I/O."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Literal

Value = str | int | bool | Decimal | dt.datetime | dt.date
Type = Literal["text", "integer", "decimal", "time", "date", "boolean"]

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]{1,38})(\.[0-9]{1,38})?", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SMALLEST, _LARGEST = -(2**63) + 1, 2**63 - 1
"""QuestDB's null is -2**63."""


def value_of(kind: Type, text: str) -> Value | None:
    """Read a value; None where the text is none of this type.

    >>> [value_of("integer", text) for text in ("7", "7.0", "x")]
    [7, None, None]
    """
    return _READERS[kind](text)


def _text(text: str) -> str | None:
    """Take any text that can be written as UTF-8 and has no NUL, which no store takes."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return None
    return text


def _integer(text: str) -> int | None:
    value = int(text) if _INTEGER.fullmatch(text) else None
    return value if value is not None and _SMALLEST <= value <= _LARGEST else None


def _decimal(text: str) -> Decimal | None:
    """Read a decimal that decimal(38, 18) holds."""
    found = _DECIMAL.fullmatch(text)
    if found is None or len(found[1].lstrip("0")) > 20 or len((found[2] or ".").rstrip("0")) > 19:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _time(text: str) -> dt.datetime | None:
    """Read RFC 3339; in a query string a `+` that was not escaped has become a space."""
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", text) if text.count(":") > 1 else text
    try:
        moment = dt.datetime.fromisoformat(text.upper()) if _TIME.fullmatch(text) else None
        return None if moment is None else moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text)


_READERS: Mapping[Type, Callable[[str], Value | None]] = {
    "text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "time": _time,
    "date": _date,
    "boolean": _boolean,
}
NOUNS: Mapping[Type, str] = {
    "text": "a text",
    "integer": "an integer",
    "decimal": "a decimal",
    "time": "a time as 2024-03-19T22:05:00Z",
    "date": "a date as 2024-03-19",
    "boolean": "true or false",
}
"""What to expect of each type, in words."""
