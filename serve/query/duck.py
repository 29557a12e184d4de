"""DuckDB in memory: it reads the Arrow tables that it is given, and nothing else of this machine or the network."""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import duckdb
import pyarrow as pa
from pyarrow import dataset as ds

from serve.query.arrow_result import UnfitError, result_of
from serve.query.duck_sql import Parsed, parse, varying_functions
from serve.query.errors import StoreDownError
from serve.query.failed import first_line, refused, stopped
from serve.query.queries import STORE_NAMES, Named
from serve.query.remembered import Remembered
from serve.query.result import Result
from serve.query.values import Value

Source: TypeAlias = ds.Dataset | pa.Table
Sources = Callable[[bool], Mapping[str, Source]]
"""Opens the tables of one query, with True anew, whatever is remembered; runs in a thread and may take its time."""

_STOP_SECONDS = 0.02
_GRACE_SECONDS = 2.0
_BATCH_ROWS = 2048
_EXTRA_THREADS = 4
"""Beyond those that may run: a thread that is still opening files after its time is up holds few others up."""
_FAULTS_OF_THE_QUERY = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.TypeMismatchException,
    duckdb.InvalidInputException,
    duckdb.InvalidTypeException,
    duckdb.NotImplementedException,
    duckdb.ConstraintException,
    duckdb.PermissionException,
    duckdb.OutOfMemoryException,
)
_FAULTS = (duckdb.Error, pa.ArrowException, OSError)
_READING = "reading the stream registered as"
"""What DuckDB says, as of an invalid input, when a file that it is given by Arrow cannot be read."""


class Duck:
    """One DuckDB for all queries; each has a connection of its own, whose tables are gone with it.

    Every store has threads of its own, so many as may run of its queries and a few more: a store that hangs holds up
    no other.
    """

    def __init__(self, *, threads: int, memory: str, running: int) -> None:
        self._remembered = Remembered()
        self._root = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "threads": str(threads),
                "memory_limit": memory,
                "temp_directory": "",
                "python_enable_replacements": "false",
            }
        )
        self._root.execute("SET TimeZone = 'UTC'")
        self._root.execute("SET enable_external_access = false")
        self._root.execute("SET lock_configuration = true")
        self._pools = {
            store: ThreadPoolExecutor(running + _EXTRA_THREADS, thread_name_prefix=f"duckdb_{store}")
            for store in STORE_NAMES
        }
        self._stopping: set[asyncio.Task[None]] = set()

        self._varying = varying_functions(self._root)
        self._parsed: dict[str, Parsed] = {}

    def tables(self, named: Named, known: Collection[str]) -> frozenset[str]:
        """Return which of the known tables a query names; what its SQL says is remembered.

        Raises:
            SettingsError: it is no single SELECT, or names a table that is not known.
        """
        sql = _sql(named)
        if sql not in self._parsed:
            self._parsed[sql] = parse(self._root, sql, known, self._varying)
        return self._parsed[sql].tables

    async def answer(self, named: Named, values: Mapping[str, Value | None], sources: Sources) -> Result:
        """Run a query on the tables that `sources` opens, and stop it at its time limit or when nobody waits any more.

        Raises:
            RefusedQueryError: DuckDB refuses it.
            TimeLimitError: it took too long.
            StoreDownError: its tables were not even open by then.
            QueryError: what `sources` raises.
        """
        connection, opened = self._root.cursor(), threading.Event()

        def open_sources(anew: bool) -> Mapping[str, Source]:
            opened.clear()
            found = sources(anew)
            opened.set()
            return found

        pool = self._pools[named.query.store]
        done = pool.submit(_work, connection, named, values, open_sources, self._remembered_for(named))
        answered = asyncio.wrap_future(done)
        answered.add_done_callback(_heard)
        try:
            async with asyncio.timeout(named.query.time_limit_seconds):
                return await asyncio.shield(answered)
        except TimeoutError:
            raise (stopped(named) if opened.is_set() else _hangs(named)) from None
        finally:
            stopping = asyncio.create_task(_stopped(connection, done))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)
            # What cannot be interrupted, a request to an object store, has a time limit of its own.
            await asyncio.wait([stopping], timeout=_GRACE_SECONDS)

    def _remembered_for(self, named: Named) -> Remembered | None:
        parsed = self._parsed.get(_sql(named))
        return self._remembered if parsed is not None and parsed.is_lasting and parsed.tables else None

    def close(self) -> None:
        """End all threads."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in self._pools.values():
            pool.shutdown(wait=True)
        self._root.close()


def _hangs(named: Named) -> StoreDownError:
    """Make the error of a query whose tables could not be opened in its time."""
    return StoreDownError(
        f"{named.query.store}: does not answer",
        expected=f"open tables within {named.query.time_limit_seconds:g} s",
        found="none yet",
    )


def _heard(answered: "asyncio.Future[Result]") -> None:
    """Take note of an error that comes when nobody waits any more."""
    if not answered.cancelled():
        answered.exception()


async def _stopped(connection: duckdb.DuckDBPyConnection, done: "Future[Result]") -> None:
    """Interrupt until the work has ended: an interrupt between two of its steps is heard by none of them."""
    done.cancel()
    while not done.done():
        connection.interrupt()
        await asyncio.sleep(_STOP_SECONDS)
    connection.close()


def _work(
    connection: duckdb.DuckDBPyConnection,
    named: Named,
    values: Mapping[str, Value | None],
    sources: Sources,
    remembered: Remembered | None,
) -> Result:
    """Run in a thread. Files that were replaced or removed while they were read are looked for once more."""
    try:
        try:
            opened = sources(False)
            if remembered is None or not all(isinstance(source, ds.Dataset) for source in opened.values()):
                return _run(connection, named, values, opened)
            sql = f"{_sql(named)}\n{named.query.row_limit}"
            known = remembered.get(sql, values, opened)
            if known is None:
                known = _run(connection, named, values, opened)
                remembered.put(sql, values, opened, known)
            return known
        except _FAULTS as error:
            if not _is_of_files(error):
                raise
            return _run(connection, named, values, sources(True))
    except duckdb.InterruptException:
        raise stopped(named) from None
    except _FAULTS as error:
        if _is_of_files(error):
            raise StoreDownError(f"{named.query.store}: cannot be read", found=first_line(str(error))) from None
        raise refused(named, str(error)) from None


def _is_of_files(error: Exception) -> bool:
    if isinstance(error, duckdb.InterruptException):
        return False
    return not isinstance(error, _FAULTS_OF_THE_QUERY) or _READING in str(error)


def _run(
    connection: duckdb.DuckDBPyConnection,
    named: Named,
    values: Mapping[str, Value | None],
    sources: Mapping[str, Source],
) -> Result:
    for name, source in sources.items():
        connection.register(name, source)
    given = {name: values[name] for name in named.statement.names}
    relation = connection.sql(_sql(named), params=given)
    try:
        return result_of(relation.to_arrow_reader(_BATCH_ROWS), named.query.row_limit)
    except UnfitError as error:
        raise refused(named, str(error)) from None


def _sql(named: Named) -> str:
    return named.statement.written(lambda name: f"${name}")
