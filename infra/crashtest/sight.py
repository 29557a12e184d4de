"""What stands on disk of a table, its checkpoint and its published Parquet: looked at from outside, without S3.

An object of MinIO is a folder of its name, a file of a `file://` lake is a file of its name: names are all that
counts here.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.tables import Table
from infra.crashtest.plan import Moment
from infra.stack.layout import Layout

NONE = -1
"""Stands for "no such file yet" where a number is expected."""


@dataclass(frozen=True)
class Sight:
    """One look: the newest batch begun and ended, the newest version of the Delta log, the data files."""

    begun: int
    ended: int
    version: int
    files: frozenset[str]


@dataclass(frozen=True)
class Place:
    """Where a lake and its state are on disk."""

    lake: Path
    state: Path

    def look(self, table: Table) -> Sight:
        """Look at a table; the data files are read before the version that may name them."""
        root, checkpoint = self.lake / table.path, self.state / "checkpoints" / table.name
        files = frozenset(
            name
            for date in _names(root)
            if date.startswith("date=")
            for name in _names(root / date)
            if name.startswith("part-") and name.endswith(".parquet")
        )
        return Sight(
            begun=_newest(checkpoint / "offsets", ""),
            ended=_newest(checkpoint / "commits", ""),
            version=_newest(root / "_delta_log", ".json"),
            files=files,
        )

    def published_since(self, table: Table, moment: float) -> int:
        """Count the published objects of a table that were written after a moment (seconds since 1970)."""
        root = self.lake / table.published_path
        return sum(_written(Path(folder, name)) > moment for folder, _, names in os.walk(root) for name in names)

    def version_published(self, table: Table) -> float:
        """Return when the published version of a table was last written; 0 for never."""
        place = self.lake / "published" / "_versions" / f"{table.name}.json"
        return max(_written(place / "xl.meta"), 0.0 if place.is_dir() else _written(place))


def place_of(home: Path, lake: str, state: str) -> Place:
    """Find where URIs of the embedded stack are on disk."""
    return Place(_on_disk(home, lake), _on_disk(home, state))


def _on_disk(home: Path, uri: str) -> Path:
    scheme, _, path = uri.partition("://")
    return Layout(home).minio_data / path if scheme == "s3a" else Path(path)


def moment_of(before: Sight, now: Sight) -> Moment | None:
    """Say where the batch of a query stands, given the sight when its table last had a new version or its run began.

    None where no batch of this run is under way, or its commit is over on both sides.
    """
    if now.version > before.version:
        return Moment.AFTER if now.begun > now.ended else None
    if now.files - before.files:
        return Moment.DURING
    return Moment.BEFORE if now.begun > max(before.begun, now.ended) else None


def _names(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return


def _newest(folder: Path, ending: str) -> int:
    stems = (name.removesuffix(ending) for name in _names(folder) if name.endswith(ending))
    return max((int(stem) for stem in stems if stem.isdigit()), default=NONE)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return 0.0
