"""Bars of prices by event time, in pandas. Pure: frames and plain numbers in, frames out.

A row of prices has the columns of a series, `at` (event time, milliseconds since 1970), `tie`, `identity` and `price`
(a Decimal). What comes out depends on the rows of each series in their order alone: not on how they were cut into
batches, nor on the rows of other series between them.
"""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from fractions import Fraction
from functools import reduce
from typing import NamedTuple

import pandas as pd

from serve.export.layout import SERIES
from serve.export.settings import Rules

Series = tuple[str, str, str, str]
Newest = Mapping[Series, int]
"""The greatest event time of each series so far, in milliseconds."""

_EXACT = Context(prec=200)
"""Sums of prices of 38 digits are exact in it, and do not depend on their order."""
_KEY = list(SERIES)
_VALUES = ("mean", "sum", "first", "last", "min", "max", "count")
BEFORE_ALL = -(2**62)
"""The newest event time of a series of which nothing came yet."""


class Judged(NamedTuple):
    """Rows with the bar they belong to (`bar`, its start) and `late`: their bar was closed before they arrived."""

    rows: pd.DataFrame
    newest: dict[Series, int]


def judge(rows: pd.DataFrame, newest: Newest, rules: Rules) -> Judged:
    """Say of each row, in order of arrival, whether it comes too late for its bar; and what is newest after all."""
    if rows.empty:
        return Judged(rows.assign(bar=rows["at"], late=False), {})
    keys = pd.Series(list(rows[_KEY].itertuples(index=False, name=None)), index=rows.index)
    before = keys.map(lambda key: newest.get(key, BEFORE_ALL)).astype("int64")
    known = pd.concat([rows["at"].astype("int64"), before], axis="columns").max(axis="columns").groupby(keys).cummax()
    bar = rows["at"].astype("int64") // rules.interval * rules.interval
    # The row itself counts among what is known, which says the same: it cannot be past the end of its own bar.
    late = closed(bar, rows["topic"], known, rules)
    # In order of arrival, the last one of a series holds.
    after: dict[Series, int] = dict(zip(keys, known.map(int), strict=True))
    return Judged(rows.assign(bar=bar, late=late), after)


def closed(bar: pd.Series, topic: pd.Series, newest: pd.Series, rules: Rules) -> pd.Series:
    """Say which bars are closed: the newest event time of the series is past their end by the lateness, or more."""
    lateness = topic.map(rules.lateness).astype("int64")
    return bar + rules.interval + lateness <= newest


def without_repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the first row of each identity."""
    return rows.drop_duplicates(["topic", "venue", "identity"], keep="first")


def aggregate(rows: pd.DataFrame) -> pd.DataFrame:
    """Make the bars of rows that are no repeats: one row for each series and `bar`.

    Computed of the exact decimals, then rounded once to the nearest float64: `sum` is the float64 nearest to the exact
    sum, `mean` the one nearest to the exact sum divided by `count`. `first` and `last` are by (event time, tie,
    identity).
    """
    if rows.empty:
        return pd.DataFrame(columns=[*_KEY, "bar", *_VALUES])
    ordered = rows.sort_values(["at", "tie", "identity"], kind="stable")
    prices = ordered.groupby([*_KEY, "bar"], sort=True)["price"]
    bars = prices.agg(sum=_exact_sum, first="first", last="last", min="min", max="max", count="size").reset_index()
    means = [float(Fraction(total) / count) for total, count in zip(bars["sum"], bars["count"], strict=True)]
    floats = {name: bars[name].map(float).astype("float64") for name in ("sum", "first", "last", "min", "max")}
    return bars.assign(
        **floats, mean=pd.Series(means, index=bars.index, dtype="float64"), count=bars["count"].astype("int64")
    )


def _exact_sum(prices: Iterable[Decimal]) -> Decimal:
    return reduce(_EXACT.add, prices, Decimal(0))
