"""From sent to seen: which result times which event, and how long that took."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.live_engines.windows import Sent, Told, WindowKey, first_end, ranks_in_first_window


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long it took, in milliseconds."""

    p50: float
    p95: float
    p99: float
    max: float


class Timed(NamedTuple):
    """An event and the first result of its timed window that counts it; None when none ever did."""

    event: Sent
    result: Told | None


def time_events(sent: Sequence[Sent], told: Iterable[Told]) -> list[Timed]:
    """Find for each event the first result that counts it, in the window with the first end after the event.

    Args:
        sent: all events of a run, in the order in which they were sent: windows are counted from the first on.
        told: all results, in the order in which they were received.
    """
    results: defaultdict[WindowKey, list[Told]] = defaultdict(list)
    for result in told:
        results[result.window].append(result)
    reached: defaultdict[WindowKey, int] = defaultdict(int)
    timed = []
    for event, rank in zip(sent, ranks_in_first_window(sent), strict=True):
        window = WindowKey(event.symbol, first_end(event.event_ms))
        of_window = results[window]
        # A later event of the window has a higher rank: its result cannot stand before that of this one.
        while reached[window] < len(of_window) and of_window[reached[window]].contents.count < rank:
            reached[window] += 1
        found = of_window[reached[window]] if reached[window] < len(of_window) else None
        timed.append(Timed(event, found))
    return timed


def summarize(milliseconds: Sequence[float]) -> Latency | None:
    """Return the percentiles (linear between neighbours), None of nothing."""
    if not milliseconds:
        return None
    p50, p95, p99, most = np.percentile(milliseconds, (50, 95, 99, 100)).tolist()
    return Latency(p50=p50, p95=p95, p99=p99, max=most)
