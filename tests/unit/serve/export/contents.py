"""What is in an export's folder, read with `pandas.read_hdf` alone, as rows that can be compared."""

import base64
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from tests.unit.serve.export.expected import Expected

SERIES = ["venue", "topic", "symbol", "kline"]
BAR = [*SERIES, "open_time", "mean", "sum", "first", "last", "min", "max", "count"]


def days(folder: Path) -> list[Path]:
    """Return the files of days, the oldest first."""
    return sorted(folder.glob("????-??-??.h5"))


def table(folder: Path, name: str) -> pd.DataFrame:
    """Read a table of all days, and demand that a day's rows are in the file of their day."""
    frames = []
    for path in days(folder):
        frame: pd.DataFrame = pd.read_hdf(path, name)
        time = "open_time" if "open_time" in frame else "event_time"
        assert set(frame[time].dt.strftime("%Y-%m-%d")) <= {path.stem}
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def contents(folder: Path) -> Expected:
    """Return what the files hold, in the form of what they must hold."""
    found = Expected(
        bars=_rows(table(folder, "bars"), BAR),
        open_bars=_rows(table(folder, "open_bars"), BAR),
        late=[(*row[:-1], Decimal(row[-1])) for row in _rows(table(folder, "late"), [*SERIES, "event_time", "price"])],
        posts=[
            (venue, coin, post_id, at, text + "\0" * nuls, None if pd.isna(likes) else int(likes))
            for venue, coin, post_id, at, text, nuls, likes in _rows(
                table(folder, "posts"), ["venue", "coin", "post_id", "event_time", "text", "text_nuls", "likes"]
            )
        ],
        rejected=rejected(folder),
    )
    counts: pd.DataFrame = pd.read_hdf(folder / "progress.h5", "counts")
    for topic, number in zip(counts["topic"], counts["without_price"], strict=True):
        if number:
            found.without_price[topic] = int(number)
    for rows in (found.bars, found.open_bars, found.late, found.posts, found.rejected):
        rows.sort(key=repr)
    return found


def rejected(folder: Path) -> list[tuple[str, bytes]]:
    """Put the messages that were rejected together from their pieces."""
    path = folder / "rejected.h5"
    if not path.exists():
        return []
    frame: pd.DataFrame = pd.read_hdf(path, "rejected")
    return [
        (topic, b"".join(base64.b64decode(piece) for piece in pieces.sort_values("piece")["base64"]))
        for (topic, _, _), pieces in frame.groupby(["topic", "lane", "offset"])
    ]


def _rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    if frame.empty:
        return []
    plain = frame[list(columns)].astype(object)
    return [
        tuple(cell.to_pydatetime() if isinstance(cell, pd.Timestamp) else cell for cell in row)
        for row in plain.itertuples(index=False, name=None)
    ]
