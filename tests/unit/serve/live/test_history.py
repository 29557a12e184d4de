"""The history: the newest of each window, whatever the order, and what a client that comes back has to be sent."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from serve.live.history import History
from serve.live.points import Point
from tests.unit.serve.live.fakes import identity, point


def history_of(*points: Point, length_ms: int = 120_000, max_points: int = 241, max_symbols: int = 500) -> History:
    history = History(length_ms=length_ms, max_points=max_points, max_symbols=max_symbols)
    for each in points:
        history.add(each)
    return history


def all_of(history: History, symbol: str = "BTCUSDT") -> list[tuple[int, int]]:
    return identity(history.since(symbol, None).points)


def test_a_window_told_anew_replaces_what_was_known_of_it() -> None:
    assert all_of(history_of(point(1, count=1), point(2, count=2))) == [(2, 2)]


def test_a_record_of_a_smaller_count_is_ignored_and_one_of_the_same_count_replaces() -> None:
    history = history_of(point(1, count=2))
    assert not history.add(point(2, count=1))
    assert history.add(point(3, count=2))
    assert all_of(history) == [(3, 2)]


def test_the_same_record_read_twice_is_nothing_new() -> None:
    history = history_of(point(1))
    assert not history.add(point(1))


def test_windows_older_than_the_history_are_forgotten_and_not_taken() -> None:
    history = history_of(*(point(n, window=n) for n in range(5)), length_ms=1000)
    assert all_of(history) == [(3, 1), (4, 1)]
    assert not history.add(point(9, window=2, count=9))


def test_symbols_age_apart() -> None:
    history = history_of(point(0, "ETHUSDT", window=0), point(1, "BTCUSDT", window=99), length_ms=1000)
    assert all_of(history, "ETHUSDT") == [(0, 1)]


def test_a_symbol_has_no_more_points_than_the_limit() -> None:
    history = history_of(point(1, window=3), point(2, window=1), point(3, window=2), max_points=2)
    assert all_of(history) == [(3, 1), (1, 1)]


def test_too_many_symbols_are_refused_until_one_is_stale() -> None:
    history = history_of(point(1, "AAA"), point(2, "BBB", window=2), max_symbols=2, length_ms=1000)
    assert not history.add(point(3, "CCC", window=1))
    assert history.add(point(4, "CCC", window=2))
    assert [state.newest.symbol for state in history.symbols()] == ["BBB", "CCC"]


def test_with_a_sequence_only_what_came_after_it() -> None:
    history = history_of(point(5, window=0), point(6, window=1), point(7, window=0, count=2))
    answer = history.since("BTCUSDT", 5)
    assert (identity(answer.points), answer.reset) == ([(7, 2), (6, 1)], False)
    assert history.since("BTCUSDT", 7) == ([], False)


def test_a_sequence_that_is_not_known_resets() -> None:
    history = history_of(*(point(n, window=n) for n in range(5, 10)), length_ms=1000)
    assert history.since("BTCUSDT", 6) == (history.since("BTCUSDT", None).points, True)  # 7 is forgotten
    assert not history.since("BTCUSDT", 7).reset
    assert history.since("BTCUSDT", 10).reset  # greater than the newest: of another topic
    assert history.since("ETHUSDT", 3) == ([], True)


def test_what_was_before_the_first_record_read_is_not_known() -> None:
    history = history_of(point(5))
    assert history.since("BTCUSDT", 3).reset
    assert not history.since("BTCUSDT", 4).reset


def test_the_newest_record_of_a_symbol_is_told() -> None:
    [state] = history_of(point(7, window=1), point(8, window=0)).symbols()
    assert (state.newest.sequence, state.points) == (8, 2)


told = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), max_size=40)


@given(told, st.randoms())
def test_any_order_of_records_makes_the_same_history(records: list[tuple[int, int]], random: Random) -> None:
    points = [point(n, window=window, count=count) for n, (window, count) in enumerate(records)]
    newest = max((p.end for p in points), default=0)
    best: dict[int, Point] = {}
    for each in points:
        if each.end > newest - 3000:
            best[each.end] = max(best.get(each.end, each), each, key=lambda p: (p.count, p.sequence))
    expected = identity([best[end] for end in sorted(best)])
    random.shuffle(points)
    assert all_of(history_of(*points, length_ms=3000)) == expected


@given(told, st.data())
def test_whoever_resumes_anywhere_ends_with_the_same_windows(
    records: list[tuple[int, int]], data: st.DataObject
) -> None:
    """A client that saw everything up to some record, and then what `since` says, has what the history has."""
    points = [point(n, window=window, count=count) for n, (window, count) in enumerate(records)]
    seen = data.draw(st.integers(0, len(points)))
    history = History(length_ms=3000, max_points=241, max_symbols=1)
    client: dict[int, tuple[int, int]] = {}
    newest = None
    for number, each in enumerate(points):
        if history.add(each) and number < seen:
            client[each.end], newest = (each.sequence, each.count), each.sequence
    answer = history.since("BTCUSDT", newest)
    if answer.reset:
        client.clear()
    client |= {p.end: (p.sequence, p.count) for p in answer.points}
    whole = history.since("BTCUSDT", None).points
    assert {end: client.get(end) for end in (p.end for p in whole)} == {p.end: (p.sequence, p.count) for p in whole}
