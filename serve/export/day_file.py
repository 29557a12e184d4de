"""One UTC day's file: what its messages make of it, each of them once.

A file says in its table of positions up to where it has taken each lane, and is replaced together with it. What is
below is skipped. So the same messages may be offered again, cut into other batches, and the file stays what it is.
"""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from serve.export import bars, hdf5_tables, positions, posts
from serve.export.bars import Newest
from serve.export.layout import BARS, DAY_TABLES, LATE, OPEN_BARS, PENDING, POSITIONS, POSTS, SERIES
from serve.export.positions import Positions
from serve.export.posts import Score
from serve.export.replaced_file import Replace, opened, rewritten
from serve.export.settings import Rules

DAY_MS = 24 * 60 * 60 * 1000
_EPOCH = dt.date(1970, 1, 1)


class Added(NamedTuple):
    """What one rewriting of a file added to it, and its size in bytes after it."""

    bars: int
    posts: int
    late: int
    size: int


def path_of(folder: Path, day: int) -> Path:
    """Return the file of a day, counted from 1970-01-01."""
    return folder / f"{_EPOCH + dt.timedelta(days=day)}.h5"


def holds_open_bars_that_close(path: Path, newest: Newest, rules: Rules) -> bool:
    """Say whether a file has bars that are open in it and closed by now."""
    if not path.exists():
        return False
    with opened(path) as store:
        open_bars = hdf5_tables.read_columns(store, OPEN_BARS, [*SERIES, "open_time"])
    return bool(_is_closed(open_bars.assign(bar=_milliseconds(open_bars["open_time"])), newest, rules).any())


def update(
    path: Path,
    *,
    prices: pd.DataFrame,
    new_posts: pd.DataFrame,
    newest: Newest,
    upto: Positions,
    rules: Rules,
    score: Score,
    replace: Replace,
) -> Added:
    """Rewrite a day's file with rows of that day.

    Args:
        prices: rows of prices that were judged (`bars.judge`), in order of arrival.
        new_posts: rows of posts, in order of arrival.
        newest: of each series, the greatest event time up to `upto`.
        upto: where each lane stands after these messages.

    Raises:
        ExportError: the file cannot be read or written.
    """
    with rewritten(path, DAY_TABLES, replace) as store:
        own = positions.positions_of(hdf5_tables.read(store, POSITIONS))
        fresh = positions.beyond(prices, own)
        late = fresh[fresh["late"].astype(bool)]
        pending = bars.without_repeats(_stacked(_pending(store, rules), fresh[~fresh["late"].astype(bool)]))
        closed = _is_closed(pending, newest, rules)
        closed_bars = _bar_rows(bars.aggregate(pending[closed]))
        hdf5_tables.append(store, BARS, closed_bars)
        hdf5_tables.replace(store, OPEN_BARS, _bar_rows(bars.aggregate(pending[~closed])))
        hdf5_tables.replace(store, PENDING, _price_rows(pending[~closed]))
        hdf5_tables.append(store, LATE, _price_rows(late))
        taken = _add_posts(store, positions.beyond(new_posts, own), score)
        hdf5_tables.replace(store, POSITIONS, positions.frame_of(positions.furthest(own, upto)))
    return Added(len(closed_bars), taken, len(late), path.stat().st_size)


def _add_posts(store: pd.HDFStore, offered: pd.DataFrame, score: Score) -> int:
    if offered.empty:
        return 0
    new = posts.unknown(offered, hdf5_tables.read_columns(store, POSTS, posts.IDENTITY))
    if not new.empty:
        hdf5_tables.append(store, POSTS, posts.scored(new, score))
    return len(new)


def _is_closed(rows: pd.DataFrame, newest: Newest, rules: Rules) -> "pd.Series[bool]":
    keys = rows[list(SERIES)].itertuples(index=False, name=None)
    known = pd.Series([newest.get(key, bars.BEFORE_ALL) for key in keys], index=rows.index, dtype="int64")
    return bars.closed(rows["bar"].astype("int64"), rows["topic"], known, rules)


def _pending(store: pd.HDFStore, rules: Rules) -> pd.DataFrame:
    rows = hdf5_tables.read(store, PENDING)
    at = _milliseconds(rows["event_time"])
    return rows.assign(at=at, bar=at // rules.interval * rules.interval, price=rows["price"].map(Decimal))


def _stacked(pending: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    columns = [*SERIES, "at", "bar", "tie", "identity", "price"]
    frames = [frame[columns] for frame in (pending, fresh) if not frame.empty]
    return pd.concat(frames, ignore_index=True) if frames else pending[columns]


def _price_rows(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(
        event_time=_times(rows["at"]), price=rows["price"].map(str).astype(object), tie=rows["tie"].astype("int64")
    )[list(PENDING.columns)]


def _bar_rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(open_time=_times(frame["bar"]))[list(BARS.columns)]


def _times(milliseconds: pd.Series) -> pd.Series:
    return pd.to_datetime(milliseconds.astype("int64"), unit="ms", utc=True).astype("datetime64[ns, UTC]")


def _milliseconds(times: pd.Series) -> pd.Series:
    return times.astype("int64") // 1_000_000
