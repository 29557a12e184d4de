"""What the windows of a run must hold, from what was sent, by counting alone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

WINDOW_MS = 3000
SLIDE_MS = 500


class Sent(msgspec.Struct, frozen=True):
    """One event as the generator sent it: when it happened in ms since 1970, when it was handed to Kafka in ns."""

    symbol: str
    event_ms: int
    sent_ns: int
    price: float
    quantity: float


class WindowKey(NamedTuple):
    """Which window: of which symbol, and when it ends (exclusive), in ms since 1970."""

    symbol: str
    end_ms: int


class Contents(msgspec.Struct, frozen=True):
    """What is known of a window."""

    count: int
    mean: float
    vwap: float
    last: float
    event_ms: int


class Told(NamedTuple):
    """One result: a window as an engine told it, when Kafka had it and when the meter received it."""

    window: WindowKey
    contents: Contents
    broker_ms: int
    received_ns: int


def first_end(event_ms: int) -> int:
    """Return the end of the first window to end after an event, the one that is timed.

    >>> first_end(1499), first_end(1500)
    (1500, 2000)
    """
    return (event_ms // SLIDE_MS + 1) * SLIDE_MS


def ends_of(event_ms: int) -> range:
    """Return the ends of all windows that an event falls in.

    >>> list(ends_of(1500))
    [2000, 2500, 3000, 3500, 4000, 4500]
    """
    first = first_end(event_ms)
    return range(first, first + WINDOW_MS, SLIDE_MS)


def fill_windows(sent: Iterable[Sent]) -> dict[WindowKey, Contents]:
    """Put events, in the order in which they were sent, into the windows that they fall in."""
    inside: defaultdict[WindowKey, list[Sent]] = defaultdict(list)
    for event in sent:
        for end in ends_of(event.event_ms):
            inside[WindowKey(event.symbol, end)].append(event)
    return {window: _contents(events) for window, events in inside.items()}


def ranks_in_first_window(sent: Sequence[Sent]) -> list[int]:
    """Say of each event how many events its timed window holds with it: what the result that times it must count."""
    counts: defaultdict[WindowKey, int] = defaultdict(int)
    ranks = []
    for event in sent:
        for end in ends_of(event.event_ms):
            counts[WindowKey(event.symbol, end)] += 1
        ranks.append(counts[WindowKey(event.symbol, first_end(event.event_ms))])
    return ranks


def _contents(events: Sequence[Sent]) -> Contents:
    quantity = sum(event.quantity for event in events)
    return Contents(
        count=len(events),
        mean=sum(event.price for event in events) / len(events),
        vwap=sum(event.price * event.quantity for event in events) / quantity,
        last=events[-1].price,
        event_ms=max(event.event_ms for event in events),
    )
