"""Connections to QuestDB's PG wire, each with the statements that it has prepared."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import asyncpg

from contracts.settings import QuestDbSettings

CONNECT_SECONDS = 3.0
CLOSE_SECONDS = 5.0


@dataclass
class Held:
    """A connection, and its prepared statements by their SQL: asked again, a question is one round trip."""

    connection: asyncpg.Connection
    is_ending: bool = False
    statements: dict[str, asyncpg.prepared_stmt.PreparedStatement] = field(default_factory=dict)

    async def prepared(self, sql: str) -> asyncpg.prepared_stmt.PreparedStatement:
        """Return a prepared statement."""
        if sql not in self.statements:
            self.statements[sql] = await self.connection.prepare(sql)
        return self.statements[sql]


class Connections:
    """Idle connections, by the limit at which QuestDB stops their queries; how many there are is up to who takes them.

    asyncpg's own pool forgets prepared statements, and resets sessions by statements that QuestDB does not know.
    """

    def __init__(self, connect: Callable[[float], Awaitable[asyncpg.Connection]]) -> None:
        """`connect` makes a connection whose queries QuestDB stops after so many seconds; see `connecting`."""
        self._connect = connect
        self._ending: set[asyncio.Task[None]] = set()
        self._idle: defaultdict[float, list[Held]] = defaultdict(list)

    async def take(self, seconds: float) -> Held:
        """Return a connection whose queries QuestDB stops after so long.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: it cannot be made.
        """
        while self._idle[seconds]:
            held = self._idle[seconds].pop()
            if not held.connection.is_closed():
                return held
        return Held(await self._connect(seconds))

    async def renew(self, held: Held, seconds: float) -> Held:
        """Return a connection that was just made, for one whose statements are of a table that is another by now.

        So are those of the idle ones: all are ended.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: it cannot be made.
        """
        held.connection.terminate()
        self._end_idle(seconds)
        return Held(await self._connect(seconds))

    def give_back(self, held: Held, seconds: float) -> None:
        """Keep a connection for the next question."""
        if not (held.is_ending or held.connection.is_closed()):
            self._idle[seconds].append(held)

    def end(self, held: Held) -> None:
        """End a connection whose query nobody waits for any more, after QuestDB was told to stop it."""
        held.is_ending = True
        ending = asyncio.create_task(_closed(held.connection))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def close(self) -> None:
        """End all that are idle."""
        for seconds in list(self._idle):
            self._end_idle(seconds)

    def _end_idle(self, seconds: float) -> None:
        while self._idle[seconds]:
            self._idle[seconds].pop().connection.terminate()


def connecting(place: QuestDbSettings) -> Callable[[float], Awaitable[asyncpg.Connection]]:
    """Return what connects to one QuestDB, with the seconds after which it stops a query."""

    async def connect(seconds: float) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=place.questdb_host,
            port=place.questdb_pg_port,
            user=place.questdb_user,
            password=place.questdb_password.get_secret_value(),
            database=place.questdb_database,
            ssl=False,
            timeout=CONNECT_SECONDS,
            server_settings={"options": f"-c statement_timeout={math.ceil(seconds * 1000)}"},
        )

    return connect


async def _closed(connection: asyncpg.Connection) -> None:
    """Close a connection, which waits until a cancel that is under way was sent and heard."""
    try:
        await connection.close(timeout=CLOSE_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
