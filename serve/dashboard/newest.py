"""How far each store has got: what the page looks at to know whether anything has to be drawn again."""

from collections.abc import Mapping, Sequence

from contracts.errors import CoinlakeError
from serve.dashboard.ask import Ask

LIQUIDATIONS, LAKE, TOPICS = "liquidations", "lake", "topics"
MARKS: Mapping[str, Sequence[str]] = {
    LIQUIDATIONS: ("liquidations_newest",),
    LAKE: ("last_batches", "lake_newest"),
    TOPICS: ("topics",),
}
"""The queries whose answers change when a store holds something new: a table's commits, then what is published."""

Mark = str
"""What the queries answered, as text: equal texts, equal data."""

UNREADABLE: Mark = ""


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
        return repr([sorted(row.items()) for query in queries for row in ask(query)])
    except CoinlakeError:
        return UNREADABLE
