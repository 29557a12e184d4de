"""Durations as a user types them."""

import datetime as dt
import re

from contracts.errors import SettingsError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> dt.timedelta:
    """Parse `90s`, `10m`, `3h`, `2d`, or several of them such as `1h30m`.

    Raises:
        SettingsError: the text is none of these, or no time at all.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    """
    if re.fullmatch(r"(\d+[smhd])+", text):
        duration = sum(
            (dt.timedelta(**{_UNITS[unit]: int(number)}) for number, unit in re.findall(r"(\d+)([smhd])", text)),
            start=dt.timedelta(),
        )
        if duration:
            return duration
    raise SettingsError(f"expected a duration such as 90s, 10m, 3h or 2d, found {text!r}")
