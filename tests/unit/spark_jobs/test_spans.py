"""Stretches of event time that have to be computed again."""

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.transforms.spans import EVER, MOST_SPANS, Span, aligned, covering, during, spans_of, widened, within
from tests.streaming.rows import at

TEN = dt.timedelta(minutes=10)


def span(start: float, end: float) -> Span:
    return Span(at(start), at(end))


@given(st.lists(st.integers(0, 60), max_size=MOST_SPANS))
def test_spans_cover_exactly_the_intervals_they_were_made_of(numbers: list[int]) -> None:
    spans = spans_of([at(600 * number) for number in numbers], TEN)
    covered = {number for number in range(61) for part in spans if part.start <= at(600 * number) < part.end}
    assert covered == set(numbers)
    assert all(one.end < two.start for one, two in pairwise(spans))


def test_too_many_stretches_become_one() -> None:
    starts = [at(7200 * number) for number in range(MOST_SPANS + 1)]
    assert spans_of(starts, TEN) == [Span(starts[0], starts[-1] + TEN)]


def test_widened_spans_that_meet_become_one_and_stay_within_time() -> None:
    ten = dt.timedelta(seconds=10)
    assert widened([span(100, 110), span(0, 80)], ten, ten) == [span(-10, 120)]
    assert widened([EVER], TEN, TEN) == [EVER]


def test_aligned_widens_to_whole_intervals_and_leaves_those_alone() -> None:
    assert aligned(span(1, 601), 10) == span(0, 1200)
    assert aligned(span(0, 600), 10) == span(0, 600)


def test_within_names_dates_too_so_that_other_files_are_not_opened() -> None:
    assert within("event_time", [span(0, 600)]) == (
        "date >= DATE '2024-03-19' AND date <= DATE '2024-03-19' AND"
        " ((event_time >= TIMESTAMP '2024-03-19 12:00:00.000000+00:00'"
        " AND event_time < TIMESTAMP '2024-03-19 12:10:00.000000+00:00'))"
    )
    with pytest.raises(ValueError, match="expected at least one span"):
        within("event_time", [])


def test_covering_takes_whole_intervals_once_each() -> None:
    noon_to_two = [span(600, 1200), span(3000, 3600), span(4200, 4800)]
    assert covering(noon_to_two, 10) == noon_to_two
    assert covering(noon_to_two, 60) == [span(0, 7200)]
    assert covering([EVER], 1440) == [EVER]


def test_during_names_no_date() -> None:
    assert "date" not in during("open_time", [span(0, 600), span(1200, 1800)])
    with pytest.raises(ValueError, match="expected at least one span"):
        during("open_time", [])
