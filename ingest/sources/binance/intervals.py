"""Kline intervals of a fixed length, and the grid of their open times."""

import datetime as dt

from contracts.settings import KLINE_INTERVALS

_UNITS = {"m": dt.timedelta(minutes=1), "h": dt.timedelta(hours=1), "d": dt.timedelta(days=1)}
_STEPS = {name: int(name[:-1]) * _UNITS[name[-1]] for name in KLINE_INTERVALS}
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)


def step_of(interval: str) -> dt.timedelta:
    """Return the length of an interval.

    >>> step_of("15m")
    datetime.timedelta(seconds=900)
    """
    return _STEPS[interval]


def number_of(open_time: dt.datetime, interval: str) -> int:
    """Number the open times of an interval from 1970 on; a time that is none of them has that of its kline."""
    return (open_time - _EPOCH) // _STEPS[interval]


def open_of(number: int, interval: str) -> dt.datetime:
    """Return the open time with a number: the other way of `number_of`."""
    return _EPOCH + number * _STEPS[interval]


def open_at_or_after(moment: dt.datetime, interval: str) -> dt.datetime:
    """Return the first open time that is not before a moment.

    >>> open_at_or_after(dt.datetime(2024, 3, 19, 12, 0, 1, tzinfo=dt.UTC), "1h").hour
    13
    """
    number = number_of(moment, interval)
    return open_of(number if open_of(number, interval) == moment else number + 1, interval)
