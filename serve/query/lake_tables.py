"""The tables of the lake as queries name them.

`candles`, `market_cap` and `market_snapshots` are the published Parquet; every Delta table is named with its layer, as
`silver_gaps` and `bronze_rejected`. `recent_` before a name opens its two newest dates alone, whatever the SQL says.
"""

import datetime as dt
import time
from collections.abc import Callable

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow import compute as pc
from pyarrow import dataset as ds
from pyarrow import fs

from contracts.errors import StoreError
from contracts.settings import LakeSettings
from contracts.tables import PUBLISHED, TABLES, Table
from serve.delta_tables import open_table
from serve.published import file_system_of, list_files, read_file, version_file
from serve.query.fresh import Fresh

RECENT = "recent_"
RECENT_DATES = 2
_PUBLISHED = {table.name: table for table in PUBLISHED}
_DELTA = {f"{table.layer}_{table.name}": table for table in TABLES}
_PLAIN = (*_PUBLISHED, *_DELTA)
TABLE_NAMES = (*_PLAIN, *(f"{RECENT}{name}" for name in _PLAIN))


class LakeTables:
    """Opens tables by their names; the files they consist of are remembered for a moment."""

    def __init__(self, lake: LakeSettings, fresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lake = lake
        self._datasets: Fresh[ds.Dataset] = Fresh(fresh_seconds, clock)
        self._tables: Fresh[DeltaTable] = Fresh(fresh_seconds, clock)
        self._system: tuple[fs.FileSystem, str] | None = None
        self._opened: dict[str, tuple[DeltaTable, object]] = {}
        self._told: dict[str, object] = {}
        self._states: dict[str, tuple[object, ds.Dataset]] = {}

    def open(self, name: str, *, anew: bool = False) -> ds.Dataset:
        """Open a table of TABLE_NAMES.

        Raises:
            NoDataError: there is no such table yet.
            StoreError: the object store does not answer or refuses.
        """
        return self._datasets.get(name, lambda: self._look_up(name, anew), anew=anew)

    def delta(self, table: Table, *, anew: bool = False) -> DeltaTable:
        """Open a Delta table as it stands.

        Raises:
            NoDataError: there is no such table yet.
            StoreError: the object store does not answer or refuses.
        """
        return self._tables.get(table.name, lambda: self._newest(table, anew), anew=anew)

    def tell(self, name: str, version: object) -> None:
        """Take note of the version of a table that others are about to hear of: no older rows are given from now on."""
        if self._told.get(name) != version:
            self._told[name] = version
            self._datasets.forget(name)
            self._datasets.forget(f"{RECENT}{name}")

    def _look_up(self, name: str, anew: bool) -> ds.Dataset:
        plain = name.removeprefix(RECENT)
        dates = RECENT_DATES if plain != name else None
        if plain in _PUBLISHED:
            listed = list_files(self._lake, _PUBLISHED[plain], newest_dates=dates)
            # A listing alone may not tell an object from one that replaced it within the same second.
            version = read_file(self._lake, version_file(_PUBLISHED[plain]))
            return self._same_or(name, (version, listed.state()), anew, listed.open)
        found = self.delta(_DELTA[plain], anew=anew)
        state = found.table_uri, found.metadata().id, found.version()
        return self._same_or(name, state, anew, lambda: self._rows(plain, found, dates))

    def _same_or(self, name: str, state: object, anew: bool, look: Callable[[], ds.Dataset]) -> ds.Dataset:
        """Return the dataset that was opened before, if it is in the same state: who knows it knows its rows."""
        before = self._states.get(name)
        if before is not None and before[0] == state and not anew:
            return before[1]
        opened = look()
        self._states[name] = state, opened
        return opened

    def _rows(self, plain: str, found: DeltaTable, dates: int | None) -> ds.Dataset:
        try:
            rows = found.to_pyarrow_dataset()
            if dates is None or not rows.files:
                return rows
            newest = sorted({partition["date"] for partition in found.partitions()})[-dates:]
        except OSError as error:
            raise StoreError(f"cannot read table {plain}: {str(error).splitlines()[0]}") from None
        return rows.filter(pc.field("date") >= pa.scalar(dt.date.fromisoformat(newest[0])))

    def _newest(self, table: Table, anew: bool) -> DeltaTable:
        """Bring a table that was opened before up to now, which reads the new entries of its log alone.

        A log that was made anew has other entries under the same numbers, and delta-rs would go on with both: it is
        told by the last entry that was read.
        """
        opened, entry = self._opened.pop(table.name, (None, None))
        try:
            if opened is not None:
                if anew or self._entry(table, opened.version()) != entry:
                    opened = None
                else:
                    opened.update_incremental()
        except (DeltaError, OSError):
            opened = None
        found = open_table(self._lake, table) if opened is None else opened
        version = found.version()
        self._opened[table.name] = found, self._entry(table, version)
        self.tell(f"{table.layer}_{table.name}", (found.metadata().id, version))
        return found

    def _entry(self, table: Table, version: int) -> object:
        """Return what tells the entry of a log from another of its number: size, and when it was written."""
        if self._system is None:
            self._system = file_system_of(self._lake)
        system, root = self._system
        try:
            info = system.get_file_info(f"{root}/{table.path}/_delta_log/{version:020}.json")
        except OSError as error:
            raise StoreError(f"cannot read table {table.name}: {str(error).splitlines()[0]}") from None
        return info.size, info.mtime_ns
