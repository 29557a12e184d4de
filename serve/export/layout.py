"""The tables of the files: their columns, as data. Adding a column adds a line."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import pandas as pd

from sentiment.model import SCORES

Kind = Literal["text", "time", "int", "float"]
"""`text` is UTF-8 of a fixed width that grows, `time` UTC of nanoseconds, `float` of 64 bits (null: NaN)."""

NULL = "\ufffe\uffffnull\uffff\ufffe"
"""Stands for a null in a column of text: noncharacters of Unicode, which no text is made of."""

_FIRST_WIDTH = 8
_EXAMPLES: Mapping[Kind, object] = {
    "text": "",
    "time": pd.Timestamp("2000-01-01", tz="UTC"),
    "int": 0,
    "float": 0.0,
}


class Table(NamedTuple):
    """One table of a file: its name, and its columns with their kinds, in order."""

    name: str
    columns: Mapping[str, Kind]

    def example(self) -> pd.DataFrame:
        """Return one row of the table's types, whatever its values."""
        return pd.DataFrame({column: [_EXAMPLES[kind]] for column, kind in self.columns.items()})

    def first_widths(self) -> dict[str, int]:
        """Return the width in bytes that each column of text begins with."""
        return {column: _FIRST_WIDTH for column, kind in self.columns.items() if kind == "text"}


SERIES = ("venue", "topic", "symbol", "kline")
"""What a bar is of. `kline` is the interval of an exchange's own candles, empty for all else."""

_SERIES: Mapping[str, Kind] = dict.fromkeys(SERIES, "text")
_BAR: Mapping[str, Kind] = {
    **_SERIES,
    "open_time": "time",
    **dict.fromkeys(("mean", "sum", "first", "last", "min", "max"), "float"),
    "count": "int",
}
_PRICE: Mapping[str, Kind] = {**_SERIES, "event_time": "time", "tie": "int", "identity": "text", "price": "text"}
_PLACE: Mapping[str, Kind] = {"topic": "text", "lane": "text", "offset": "int"}

BARS = Table("bars", _BAR)
OPEN_BARS = Table("open_bars", _BAR)
PENDING = Table("pending", _PRICE)
LATE = Table("late", _PRICE)
POSTS = Table(
    "posts",
    {
        **dict.fromkeys(("venue", "coin", "post_id"), "text"),
        "event_time": "time",
        **dict.fromkeys(("lang", "language", "author_id", "text"), "text"),
        "text_nuls": "int",
        "clean_text": "text",
        **dict.fromkeys(SCORES, "float"),
        **dict.fromkeys(("likes", "reposts", "replies", "quotes", "followers"), "float"),
    },
)
POSITIONS = Table("positions", _PLACE)
REJECTED = Table("rejected", {**_PLACE, "reason": "text", "piece": "int", "base64": "text"})
NEWEST = Table("newest", {**_SERIES, "event_time": "time"})
COUNTS = Table("counts", {"topic": "text", "messages": "int", "without_price": "int", "rejected": "int"})
LOST = Table("lost", {**_PLACE, "next_offset": "int"})
RULES = Table("rules", {"rule": "text", "milliseconds": "int"})

DAY_TABLES = (BARS, OPEN_BARS, PENDING, LATE, POSTS, POSITIONS)
REJECTED_TABLES = (REJECTED, POSITIONS)
PROGRESS_TABLES = (POSITIONS, NEWEST, COUNTS, LOST, RULES)
