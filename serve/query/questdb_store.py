"""QuestDB as a store, over the PG wire as a user who can change nothing."""

import asyncio
import datetime as dt
import math
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg

from contracts.settings import QuestDbSettings
from serve.query.errors import StoreDownError
from serve.query.failed import first_line, refused, stopped
from serve.query.queries import Named
from serve.query.result import Column, Result
from serve.query.slots import Slots
from serve.query.values import Value

_CONNECT_SECONDS = 3.0
_IDLE_SECONDS = 60.0
_DOWN = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InvalidAuthorizationSpecificationError,
    ssl.SSLError,
)
_GRACE_SECONDS = 1.0
"""How much later than its limit a query is given up that QuestDB has not stopped."""
_TYPES: Mapping[str, str] = {
    "bool": "boolean",
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "float4": "float",
    "float8": "float",
    "numeric": "decimal",
    "timestamp": "time",
    "timestamptz": "time",
    "date": "date",
    "bytea": "binary",
}
"""What QuestDB's types are on the wire; all others are text."""


class QuestDbStore:
    """Answers queries on QuestDB. Connections are made when they are needed and kept for a while.

    QuestDB itself stops a query at the limit that its connection was made with, so there are connections for each limit
    that the file of queries has. asyncpg's cancel comes on top, for a client that leaves; it needs a free worker of
    QuestDB's PG wire (`pg.worker.count`).
    """

    def __init__(self, settings: QuestDbSettings, slots: Slots, *, connections: int) -> None:
        self._settings = settings
        self._slots = slots
        self._connections = connections
        self._pools: dict[float, asyncpg.Pool] = {}
        self._making = asyncio.Lock()

    def check(self, named: Named) -> None:
        """See `Store.check`: QuestDB's SQL is judged by QuestDB, when it runs."""

    async def answer(self, named: Named, values: Mapping[str, Value | None]) -> Result:
        """See `Store.answer`."""
        seconds = named.query.time_limit_seconds
        async with self._slots.turn(seconds), self._connection(seconds) as connection:
            try:
                return await _answer(connection, named, values)
            except TimeoutError:
                raise stopped(named) from None
            except _DOWN as error:
                raise self._down(error) from None
            except asyncpg.PostgresError as error:
                raise (stopped(named) if _is_stopped(error) else refused(named, str(error))) from None
            except (asyncpg.DataError, OverflowError) as error:
                raise refused(named, str(error)) from None

    async def close(self) -> None:
        """See `Store.close`."""
        for pool in self._pools.values():
            pool.terminate()

    @asynccontextmanager
    async def _connection(self, seconds: float) -> AsyncIterator[asyncpg.Connection]:
        try:
            pool = await self._made(seconds)
            connection = await pool.acquire(timeout=_CONNECT_SECONDS)
        except (*_DOWN, TimeoutError, asyncpg.PostgresError) as error:
            raise self._down(error) from None
        try:
            yield connection
        finally:
            await pool.release(connection, timeout=_CONNECT_SECONDS)

    async def _made(self, seconds: float) -> asyncpg.Pool:
        async with self._making:
            if seconds not in self._pools:
                found = self._settings
                self._pools[seconds] = await asyncpg.create_pool(
                    host=found.questdb_host,
                    port=found.questdb_pg_port,
                    user=found.questdb_user,
                    password=found.questdb_password.get_secret_value(),
                    database=found.questdb_database,
                    ssl=False,
                    server_settings={"options": f"-c statement_timeout={math.ceil(seconds * 1000)}"},
                    min_size=0,
                    max_size=self._connections,
                    timeout=_CONNECT_SECONDS,
                    max_inactive_connection_lifetime=_IDLE_SECONDS,
                    # QuestDB knows none of the statements by which asyncpg resets a session; ours leave nothing behind.
                    reset=_nothing_to_reset,
                )
            return self._pools[seconds]

    def _down(self, error: Exception) -> StoreDownError:
        place = f"{self._settings.questdb_host}:{self._settings.questdb_pg_port}"
        return StoreDownError(
            f"questdb: {place} does not answer",
            expected=f"QuestDB's PG wire for user {self._settings.questdb_user}",
            found=first_line(str(error)) or type(error).__name__,
        )


def _is_stopped(error: asyncpg.PostgresError) -> bool:
    """Say whether QuestDB ended a query at its limit, or because it was told to; it has no code for either."""
    return isinstance(error, asyncpg.QueryCanceledError) or re.search(r"^(timeout|cancelled)\b", str(error)) is not None


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Leave a connection as it is."""


async def _answer(connection: asyncpg.Connection, named: Named, values: Mapping[str, Value | None]) -> Result:
    limit = named.query.row_limit
    async with asyncio.timeout(named.query.time_limit_seconds + _GRACE_SECONDS):
        # The limit is a number of ours; the SQL is one SELECT whose parentheses match.
        statement = await connection.prepare(f"SELECT * FROM (\n{named.statement.numbered()}\n) LIMIT {limit + 1}")
        bound = [
            _bound(values[name], wanted.name)
            for name, wanted in zip(named.statement.names, statement.get_parameters(), strict=True)
        ]
        records = await statement.fetch(*bound)
    columns = tuple(
        Column(attribute.name, _TYPES.get(attribute.type.name, "text")) for attribute in statement.get_attributes()
    )
    rows = [_row(record, columns) for record in records[:limit]]
    return Result(columns, rows, truncated=len(records) > limit)


def _row(record: Sequence[Any], columns: Sequence[Column]) -> tuple[object, ...]:
    return tuple(
        str(cell) if column.type == "text" and cell is not None else cell
        for cell, column in zip(record, columns, strict=True)
    )


def _bound(value: Value | None, wanted: str) -> object:
    """Give a value as QuestDB wants it at this place; its times have no zone and are UTC."""
    if isinstance(value, dt.datetime):
        utc = value.astimezone(dt.UTC)
        value = utc if wanted == "timestamptz" else utc.replace(tzinfo=None)
    make = _MAKERS.get(wanted)
    return value if value is None or make is None else make(value)


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, dt.date) else str(value)


_MAKERS: Mapping[str, Callable[[Any], object]] = {"text": _plain_text, "varchar": _plain_text, "numeric": Decimal}
