"""What an engine told against what it should have told."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from benchmarks.live_engines.windows import Contents, Told, WindowKey

TOLERANCE = 1e-9
"""Relative: some engines add up decimals, others floating point numbers, in another order than we do."""
Fault = Literal["lost", "too few", "too many", "wrong values"]
_EXAMPLES = 5


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """A window whose newest state is not what it must be; `found` is None where it was never told."""

    symbol: str
    end_ms: int
    fault: Fault
    expected: Contents
    found: Contents | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How many windows there are and how their newest states (those of the greatest count) are.

    `results_expected` is one for each event and window; `results_seen` counts those of them that were told, whatever
    they say, and `results_repeated` what was told again. `tombstones` are messages without a value.
    """

    windows: int
    right: int
    lost: int
    too_few: int
    too_many: int
    wrong_values: int
    results_expected: int
    results_seen: int
    results_repeated: int
    tombstones: int
    examples: list[Wrong]


def judge(expected: Mapping[WindowKey, Contents], told: Iterable[Told], tombstones: int = 0) -> Verdict:
    """Compare the newest state of each window, and count the states that were told."""
    newest: dict[WindowKey, Contents] = {}
    states: set[tuple[WindowKey, int]] = set()
    repeated = 0
    for result in told:
        state = (result.window, result.contents.count)
        repeated += state in states
        states.add(state)
        if result.window not in newest or result.contents.count > newest[result.window].count:
            newest[result.window] = result.contents
    wrong = [
        Wrong(symbol=window.symbol, end_ms=window.end_ms, fault=fault, expected=contents, found=newest.get(window))
        for window, contents in expected.items()
        if (fault := fault_of(contents, newest.get(window)))
    ]
    faults = [one.fault for one in wrong]
    return Verdict(
        windows=len(expected),
        right=len(expected) - len(wrong),
        lost=faults.count("lost"),
        too_few=faults.count("too few"),
        too_many=faults.count("too many"),
        wrong_values=faults.count("wrong values"),
        results_expected=sum(contents.count for contents in expected.values()),
        results_seen=sum(1 for window, count in states if window in expected and 1 <= count <= expected[window].count),
        results_repeated=repeated,
        tombstones=tombstones,
        examples=wrong[:_EXAMPLES],
    )


def fault_of(expected: Contents, found: Contents | None) -> Fault | None:
    """Name what is wrong with a window, None when nothing is."""
    if found is None:
        return "lost"
    if found.count != expected.count:
        return "too few" if found.count < expected.count else "too many"
    near = all(
        math.isclose(one, other, rel_tol=TOLERANCE)
        for one, other in ((expected.mean, found.mean), (expected.vwap, found.vwap), (expected.last, found.last))
    )
    return None if near and expected.event_ms == found.event_ms else "wrong values"
