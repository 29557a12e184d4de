"""What a panel may ask: a named query of the query API, answered by rows."""

from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from contracts.errors import CoinlakeError

Row = dict[str, Any]


class Ask(Protocol):
    """Ask a named query with its parameters; the rows have decimals, times (UTC) and texts as Python has them.

    Raises:
        CoinlakeError: the API or its store does not answer, or refuses.
    """

    def __call__(self, key: str, **parameters: object) -> Sequence[Row]:
        """Return the rows."""
        ...


NOTHING_THERE = "nothing_there"
"""The query API's word for a table that is not there yet: no fault of anyone."""


def is_nothing_there(error: CoinlakeError) -> bool:
    """Say whether a query was refused because its table is not there yet."""
    return getattr(error, "kind", None) == NOTHING_THERE


def frame(rows: Sequence[Row], *, drawn: Sequence[str] = ()) -> pd.DataFrame:
    """Turn rows into a frame; the columns `drawn` become floats, which is what pixels are made of.

    >>> from decimal import Decimal
    >>> frame([{"coin": "BTC", "price": Decimal("1.50")}], drawn=["price"]).to_dict("records")
    [{'coin': 'BTC', 'price': 1.5}]
    """
    made = pd.DataFrame(list(rows))
    for name in drawn:
        if name in made:
            made[name] = made[name].astype("float64")
    return made
