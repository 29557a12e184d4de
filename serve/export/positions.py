"""Positions: of each lane, the offset that comes next."""

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from contracts.errors import ExportError
from serve.export.feed import Lane, Message

Positions = Mapping[Lane, int]


def positions_of(frame: pd.DataFrame) -> dict[Lane, int]:
    """Read positions from the rows of their table."""
    rows = frame[["topic", "lane", "offset"]].itertuples(index=False, name=None)
    return {Lane(topic, name): int(offset) for topic, name, offset in rows}


def frame_of(positions: Positions) -> pd.DataFrame:
    """Make the rows of their table, in the order of the lanes."""
    rows = [(lane.topic, lane.name, offset) for lane, offset in sorted(positions.items())]
    return pd.DataFrame(rows, columns=["topic", "lane", "offset"]).astype({"offset": "int64"})


def demand_lanes(positions: Positions, is_ours: Callable[[str], bool], expected: str) -> None:
    """Make sure that a folder was not made over another transport: its offsets would say nothing, its rows come again.

    Raises:
        ExportError: a lane has a name that this transport gives to none.
    """
    for lane in positions:
        if not is_ours(lane.name):
            raise ExportError(
                f"expected positions of {expected}, found {lane.name!r} of topic {lane.topic}: these files were made"
                " over another transport; export to another folder"
            )


def after(messages: Iterable[Message], before: Positions) -> dict[Lane, int]:
    """Return where each lane stands after these messages; never further back than before."""
    return furthest(before, {message.lane: message.offset + 1 for message in messages})


def furthest(one: Positions, other: Positions) -> dict[Lane, int]:
    """Return of each lane the greater position of two."""
    return {lane: max(one.get(lane, 0), other.get(lane, 0)) for lane in {**one, **other}}


def beyond(rows: pd.DataFrame, positions: Positions) -> pd.DataFrame:
    """Return the rows of messages that are not below these positions."""
    if rows.empty:
        return rows
    lanes = zip(rows["topic"], rows["lane"], rows["offset"], strict=True)
    return rows[[offset >= positions.get(Lane(topic, lane), 0) for topic, lane, offset in lanes]]
