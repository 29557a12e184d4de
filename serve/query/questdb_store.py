"""QuestDB as a store, over the PG wire as a user who can change nothing."""

import asyncio
import datetime as dt
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import asyncpg

from contracts.settings import QuestDbSettings
from serve.query.errors import StoreDownError
from serve.query.failed import first_line, refused, stopped
from serve.query.queries import Named
from serve.query.questdb_connections import Connections, Held, connecting
from serve.query.result import Column, Result
from serve.query.slots import Slots
from serve.query.values import Value

_DOWN = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InvalidAuthorizationSpecificationError,
    ssl.SSLError,
)
_OUTDATED = (asyncpg.ProtocolError, asyncpg.OutdatedSchemaCacheError, asyncpg.InvalidCachedStatementError)
"""What comes of a prepared statement when its table has other columns by now."""
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
    """Answers queries on QuestDB.

    QuestDB itself stops a query at the limit that its connection was made with. asyncpg's cancel comes on top, for a
    client that leaves; it needs a free worker of QuestDB's PG wire (`pg.worker.count`).
    """

    def __init__(
        self,
        settings: QuestDbSettings,
        slots: Slots,
        connect: Callable[[float], Awaitable[asyncpg.Connection]] | None = None,
    ) -> None:
        self._settings = settings
        self._slots = slots
        self._connections = Connections(connect or connecting(settings))

    def check(self, named: Named) -> None:
        """See `Store.check`: QuestDB's SQL is judged by QuestDB, when it runs."""

    async def answer(self, named: Named, values: Mapping[str, Value | None]) -> Result:
        """See `Store.answer`."""
        seconds = named.query.time_limit_seconds
        async with self._slots.turn(seconds):
            held = await self._made(self._connections.take(seconds))
            try:
                try:
                    return await self._asked(held, named, values)
                except _OUTDATED:
                    held = await self._made(self._connections.renew(held, seconds))
                    return await self._asked(held, named, values)
            except _OUTDATED as error:  # of a statement that was just prepared
                held.connection.terminate()
                raise refused(named, str(error)) from None
            finally:
                self._connections.give_back(held, seconds)

    async def close(self) -> None:
        """See `Store.close`."""
        self._connections.close()

    async def _made(self, connection: Awaitable[Held]) -> Held:
        try:
            return await connection
        except (*_DOWN, TimeoutError, asyncpg.PostgresError) as error:
            raise self._down(error) from None

    async def _asked(self, held: Held, named: Named, values: Mapping[str, Value | None]) -> Result:
        try:
            return await _answer(held, named, values)
        except TimeoutError:
            self._connections.end(held)
            raise stopped(named) from None
        except _OUTDATED:
            raise
        except _DOWN as error:
            held.connection.terminate()
            raise self._down(error) from None
        except asyncpg.PostgresError as error:
            raise (stopped(named) if _is_stopped(error) else refused(named, str(error))) from None
        except asyncio.CancelledError:
            self._connections.end(held)
            raise

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


async def _answer(held: Held, named: Named, values: Mapping[str, Value | None]) -> Result:
    limit = named.query.row_limit
    async with asyncio.timeout(named.query.time_limit_seconds + _GRACE_SECONDS):
        # The limit is a number of ours; the SQL is one SELECT whose parentheses match.
        statement = await held.prepared(f"SELECT * FROM (\n{named.statement.numbered()}\n) LIMIT {limit + 1}")
        bound = [
            _bound(values[name], wanted.name)
            for name, wanted in zip(named.statement.names, statement.get_parameters(), strict=True)
        ]
        try:
            records = await statement.fetch(*bound)
        except asyncpg.DataError as error:  # before it is sent: this value is none of what QuestDB wants here
            raise refused(named, str(error)) from None
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
