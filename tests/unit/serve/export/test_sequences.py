"""Which numbers of a lane never came: found beside a set that holds every number."""

from hypothesis import given
from hypothesis import strategies as st

from serve.export.feed import Lane, Lost
from serve.export.sequences import Sequences

LANE, OTHER = Lane("wallex", "a"), Lane("wallex", "b")


@given(st.integers(0, 30), st.sets(st.integers(0, 40)), st.integers(0, 45))
def test_what_came_and_what_was_lost_are_all_that_was_sent(position: int, came: set[int], sent: int) -> None:
    came = {number for number in came if number >= position}
    sent = max(sent, position, max(came, default=-1) + 1)
    sequences = Sequences({LANE: position})
    assert all(sequences.arrived(LANE, number) for number in sorted(came))
    sequences.sent(LANE, sent)
    lost = [number for loss in sequences.losses() for number in range(loss.offset, loss.next_offset)]
    assert lost == sorted(set(range(position, sent)) - came)
    assert sequences.losses() == []


def test_a_late_joiner_lost_what_came_before_the_first_that_it_sees() -> None:
    sequences = Sequences({})
    assert sequences.arrived(LANE, 7)
    assert sequences.losses() == [Lost(LANE, 0, 7)]


def test_a_count_without_a_message_tells_the_loss_of_the_last_ones() -> None:
    sequences = Sequences({})
    sequences.arrived(LANE, 0)
    sequences.sent(LANE, 3)
    assert sequences.losses() == [Lost(LANE, 1, 3)]


def test_a_message_from_before_the_position_is_not_handed_out_again() -> None:
    sequences = Sequences({LANE: 5})
    assert not sequences.arrived(LANE, 4)
    assert sequences.arrived(LANE, 5)
    assert sequences.losses() == []


def test_a_new_run_begins_anew_beside_the_old_one() -> None:
    sequences = Sequences({LANE: 9})
    assert sequences.arrived(OTHER, 0)
    assert sequences.arrived(LANE, 9)
    assert sequences.losses() == []


def test_only_so_many_lanes_are_known_those_that_were_heard_of_last() -> None:
    sequences = Sequences({}, lanes=2)
    for name in ("a", "b", "a", "c"):
        sequences.sent(Lane("wallex", name), 5)
    sequences.losses()
    sequences.sent(Lane("wallex", "a"), 5)
    assert sequences.losses() == []
    sequences.sent(Lane("wallex", "b"), 5)
    assert sequences.losses() == [Lost(Lane("wallex", "b"), 0, 5)]
