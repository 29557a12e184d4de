import datetime as dt

import pytest

from contracts.errors import SettingsError
from infra.durations import parse_duration


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("3h", 10800), ("2d", 172800), ("1m1s", 61)])
def test_durations_are_numbers_with_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "3", "h", "-3h", "1.5h", "3 h", "0s", "3y"])
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_duration(text)
    assert str(caught.value) == f"expected a duration such as 90s, 10m, 3h or 2d, found {text!r}"
