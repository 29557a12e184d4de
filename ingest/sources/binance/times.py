"""Binance's times: whole milliseconds or microseconds since 1970, told apart by magnitude."""

import datetime as dt

_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)
_FIRST_MICROSECONDS = 10**14
"""As milliseconds this is the year 5138, as microseconds it is March 1973."""


def moment_of(number: int | str) -> dt.datetime:
    """Return a time of the venue, cut to milliseconds.

    >>> moment_of(1735689600123) == moment_of("1735689600123999")
    True
    """
    found = int(number)
    return _EPOCH + dt.timedelta(milliseconds=found // 1000 if found >= _FIRST_MICROSECONDS else found)
