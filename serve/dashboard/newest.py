"""How far each store has got: what the page looks at to know whether anything has to be drawn again."""

from collections.abc import Mapping, Sequence

from contracts.errors import CoinlakeError
from serve.dashboard.ask import Ask, is_nothing_there

LIQUIDATIONS, LAKE, TOPICS, LAG = "liquidations", "lake", "topics", "lag"
MARKS: Mapping[str, Sequence[str]] = {
    LIQUIDATIONS: ("liquidations_newest",),
    LAKE: ("last_batches", "lake_newest", "reconcile_score"),
    TOPICS: ("topics",),
    # Readers advance also while nothing new comes.
    LAG: ("lag",),
}
"""The queries whose answers change when a store holds something new: a table's commits, then what is published."""

Mark = str
"""What the queries answered, as text: equal texts, equal data."""

UNREADABLE: Mark = ""
_NOT_THERE = "not there yet"


def look(ask: Ask) -> dict[str, Mark]:
    """Ask each store how far it has got; one that cannot be read has the mark UNREADABLE."""
    return {store: _mark(ask, queries) for store, queries in MARKS.items()}


def moved(before: Mapping[str, Mark] | None, now: Mapping[str, Mark]) -> list[str]:
    """List the stores that hold something else than before; all of them when there is no before.

    >>> moved(None, {"lake": "a"}), moved({"lake": "a"}, {"lake": "a"}), moved({"lake": "a"}, {"lake": "b"})
    (['lake'], [], ['lake'])
    """
    return [store for store, mark in now.items() if before is None or before.get(store) != mark]


def _mark(ask: Ask, queries: Sequence[str]) -> Mark:
    try:
        return repr([_answered(ask, query) for query in queries])
    except CoinlakeError:
        return UNREADABLE


def _answered(ask: Ask, query: str) -> object:
    try:
        return [sorted(row.items()) for row in ask(query)]
    except CoinlakeError as error:
        if is_nothing_there(error):
            return _NOT_THERE
        raise
