"""Holes found, filled, cut and given up."""

import datetime as dt
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.binance.continuity import Continuity, Hole, parts_of
from tests.unit.ingest.fakes import NOON, at


def minute(number: int) -> tuple[dt.datetime, dt.datetime]:
    return at(number * 60), at(number * 60 + 60)


def took(sequence: Continuity, *numbers: int, now: float = 0) -> list[int]:
    return [number for number in numbers if sequence.take(number, *minute(number), now, "lost")]


def holes(sequence: Continuity) -> list[tuple[int, int]]:
    return [(hole.first, hole.last) for hole in sequence.holes]


def test_a_jump_is_a_hole_from_the_end_of_the_last_to_the_begin_of_the_next() -> None:
    sequence = Continuity()
    assert took(sequence, 3, 4, 8) == [3, 4, 8]
    [hole] = sequence.holes
    assert (hole.first, hole.last, hole.from_time, hole.to_time) == (5, 7, at(300), at(480))


def test_a_late_number_cuts_its_hole_and_comes_once() -> None:
    sequence = Continuity()
    assert took(sequence, 0, 5, 2, 2, 5, 0) == [0, 5, 2]
    assert holes(sequence) == [(1, 1), (3, 4)]
    assert [(hole.from_time, hole.to_time) for hole in sequence.holes] == [(at(60), at(120)), (at(180), at(300))]


def test_a_hole_is_asked_for_once_and_only_after_the_time_for_late_frames() -> None:
    sequence = Continuity()
    took(sequence, 0, 2, now=10)
    assert sequence.overdue(9.9) == []
    assert [hole.first for hole in sequence.overdue(10)] == [1]
    assert sequence.overdue(11) == []
    sequence.ask_again()
    assert [hole.first for hole in sequence.overdue(11)] == [1]


def test_what_is_given_up_is_no_hole_any_more_and_its_numbers_are_not_new() -> None:
    sequence = Continuity()
    took(sequence, 0, 10)
    assert sequence.give_up(3, 5) == 3
    assert holes(sequence) == [(1, 2), (6, 9)]
    assert took(sequence, 4) == []


def test_a_number_before_the_first_one_is_not_new() -> None:
    sequence = Continuity()
    assert took(sequence, 5, 4) == [5]


def test_a_resume_finds_the_holes_within_and_goes_on_after_the_newest() -> None:
    sequence = Continuity()
    sequence.resume([(n, *minute(n)) for n in (7, 3, 4, 7)], 0, "was off")
    assert holes(sequence) == [(5, 6)]
    assert sequence.next_number == 8


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80))
def test_whatever_the_order_each_number_is_new_once_and_the_rest_is_a_hole(numbers: Sequence[int]) -> None:
    sequence = Continuity()
    new = took(sequence, *numbers)
    first = numbers[0]
    assert sorted(new) == sorted({number for number in numbers if number >= first})
    missing = [number for hole in sequence.holes for number in range(hole.first, hole.last + 1)]
    assert missing == [number for number in range(first, max(numbers)) if number not in new]
    for number in range(first, max(numbers) + 1):
        assert sequence.has(number) == (number in new)
    for hole in sequence.holes:
        assert (hole.from_time, hole.to_time) == (at(hole.first * 60), at(hole.last * 60 + 60))


def test_a_hole_that_is_partly_filled_is_told_in_parts_with_exact_times() -> None:
    sequence = Continuity()
    took(sequence, 0, 10)
    [hole] = sequence.overdue(0)
    took(sequence, 1, 2, 5, 9)
    assert [
        (part.first, part.last, (part.from_time - NOON).seconds // 60, (part.to_time - NOON).seconds // 60, filled)
        for part, filled in parts_of(hole, sequence.holes)
    ] == [
        (1, 2, 1, 3, True),
        (3, 4, 3, 5, False),
        (5, 5, 5, 6, True),
        (6, 8, 6, 9, False),
        (9, 9, 9, 10, True),
    ]
    whole = Hole(1, 9, at(60), at(600), 0, "lost")
    assert list(parts_of(whole, [])) == [(whole, True)]


def test_holes_on_record_that_reach_into_each_other_are_cut_where_the_later_one_begins() -> None:
    sequence = Continuity()
    took(sequence, 20, 21)
    sequence.reopen(Hole(3, 9, at(180), at(600), 5, "first"))
    sequence.reopen(Hole(7, 8, at(420), at(540), 6, "second"))
    assert [(hole.first, hole.last, hole.from_time, hole.cause) for hole in sequence.holes] == [
        (3, 6, at(180), "first"),
        (7, 9, at(420), "second"),
    ]
    assert took(sequence, *range(3, 10)) == [3, 4, 5, 6, 7, 8, 9]
    assert sequence.holes == ()
