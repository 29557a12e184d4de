"""The lake as a store: DuckDB over the published Parquet, the Delta tables, and what is known of them."""

from collections.abc import Mapping

import pyarrow as pa

from contracts.errors import NoDataError, StoreError
from contracts.settings import LakeSettings
from serve.query.duck import Duck, Source
from serve.query.errors import NothingThereError, StoreDownError
from serve.query.fresh import Fresh
from serve.query.lake_facts import LakeFacts
from serve.query.lake_tables import TABLE_NAMES, LakeTables
from serve.query.queries import Named
from serve.query.result import Result
from serve.query.slots import Slots
from serve.query.values import Value


class LakeStore:
    """Answers queries on the lake."""

    def __init__(self, lake: LakeSettings, tables: LakeTables, duck: Duck, slots: Slots, fresh_seconds: float) -> None:
        self._duck = duck
        self._slots = slots
        self._tables = tables
        self._facts = LakeFacts(lake, self._tables)
        self._read: Fresh[pa.Table] = Fresh(fresh_seconds)
        self._known = frozenset((*TABLE_NAMES, *self._facts.readers))

    def check(self, named: Named) -> None:
        """See `Store.check`."""
        self._duck.tables(named, self._known)

    async def answer(self, named: Named, values: Mapping[str, Value | None]) -> Result:
        """See `Store.answer`."""
        names = self._duck.tables(named, self._known)
        async with self._slots.turn(named.query.time_limit_seconds):
            return await self._duck.answer(
                named, values, lambda anew: {name: self._open(name, anew) for name in sorted(names)}
            )

    async def close(self) -> None:
        """See `Store.close`; DuckDB is not ours."""

    def _open(self, name: str, anew: bool) -> Source:
        try:
            if name in self._facts.readers:
                return self._read.get(name, lambda: self._facts.readers[name](anew), anew=anew)
            return self._tables.open(name, anew=anew)
        except NoDataError as error:
            raise NothingThereError(str(error)) from None
        except StoreError as error:
            raise StoreDownError(f"lake: {error}") from None
