"""Reading a venue's JSON and writing a row of it back."""

from ingest.wire_json import dump, load, show


def test_a_row_is_written_back_with_its_digits_its_nan_and_its_repeats() -> None:
    text = '{"a": 1.10, "a": NaN, "b": ["x", null, true, 1E+400], "c": "یک"}'
    assert dump(load(text)) == text


def test_the_first_of_repeated_members_counts() -> None:
    assert load('{"a": "first", "a": "second"}') == {"a": "first"}


def test_what_is_shown_of_a_value_is_one_short_line() -> None:
    assert show("two\nlines\u200c") == '"two\\nlines\\u200c"'
    assert show("x" * 100) == '"' + "x" * 36 + "..."
