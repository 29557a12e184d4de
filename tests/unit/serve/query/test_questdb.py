"""QuestDB's connections when a table is another by now than their statements know."""

import asyncio
import json
from typing import Any, cast

import asyncpg
import pytest

from contracts.settings import QuestDbSettings
from serve.query.errors import RefusedQueryError
from serve.query.queries import STORE_NAMES, read_queries
from serve.query.questdb_store import QuestDbStore
from serve.query.slots import Slots
from tests.unit.serve.query.served import lake_query

FILE = json.dumps({"t": lake_query("SELECT * FROM t", store="questdb")}).encode()
NAMED = read_queries(FILE, dict.fromkeys(STORE_NAMES, lambda _: None))["t"]
CONNECTIONS = 4


class _Statement:
    """A prepared statement, which is of the table as it was when it was prepared."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._version = server.version

    def get_parameters(self) -> tuple[()]:
        return ()

    def get_attributes(self) -> tuple[()]:
        return ()

    async def fetch(self) -> list[tuple[()]]:
        await self._server.all_have_asked()
        if self._version != self._server.version or self._server.is_always_outdated:
            raise asyncpg.ProtocolError("cannot decode message: unexpected column count")
        return [()]


class _Connection:
    def __init__(self, server: "Server") -> None:
        self._server = server
        self._closed = False

    async def prepare(self, _: str) -> _Statement:
        return _Statement(self._server)

    def is_closed(self) -> bool:
        return self._closed

    def terminate(self) -> None:
        self._server.open -= not self._closed
        self._closed = True


class Server:
    """A QuestDB whose table may change."""

    def __init__(self) -> None:
        self.version = 1
        self.open = 0
        self.is_always_outdated = False
        self._asked = 0
        self._gate = asyncio.Event()

    async def all_have_asked(self) -> None:
        """Wait until so many have asked as there shall be connections."""
        self._asked += 1
        if self._asked == CONNECTIONS:
            self._gate.set()
        await self._gate.wait()

    async def connect(self, _: float) -> asyncpg.Connection:
        self.open += 1
        return cast(Any, _Connection(self))


async def with_idle_connections(server: Server) -> QuestDbStore:
    """Return a store that has asked at once as often as may be."""
    store = QuestDbStore(QuestDbSettings(), Slots(CONNECTIONS, CONNECTIONS), server.connect)
    await asyncio.gather(*(store.answer(NAMED, {}) for _ in range(CONNECTIONS)))
    assert server.open == CONNECTIONS
    return store


@pytest.mark.parametrize("at_once", [False, True])
async def test_all_connections_know_only_the_old_table_and_everybody_is_answered(at_once: bool) -> None:
    server = Server()
    store = await with_idle_connections(server)
    server.version = 2
    if at_once:
        answers = await asyncio.gather(*(store.answer(NAMED, {}) for _ in range(CONNECTIONS)))
    else:
        answers = [await store.answer(NAMED, {}) for _ in range(CONNECTIONS)]
        assert server.open == 1
    assert [len(answer.rows) for answer in answers] == [1] * CONNECTIONS
    await store.close()
    assert server.open == 0


async def test_a_connection_that_was_just_made_and_fails_alike_is_a_refusal() -> None:
    server = Server()
    store = await with_idle_connections(server)
    server.is_always_outdated = True
    with pytest.raises(RefusedQueryError, match="unexpected column count"):
        await store.answer(NAMED, {})
    assert server.open == 0
