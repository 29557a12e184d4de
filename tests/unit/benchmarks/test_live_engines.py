"""What is compared when engines are: windows by brute force, which result times which event, what counts as wrong."""

import random

import pytest

from benchmarks.live_engines.latency import summarize, time_events
from benchmarks.live_engines.verdict import judge
from benchmarks.live_engines.windows import Contents, Sent, Told, WindowKey, ends_of, fill_windows

NOON_MS = 1_710_849_600_000


def sent(at: int, symbol: str = "A", price: float = 1.0, quantity: float = 1.0) -> Sent:
    return Sent(symbol, NOON_MS + at, (NOON_MS + at) * 10**6, price, quantity)


def told(end: int, count: int, received: int = 0, symbol: str = "A", **contents: float) -> Told:
    known = {"mean": 1.0, "vwap": 1.0, "last": 1.0} | contents
    what = Contents(count=count, event_ms=NOON_MS + 100, **known)
    return Told(WindowKey(symbol, NOON_MS + end), what, NOON_MS + received, (NOON_MS + received) * 10**6)


def test_windows_hold_what_a_search_over_all_events_finds() -> None:
    draw = random.Random(5)
    events = sorted(
        (sent(draw.randrange(20_000), draw.choice("AB"), draw.random(), draw.random()) for _ in range(300)),
        key=lambda event: event.event_ms,
    )
    filled = fill_windows(events)
    ends = {(event.symbol, end) for event in events for end in ends_of(event.event_ms)}
    assert set(filled) == ends
    for (symbol, end), contents in filled.items():
        inside = [event for event in events if event.symbol == symbol and end - 3000 <= event.event_ms < end]
        quantity = sum(event.quantity for event in inside)
        assert end % 500 == 0
        assert contents.count == len(inside)
        assert contents.mean == pytest.approx(sum(event.price for event in inside) / len(inside))
        assert contents.vwap == pytest.approx(sum(event.price * event.quantity for event in inside) / quantity)
        assert contents.last == inside[-1].price


def test_event_is_timed_by_the_first_result_of_its_first_window_that_counts_it() -> None:
    events = [sent(100), sent(400), sent(600)]
    results = [told(500, 1, 105), told(1000, 1, 106), told(500, 2, 410), told(1000, 2, 412), told(1000, 3, 650)]
    assert [timed.result.received_ns // 10**6 - NOON_MS for timed in time_events(events, results) if timed.result] == [
        105,
        410,
        650,
    ]


def test_event_that_no_result_counts_is_missing() -> None:
    assert [timed.result is None for timed in time_events([sent(100), sent(400)], [told(500, 1, 105)])] == [False, True]


@pytest.mark.parametrize(
    ("results", "fault"),
    [
        ([told(500, 1)], None),
        ([], "lost"),
        ([told(500, 2)], "too many"),
        ([told(500, 1, mean=1.001)], "wrong values"),
        ([told(500, 1, vwap=1.001)], "wrong values"),
        ([told(500, 1, last=1.001)], "wrong values"),
    ],
)
def test_newest_state_of_a_window_is_judged(results: list[Told], fault: str | None) -> None:
    expected = {WindowKey("A", NOON_MS + 500): told(500, 1).contents}
    verdict = judge(expected, results)
    assert [wrong.fault for wrong in verdict.examples] == ([fault] if fault else [])
    assert verdict.right == (0 if fault else 1)


def test_state_that_is_told_again_is_counted_as_repeated_and_the_greatest_count_is_newest() -> None:
    expected = {WindowKey("A", NOON_MS + 500): told(500, 2).contents}
    verdict = judge(expected, [told(500, 1), told(500, 2), told(500, 1)])
    assert (verdict.right, verdict.results_seen, verdict.results_repeated) == (1, 2, 1)


def test_percentiles_of_nothing_are_none_and_those_of_a_ramp_are_known() -> None:
    assert summarize([]) is None
    found = summarize([float(value) for value in range(101)])
    assert found is not None
    assert (found.p50, found.p95, found.p99, found.max) == (50, 95, 99, 100)
