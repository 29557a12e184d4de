"""What waits for a slow client: of each window the newest, in bounds."""

from hypothesis import given
from hypothesis import strategies as st

from serve.live.pending import Pending
from tests.unit.serve.live.fakes import identity, point


def test_a_newer_point_takes_the_place_of_the_older() -> None:
    pending = Pending(10)
    assert pending.add([point(1, window=0), point(2, window=1)]) == 0
    assert pending.add([point(3, window=0, count=2)]) == 1
    assert identity(pending.next_points(10)) == [(2, 1), (3, 2)]
    assert not pending


def test_a_symbol_whose_history_is_due_needs_no_points() -> None:
    pending = Pending(10)
    pending.restart({"BTCUSDT": 7})
    pending.add([point(8, "BTCUSDT"), point(9, "ETHUSDT")])
    assert pending.next_history() == ("BTCUSDT", 7)
    assert pending.next_history() is None
    assert identity(pending.next_points(10)) == [(9, 1)]


def test_beyond_the_limit_histories_are_due_instead_of_points() -> None:
    pending = Pending(3)
    pending.restart({"SOLUSDT": 5})
    pending.add([point(1, "BTCUSDT"), point(2, "BTCUSDT", window=1), point(3, "ETHUSDT")])
    assert len(pending) == 3
    pending.add([point(4, "ETHUSDT", window=1)])
    assert len(pending) == 0
    due = [pending.next_history() for _ in range(4)]
    assert due == [("SOLUSDT", 5), ("BTCUSDT", None), ("ETHUSDT", None), None]


def test_a_new_subscription_drops_what_waited() -> None:
    pending = Pending(10)
    pending.add([point(1)])
    pending.restart({"ETHUSDT": None})
    assert len(pending) == 0
    assert pending.next_history() == ("ETHUSDT", None)


steps = st.lists(st.one_of(st.integers(0, 5).map(lambda w: ("add", w)), st.integers(1, 3).map(lambda n: ("take", n))))


@given(steps)
def test_the_newest_of_each_window_is_delivered_in_the_order_of_sequences(script: list[tuple[str, int]]) -> None:
    pending = Pending(100)
    sent: dict[int, int] = {}
    received = []
    for sequence, (step, value) in enumerate([*script, ("take", 100)]):
        if step == "add":
            pending.add([point(sequence, window=value)])
            sent[point(sequence, window=value).end] = sequence
        else:
            received += pending.next_points(value)
    assert {p.end: p.sequence for p in received} == sent
    sequences = [p.sequence for p in received]
    assert sequences == sorted(set(sequences))
