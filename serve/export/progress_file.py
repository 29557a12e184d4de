"""The file that says how far an export is: replaced last in each wake, read first at a start."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pandas as pd

from contracts.errors import ExportError
from serve.export import hdf5_tables, positions
from serve.export.bars import Series
from serve.export.feed import Lane, Lost
from serve.export.layout import COUNTS, LOST, NEWEST, POSITIONS, PROGRESS_TABLES, RULES, SERIES, Table
from serve.export.replaced_file import Replace, opened, rewritten
from serve.export.settings import Rules

_COUNTED = ("messages", "without_price", "rejected")
_MILLISECOND_NS = 1_000_000


@dataclass
class Progress:
    """Where each lane stands, what is newest of each series (milliseconds), what was counted and what was lost."""

    positions: dict[Lane, int] = field(default_factory=dict)
    newest: dict[Series, int] = field(default_factory=dict)
    messages: Counter[str] = field(default_factory=Counter)
    without_price: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    lost: list[Lost] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, rules: Rules) -> Self:
        """Read a folder's progress; of a new folder, that nothing was taken yet.

        Raises:
            ExportError: the file cannot be read, it is missing though there are days, or the folder was made by other
                rules: with another interval a bar would be there twice.
        """
        if not path.exists():
            days = sorted(path.parent.glob("*-*-*.h5"))
            if days:
                raise ExportError(
                    f"expected {path} beside {days[0].name}, found none: the export cannot go on without it"
                )
            return cls()
        with opened(path) as store:
            frames = {table.name: hdf5_tables.read(store, table) for table in PROGRESS_TABLES}
        _demand_rules(path, frames[RULES.name], rules)
        newest, counts = frames[NEWEST.name], frames[COUNTS.name]
        times = newest["event_time"].astype("int64") // _MILLISECOND_NS
        messages, without_price, rejected = (
            Counter(dict(zip(counts["topic"], counts[name].map(int), strict=True))) for name in _COUNTED
        )
        return cls(
            positions.positions_of(frames[POSITIONS.name]),
            dict(zip(newest[list(SERIES)].itertuples(index=False, name=None), times.map(int), strict=True)),
            messages,
            without_price,
            rejected,
            [
                Lost(Lane(topic, lane), int(offset), int(next_offset))
                for topic, lane, offset, next_offset in frames[LOST.name].itertuples(index=False, name=None)
            ],
        )

    def write(self, path: Path, rules: Rules, replace: Replace) -> None:
        """Put the progress in the place of the one before.

        Raises:
            ExportError: the file cannot be written.
        """
        counts = [(t, self.messages[t], self.without_price[t], self.rejected[t]) for t in sorted(self.messages)]
        with rewritten(path, PROGRESS_TABLES, replace) as store:
            hdf5_tables.replace(store, POSITIONS, positions.frame_of(self.positions))
            hdf5_tables.replace(store, NEWEST, self._newest())
            hdf5_tables.replace(store, COUNTS, _rows(COUNTS, counts))
            hdf5_tables.replace(
                store, LOST, _rows(LOST, [(*one.lane, one.offset, one.next_offset) for one in self.lost])
            )
            hdf5_tables.replace(store, RULES, _rows(RULES, list(rules._asdict().items())))

    def _newest(self) -> pd.DataFrame:
        rows = _rows(NEWEST, [(*series, at) for series, at in sorted(self.newest.items())])
        times = pd.to_datetime(rows["event_time"].astype("int64"), unit="ms", utc=True)
        return rows.assign(event_time=times.astype("datetime64[ns, UTC]"))


def path_of(folder: Path) -> Path:
    """Return the file of an export's folder."""
    return folder / "progress.h5"


def _rows(table: Table, rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(table.columns))
    return frame.astype({name: "int64" for name, kind in table.columns.items() if kind == "int"})


def _demand_rules(path: Path, found: pd.DataFrame, rules: Rules) -> None:
    written = dict(zip(found["rule"], found["milliseconds"].map(int), strict=True))
    for rule, expected in rules._asdict().items():
        if written.get(rule) != expected:
            raise ExportError(
                f"expected the rules that {path} was made by, {rule.replace('_', ' ')} {written.get(rule)} ms,"
                f" found {expected} ms: choose another folder, or the old setting"
            )
