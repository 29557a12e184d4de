"""Stand-ins for the world around the jobs."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from contracts.tables import Table
from spark_jobs.edges.store import FolderStore

NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)


class FakeClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> dt.datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += dt.timedelta(seconds=seconds)


class RacedStore(FolderStore):
    """A store in which somebody else acts just before our first conditional put."""

    def __init__(self, root: Path, act: Callable[[], object]) -> None:
        super().__init__(root)
        self._act: Callable[[], object] | None = act

    def put_if(self, key: str, body: bytes, tag: str | None) -> str | None:
        act, self._act = self._act, None
        if act is not None:
            act()
        return super().put_if(key, body, tag)


class UnreadLake:
    """A lake that must not be asked for a table."""

    def delta(self, table: Table) -> None:
        raise AssertionError(f"expected table {table.name} not to be read")


class EmptyLake:
    """A lake without tables."""

    def delta(self, table: Table) -> None:
        return None
