"""Text to typed values: what is read exactly, and what is refused."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SettingsError
from serve.query.errors import ParameterError
from serve.query.parameters import Parameter, check_parameter, read_value, read_values
from serve.query.values import Type, value_of

UTC = dt.UTC


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "x'; DROP TABLE alt_liquidations; --", "x'; DROP TABLE alt_liquidations; --"),
        ("text", "", ""),
        ("text", "ریال", "ریال"),
        ("integer", "-12", -12),
        ("integer", "9223372036854775807", 2**63 - 1),
        ("decimal", "0.000000000000000001", Decimal("0.000000000000000001")),
        ("decimal", "12345678901234567890.123456789012345678", Decimal("12345678901234567890.123456789012345678")),
        ("time", "2024-03-19T22:05:00Z", dt.datetime(2024, 3, 19, 22, 5, tzinfo=UTC)),
        ("time", "2024-03-20T01:35:00.25+03:30", dt.datetime(2024, 3, 19, 22, 5, 0, 250000, tzinfo=UTC)),
        ("time", "2024-03-20T01:35:00 03:30", dt.datetime(2024, 3, 19, 22, 5, tzinfo=UTC)),  # an unescaped plus
        ("date", "2024-02-29", dt.date(2024, 2, 29)),
        ("boolean", "true", True),
        ("boolean", "false", False),
    ],
)
def test_a_value_is_read_exactly(kind: Type, text: str, value: object) -> None:
    found = value_of(kind, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", "a\0b"),
        ("text", "\ud800"),
        *(
            ("integer", text)
            for text in ("", "1.0", "1e3", "0x10", "9223372036854775808", "-9223372036854775808", " 1")
        ),
        *(("integer", text) for text in ("١٢", "1_000", "1; DROP TABLE x", "NaN")),
        *(("decimal", text) for text in ("", "1e5", "NaN", "Infinity", ".5", "1.", "1,5", "1.0000000000000000001")),
        *(("decimal", text) for text in ("123456789012345678901", "0x1", "1'")),
        *(("time", text) for text in ("", "2024-03-19", "2024-03-19T22:05:00", "2024-02-30T00:00:00Z", "now")),
        *(("time", text) for text in ("0001-01-01T00:00:00+23:59", "2024-03-19T25:00:00Z", "1710885900")),
        *(("date", text) for text in ("2024-02-30", "20240219", "2024-2-19", "today")),
        *(("boolean", text) for text in ("", "True", "1", "yes", "null")),
    ],
)
def test_what_is_no_value_is_refused(kind: Type, text: str) -> None:
    assert value_of(kind, text) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20) + 1, max_value=10**20 - 1))
def test_a_decimal_of_the_lake_comes_through_whole(value: Decimal) -> None:
    assert value_of("decimal", format(value, "f")) == value


@pytest.mark.parametrize(
    ("parameter", "text", "expected"),
    [
        (Parameter("integer", "", minimum=1, maximum=10), "11", "an integer from 1 to 10"),
        (Parameter("integer", "", minimum=1), "0", "an integer of at least 1"),
        (Parameter("decimal", "", maximum="1.5"), "1.500000000000000001", "a decimal of at most 1.5"),
        (Parameter("date", "", minimum="2024-01-01"), "2023-12-31", "a date as 2024-03-19 of at least 2024-01-01"),
        (Parameter("text", "", choices=("10m", "1h")), "1d", "a text of 10m, 1h"),
        (Parameter("text", "", pattern="[A-Z]+"), "BTC\n", "a text that matches [A-Z]+"),
        (Parameter("integer", "", choices=(5, 10)), "7", "an integer of 5, 10"),
    ],
)
def test_bounds_choices_and_patterns_are_kept(parameter: Parameter, text: str, expected: str) -> None:
    with pytest.raises(ParameterError) as raised:
        read_value("name", parameter, text)
    assert str(raised.value) == f"parameter name: expected {expected}, found {text!r}"


def test_a_bound_itself_is_allowed() -> None:
    parameter = Parameter("integer", "", minimum=1, maximum=10)
    assert [read_value("n", parameter, text) for text in ("1", "10")] == [1, 10]


def test_what_is_not_given_is_the_default_or_null() -> None:
    parameters = {
        "limit": Parameter("integer", "", default=50),
        "price": Parameter("decimal", "", default="0.10"),
        "closed": Parameter("boolean", "", default=False),
        "symbol": Parameter("text", ""),
    }
    assert read_values(parameters, [("limit", "7")], 200) == {
        "limit": 7,
        "price": Decimal("0.10"),
        "closed": False,
        "symbol": None,
    }


def test_a_long_wrong_value_is_not_repeated_whole() -> None:
    with pytest.raises(ParameterError) as raised:
        read_values({"limit": Parameter("integer", "")}, [("limit", "x" * 150)], 200)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        (Parameter("integer", "", default="x"), "parameters.n.default: expected an integer, found 'x'"),
        (Parameter("integer", "", default=0, minimum=1), "parameters.n.default: expected an integer of at least 1"),
        (Parameter("integer", "", required=True, default=1), "parameters.n.default: expected none"),
        (Parameter("text", "", pattern="("), "parameters.n.pattern: expected a regular expression, found '('"),
        (Parameter("integer", "", pattern="1"), "parameters.n.pattern: expected none for a integer"),
        (Parameter("text", "", minimum=1), "parameters.n.minimum: expected none for a text"),
        (Parameter("decimal", "", maximum="1e5"), "parameters.n.maximum: expected a decimal, found '1e5'"),
        (Parameter("date", "", choices=("2024",)), "parameters.n.choices: expected a date as 2024-03-19, found '2024'"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(parameter: Parameter, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check_parameter("n", parameter)
    assert str(raised.value).startswith(said)
