"""What `--trigger` takes."""

import argparse

import pytest

from spark_jobs.process_markets import trigger


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("available-now", None), ("1 minute", 60), ("30 seconds", 30), ("2 hours", 7200), ("90 minutes", 5400)],
)
def test_a_trigger_is_available_now_or_an_interval(text: str, seconds: float | None) -> None:
    assert trigger(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "minute", "0 seconds", "1 day", "-1 minute", "1.5 minutes", "1  minute", "Available-Now"]
)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as refused:
        trigger(text)
    assert str(refused.value) == f'expected "available-now" or an interval such as "1 minute", found "{text}"'
