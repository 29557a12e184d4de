"""What is known of the lake beside its rows, as tables: commits, publishes, and the last reconciliation."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
from deltalake import DeltaTable
from pyarrow import compute as pc

from contracts.errors import NoDataError, StoreError
from contracts.settings import LakeSettings
from contracts.tables import PUBLISHED, TABLES, Table
from serve.delta_tables import open_table
from serve.published import read_file, version_file
from serve.query.lake_tables import LakeTables
from serve.reconcile.stored import LATEST, Stored

T = TypeVar("T")
_TIME = pa.timestamp("us", "UTC")
_TIME_COLUMNS = ("event_time", "open_time", "kafka_time")
"""By which of its columns a table is told to be new: the first of these that it has."""

_COMMITS = pa.schema(
    [
        ("layer", pa.string()),
        ("name", pa.string()),
        ("version", pa.int64()),
        ("committed_at", _TIME),
        ("operation", pa.string()),
        ("rows", pa.int64()),
        ("newest_time", _TIME),
    ]
)
_PUBLISHES = pa.schema(
    [("name", pa.string()), ("version", pa.int64()), ("published_at", _TIME), ("newest_time", _TIME)]
)
_SCORES = pa.schema(
    [
        ("made_at", _TIME),
        ("symbol", pa.string()),
        ("interval", pa.string()),
        ("month", pa.string()),
        *((name, pa.int64()) for name in ("equal", "different", "missing_here", "missing_there", "neither")),
    ]
)


class _Published(msgspec.Struct, frozen=True):
    """The Delta version that the published Parquet equals, as the job writes it beside the Parquet."""

    version: int


class LakeFacts:
    """The tables of facts of one lake."""

    def __init__(self, lake: LakeSettings, tables: LakeTables) -> None:
        self._lake = lake
        self._tables = tables
        self._newest: dict[tuple[str, int], dt.datetime | None] = {}
        self.readers: Mapping[str, Callable[[bool], pa.Table]] = {
            "last_commits": self.last_commits,
            "publishes": lambda _: self.publishes(),
            "reconcile_scores": lambda _: self.reconcile_scores(),
        }

    def last_commits(self, anew: bool = False) -> pa.Table:
        """Read the newest commit of each Delta table that is there: when, what, how many rows it wrote.

        Raises:
            StoreError: the object store does not answer or refuses.
        """
        rows = []
        for table in TABLES:
            try:
                rows.append(self._last_commit(table, anew))
            except NoDataError:
                continue
        return pa.Table.from_pylist(rows, _COMMITS)

    def publishes(self) -> pa.Table:
        """Read which version of each published table is published, since when, and how new its rows are.

        Raises:
            StoreError: the object store does not answer or refuses.
        """
        rows = []
        for table in PUBLISHED:
            kept = read_file(self._lake, version_file(table))
            if kept is None:
                continue
            version = _decoded(version_file(table), kept[0], _Published).version
            self._tables.tell(table.name, version)
            rows.append(
                {
                    "name": table.name,
                    "version": version,
                    "published_at": kept[1],
                    "newest_time": self._newest_time_of(table, version),
                }
            )
        return pa.Table.from_pylist(rows, _PUBLISHES)

    def reconcile_scores(self) -> pa.Table:
        """Read what the last `coinlake reconcile` found, by symbol, interval and month.

        Raises:
            NoDataError: there was none.
            StoreError: the object store does not answer or refuses.
        """
        kept = read_file(self._lake, LATEST)
        if kept is None:
            raise NoDataError('expected a score of the candles, found none: run "coinlake reconcile" first')
        stored = _decoded(LATEST, kept[0], Stored)
        return pa.Table.from_pylist(
            [{"made_at": stored.made_at, **msgspec.structs.asdict(score)} for score in stored.result.scores], _SCORES
        )

    def _last_commit(self, table: Table, anew: bool) -> Mapping[str, object]:
        """Read the newest commit; once more where the log was removed between its opening and this."""
        found = self._tables.delta(table, anew=anew)
        try:
            commits = found.history(1)
        except OSError as error:
            if anew:
                raise _unreadable(table, error) from None
            commits = []
        if not commits and not anew:
            return self._last_commit(table, anew=True)
        commit = commits[0] if commits else {}
        return {
            "layer": str(table.layer),
            "name": table.name,
            "version": commit.get("version", found.version()),
            "committed_at": _moment(commit["timestamp"]) if "timestamp" in commit else None,
            "operation": commit.get("operation"),
            "rows": _rows_written(commit),
            "newest_time": self._newest_time(table, found),
        }

    def _newest_time_of(self, table: Table, version: int) -> dt.datetime | None:
        """Read how new the rows of a published version are; None where the log does not know it any more."""
        try:
            found = self._tables.delta(table)
            place, newest = _version_of(found)
            if (place, version) in self._newest:
                return self._newest.get((place, version))
            return self._newest_time(table, found if newest == version else open_table(self._lake, table, version))
        except NoDataError:
            return None

    def _newest_time(self, table: Table, found: DeltaTable) -> dt.datetime | None:
        """Read how new a table's rows are from the statistics of its files; a version never changes."""
        known = _version_of(found)
        if known not in self._newest:
            column = next((name for name in _TIME_COLUMNS if name in table.schema.names), "from_time")
            try:
                files = pa.table(found.get_add_actions(flatten=True))
            except OSError as error:
                raise _unreadable(table, error) from None
            name = f"max.{column}"
            newest = pc.max(files[name]).as_py() if name in files.column_names else None
            if _version_of(found) != known:  # others bring it up to now meanwhile
                return newest
            for old in [key for key in self._newest if key[0] == known[0]][:-8]:
                self._newest.pop(old, None)
            self._newest[known] = newest
        return self._newest[known]


def _version_of(found: DeltaTable) -> tuple[str, int]:
    """Return what tells a version of a table from all others, those of a table that was made anew too."""
    return str(found.metadata().id), found.version()


def _decoded(key: str, text: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreError(f"{key}: expected {kind.__name__.strip('_').lower()}, found: {error}") from None


def _unreadable(table: Table, error: OSError) -> StoreError:
    return StoreError(f"cannot read table {table.name}: {str(error).splitlines()[0]}")


def _rows_written(commit: Mapping[str, Any]) -> int | None:
    """Return how many rows a commit wrote, as Spark or delta-rs counts them; rows that it copied are no news."""
    metrics = commit.get("operationMetrics", {})
    written = metrics.get("numOutputRows", metrics.get("num_added_rows"))
    return None if written is None else int(written) - int(metrics.get("numCopiedRows", 0))


def _moment(millis: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=millis)
