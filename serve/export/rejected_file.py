"""The file of messages that are no record: raw, with the reason, each once."""

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from serve.export import hdf5_tables, positions
from serve.export.layout import POSITIONS, REJECTED, REJECTED_TABLES
from serve.export.parse import Refused
from serve.export.positions import Positions
from serve.export.replaced_file import Replace, rewritten

PIECE_BYTES = 3000
"""A longer message is kept in pieces, so that one of a megabyte does not widen the table."""


def path_of(folder: Path) -> Path:
    """Return the file of an export's folder."""
    return folder / "rejected.h5"


def add(path: Path, refused: Sequence[Refused], upto: Positions, replace: Replace) -> None:
    """Rewrite the file with these messages; those below the file's own positions are skipped.

    Raises:
        ExportError: the file cannot be read or written.
    """
    with rewritten(path, REJECTED_TABLES, replace) as store:
        own = positions.positions_of(hdf5_tables.read(store, POSITIONS))
        rows = pd.DataFrame([row for one in refused for row in _rows(one)], columns=list(REJECTED.columns))
        hdf5_tables.append(store, REJECTED, positions.beyond(rows, own))
        hdf5_tables.replace(store, POSITIONS, positions.frame_of(positions.furthest(own, upto)))


def _rows(refused: Refused) -> Iterator[tuple[object, ...]]:
    """Cut a message into pieces; an empty one is one piece of nothing."""
    lane, offset, value = refused.message
    reason = refused.reason.replace("\0", "\\0")
    for piece, start in enumerate(range(0, max(1, len(value)), PIECE_BYTES)):
        text = base64.b64encode(value[start : start + PIECE_BYTES]).decode("ascii")
        yield lane.topic, lane.name, offset, reason, piece, text
