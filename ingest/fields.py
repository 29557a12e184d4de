"""Read single fields of a venue's row, each with a reason where it is not what it should be."""

import datetime as dt
import functools
import re
import typing
from decimal import Decimal
from typing import NoReturn

from msgspec import Meta

from contracts.records import Record, wire_time
from ingest.wire_json import ABSENT, Members, NumberText, show

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,9})?", re.ASCII)
_NOT_FINITE = frozenset({"nan", "inf", "-inf", "infinity", "-infinity"})
_FIRST_TIME = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LONGEST_FRACTION = 200
"""Digits after the point that still travel. A number such as 1e-999999 would be a megabyte on the wire."""


class FieldError(ValueError):
    """A field is not what it should be: the row it stands in is rejected with this reason."""


def _refuse(name: str, expected: str, found: object) -> NoReturn:
    raise FieldError(f"{name}: expected {expected}, found {show(found)}")


@functools.cache
def whole_digits(record_type: type[Record], name: str) -> int:
    """Return how many digits before the point a decimal field of a record has room for.

    >>> from contracts.records import CoinQuote
    >>> whole_digits(CoinQuote, "price"), whole_digits(CoinQuote, "market_cap")
    (20, 30)
    """
    hint = typing.get_type_hints(record_type, include_extras=True)[name]
    for part in (hint, *typing.get_args(hint)):
        for meta in getattr(part, "__metadata__", ()):
            if isinstance(meta, Meta) and meta.extra is not None:
                return int(meta.extra["precision"]) - int(meta.extra["scale"])
    raise TypeError(f"{record_type.__name__}.{name} is not a decimal field")


def decimal_field(record_type: type[Record], name: str, value: object) -> Decimal:
    """Read the decimal `name` of a record from a JSON number or from a text that is a number.

    The value is exact: digits after the point beyond the field's scale are kept.

    Raises:
        FieldError: it is no finite number, or it does not fit the field.
    """
    if not isinstance(value, str):
        _refuse(name, "a number", value)
    if value.lower() in _NOT_FINITE:
        _refuse(name, "a finite number", NumberText(value))
    if not _NUMBER.fullmatch(value):
        _refuse(name, "a number", value)
    number = Decimal(value)
    if number == 0:
        return Decimal(0)
    room = whole_digits(record_type, name)
    if number.adjusted() >= room:
        _refuse(name, f"at most {room} digits before the point", NumberText(value))
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_LONGEST_FRACTION:
        _refuse(name, f"at most {_LONGEST_FRACTION} digits after the point", NumberText(value))
    return number


def amount_field(record_type: type[Record], name: str, value: object, *, zero: bool = True) -> Decimal:
    """Read the decimal `name` of a record that is never below zero, nor zero unless it may be.

    Raises:
        FieldError: it is below, or as `decimal_field`.
    """
    amount = decimal_field(record_type, name, value)
    if amount < 0 or (amount == 0 and not zero):
        _refuse(name, f"{'at least' if zero else 'more than'} 0", value)
    return amount


def integer_field(name: str, value: object, *, least: int = 0) -> int:
    """Read a whole number of at most 18 digits.

    Raises:
        FieldError: it is anything else.
    """
    if not isinstance(value, NumberText) or not re.fullmatch(r"-?[0-9]{1,18}", value, re.ASCII) or int(value) < least:
        _refuse(name, f"a whole number of at least {least}", value)
    return int(value)


def text_field(name: str, value: object) -> str:
    """Read a text that is not empty.

    Raises:
        FieldError: it is anything else, or holds half a character (a lone surrogate).
    """
    if not isinstance(value, str) or isinstance(value, NumberText) or not value.strip():
        _refuse(name, "a text", value)
    if not value.isprintable() and any("\ud800" <= character <= "\udfff" for character in value):
        _refuse(name, "a text", value)
    return value


def time_field(name: str, value: object) -> dt.datetime:
    """Read an RFC 3339 time as UTC, cut to milliseconds as on the wire.

    Raises:
        FieldError: it is no time, has no time zone, or is before 1970, which no table takes.
    """
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            _refuse(name, "an RFC 3339 time", value)
        if re.search(r"(Z|[+-][0-9]{2}:?[0-9]{2})$", value, re.IGNORECASE):
            if moment < _FIRST_TIME:
                _refuse(name, "a time from 1970 on", value)
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    _refuse(name, "an RFC 3339 time", value)


def object_field(name: str, value: object) -> Members:
    """Read a JSON object.

    Raises:
        FieldError: it is anything else.
    """
    if not isinstance(value, Members):
        _refuse(name, "an object", value)
    return value


def member(holder: Members, name: str) -> object:
    """Return a member of an object, ABSENT where it is not there."""
    return holder.get(name, ABSENT)


def not_ahead(name: str, event_time: dt.datetime, ingest_time: dt.datetime, max_ahead: dt.timedelta) -> None:
    """Refuse an event time that is too far in the future: it would poison the watermark.

    Raises:
        FieldError: it is further ahead of the ingest time than `max_ahead`.
    """
    if event_time - ingest_time > max_ahead:
        raise FieldError(
            f"{name}: expected at most {max_ahead.total_seconds():g} s ahead of the ingest time "
            f"{wire_time(ingest_time)}, found {wire_time(event_time)}"
        )
