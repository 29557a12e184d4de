"""Binance's times: whole milliseconds or microseconds since 1970, told apart by magnitude."""

import datetime as dt

from ingest.fields import FieldError, integer_field
from ingest.wire_json import show

_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)
_FIRST_MICROSECONDS = 10**14
"""As milliseconds this is the year 5138, as microseconds it is March 1973."""
_LATEST = 10**17
"""In microseconds the year 5138; what is later is no time of the venue."""


def moment_of(number: int | str) -> dt.datetime:
    """Return a time of the venue, cut to milliseconds.

    >>> moment_of(1735689600123) == moment_of("1735689600123999")
    True
    """
    found = int(number)
    return _EPOCH + dt.timedelta(milliseconds=found // 1000 if found >= _FIRST_MICROSECONDS else found)


def epoch_field(name: str, value: object) -> dt.datetime:
    """Read a time of the venue.

    Raises:
        FieldError: it is no whole number, or too large for a time.
    """
    number = integer_field(name, value)
    if number > _LATEST:
        raise FieldError(f"{name}: expected milliseconds or microseconds since 1970, found {show(value)}")
    return moment_of(number)
