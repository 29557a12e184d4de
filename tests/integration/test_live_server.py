"""The live chart's server as a program: killed, without a broker, asked to end; against what Kafka has acknowledged."""

import asyncio
import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSCloseCode, WSMsgType

from infra.setup.chart_library import MODULE
from infra.stack import StackInfo, kill_part, restart_part
from tests.integration.conftest import own_stack
from tests.integration.live_server import (
    COINS,
    PATIENCE_SECONDS,
    LiveServer,
    State,
    market_of,
    newest_event,
    remembered,
    running,
    state_of,
    state_told,
    wait_for_trades,
    wait_until,
)
from tests.integration.live_windows import SLIDE_MS, LiveMarket

FOLLOWED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
PAST_SECONDS = 30.0
RETRY_SECONDS = 0.05

# --- a client ---------------------------------------------------------------------------------------------------------


@dataclass
class Heard:
    """All that one client was told."""

    connections: int = 0
    closed_with: list[int | None] = field(default_factory=list)
    histories: list[dict[str, Any]] = field(default_factory=list)
    points: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    sequences: dict[str, int] = field(default_factory=dict)

    def take(self, message: dict[str, Any]) -> None:
        """Take in a message."""
        if message["type"] == "history":
            self.histories.append(message)
        if message["type"] not in {"history", "points"}:
            self.others.append(message)
        for point in message.get("points", []):
            symbol, sequence = point["symbol"], point["sequence"]
            self.sequences[symbol] = max(sequence, self.sequences.get(symbol, -1))
            self.points.append(point)

    def windows(self, symbol: str) -> dict[int, State]:
        """Return the newest state of each window."""
        found: dict[int, State] = {}
        for point in list(self.points):
            state = state_told(point)
            if point["symbol"] == symbol and (point["end"] not in found or state[3] >= found[point["end"]][3]):
                found[point["end"]] = state
        return found

    def newest_event(self, symbol: str) -> int:
        """Return when the newest event that was told happened, ms."""
        return max((point["event"] for point in list(self.points) if point["symbol"] == symbol), default=0)


class Follower:
    """A client that follows symbols, and goes on after its newest sequences wherever its connection ends."""

    def __init__(self, port: int, symbols: tuple[str, ...] = FOLLOWED) -> None:
        self.heard = Heard()
        self._url = f"http://127.0.0.1:{port}/ws"
        self._symbols = symbols
        self._loop = asyncio.new_event_loop()
        self._following = self._loop.create_task(self._follow())
        self._thread = threading.Thread(target=self._run, name="follower")

    @contextmanager
    def open(self) -> Iterator[Heard]:
        """Follow as long as the block runs."""
        self._thread.start()
        try:
            yield self.heard
        finally:
            self._loop.call_soon_threadsafe(self._following.cancel)
            self._thread.join()
            self._loop.close()
        if not self._following.cancelled():
            self._following.result()

    def _run(self) -> None:
        self._loop.run_until_complete(asyncio.wait([self._following]))

    async def _follow(self) -> None:
        async with ClientSession() as session:
            while True:
                try:
                    async with session.ws_connect(self._url) as socket:
                        await self._listen(socket)
                        self.heard.closed_with.append(socket.close_code)
                except ClientError:
                    pass
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, socket: ClientWebSocketResponse) -> None:
        wanted = {symbol: self.heard.sequences.get(symbol) for symbol in self._symbols}
        await socket.send_json({"type": "subscribe", "symbols": wanted})
        self.heard.connections += 1
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.heard.take(json.loads(message.data))


def wait_for_all(heard: Heard, market: LiveMarket) -> None:
    """Wait until a client has the newest windows that Kafka has."""
    for symbol in FOLLOWED:
        wait_until(partial(is_told, heard, market, symbol), f"all windows of {symbol}")


def is_told(heard: Heard, market: LiveMarket, symbol: str) -> bool:
    """Say whether a client has all windows that Kafka has; others that it has were told before they were too old."""
    return remembered(market, symbol).items() <= heard.windows(symbol).items()


def has_histories(heard: Heard, least: int) -> bool:
    """Say whether a client was sent so many histories."""
    return len(heard.histories) >= least


def check(heard: Heard, market: LiveMarket) -> None:
    """Demand that all was told, once, and nothing that Kafka does not have."""
    for symbol in FOLLOWED:
        told, has = heard.windows(symbol), {end: state_of(window) for end, window in market.newest(symbol).items()}
        assert told == {end: has.get(end) for end in told}
        assert remembered(market, symbol).items() <= told.items()
    states = Counter((point["symbol"], point["end"], point["count"]) for point in heard.points)
    assert [state for state, times in states.items() if times > 1] == []
    sequences = Counter((point["symbol"], point["sequence"]) for point in heard.points)
    assert [sequence for sequence, times in sequences.items() if times > 1] == []
    assert {point["symbol"] for point in heard.points} == set(FOLLOWED)
    assert Counter(history["symbol"] for history in heard.histories if history["reset"]) == Counter(FOLLOWED)


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """A stack of our own: its broker is killed."""
    with own_stack(tmp_path_factory.mktemp("live") / "home") as info:
        yield info


@pytest.fixture(scope="module")
def market(stack: StackInfo) -> LiveMarket:
    return market_of(stack, PAST_SECONDS)


@pytest.fixture(scope="module")
def shared_server(
    stack: StackInfo, market: LiveMarket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server on a free port, younger than the past; the library that draws charts is nothing to it."""
    folder = tmp_path_factory.mktemp("server")
    library = folder / MODULE.name
    library.write_text("export {};\n")
    with LiveServer(stack, folder, COINLAKE_LIVE_CHART_LIBRARY=str(library)) as server:
        yield server


@pytest.fixture
def server(shared_server: LiveServer) -> LiveServer:
    return running(shared_server)


def test_a_new_client_has_the_history_at_once(server: LiveServer, market: LiveMarket) -> None:
    with Follower(server.port).open() as earlier:
        with market.open():
            wait_for_trades(market, FOLLOWED[0])
        wait_for_all(earlier, market)
    # Nothing is traded any longer: all that this one is told comes from what the server remembers.
    with Follower(server.port).open() as heard:
        wait_until(partial(has_histories, heard, len(FOLLOWED)), "histories")
        assert [message["type"] for message in heard.others] == ["hello"]
        for history in heard.histories:
            told = {point["end"]: state_told(point) for point in history["points"]}
            assert history["reset"]
            assert list(told) == sorted(told)
            assert len(told) > PAST_SECONDS * 1000 / SLIDE_MS
            assert told == remembered(market, history["symbol"])
        assert len(heard.points) == sum(len(history["points"]) for history in heard.histories)
    listed = {row["symbol"]: row for row in json.loads(server.get("/api/symbols")[1])["symbols"]}
    assert listed.keys() == {f"{coin}USDT" for coin in COINS}
    for symbol, row in listed.items():
        assert row["newest"] == newest_event(market, symbol)
        assert row["points"] == len(remembered(market, symbol))


def test_a_client_follows_through_two_kills_of_the_server(server: LiveServer, market: LiveMarket) -> None:
    with Follower(server.port).open() as heard:
        with market.open():
            wait_until(lambda: heard.newest_event(FOLLOWED[0]), "a first window")
            for kills in (1, 2):
                wait_for_trades(market, FOLLOWED[0])
                server.kill()
                wait_for_trades(market, FOLLOWED[0])  # so that something is missed
                server.start()
                answers = (kills + 1) * len(FOLLOWED)
                wait_until(partial(has_histories, heard, answers), "a client that has come back")
            wait_for_trades(market, FOLLOWED[0])
        wait_for_all(heard, market)
    check(heard, market)
    missed = heard.histories[len(FOLLOWED) :]
    assert all(history["points"] and not history["reset"] for history in missed)
    assert heard.closed_with == [WSCloseCode.ABNORMAL_CLOSURE] * 2
    assert heard.connections == 3


def test_a_broker_that_is_killed_ends_no_connection_and_loses_no_window(
    server: LiveServer, market: LiveMarket, stack: StackInfo
) -> None:
    with Follower(server.port).open() as heard:
        with market.open():
            wait_until(lambda: heard.newest_event(FOLLOWED[0]), "a first window")
            wait_until(lambda: server.get("/healthz")[0] == 200, "a healthy server")
            kill_part(stack.home, "kafka")
            wait_until(lambda: server.get("/healthz")[0] == 503, "a server that says what it lacks")
            body = json.loads(server.get("/healthz")[1])
            assert not body["healthy"]
            assert stack.kafka_bootstrap_servers in body["reason"]
            restart_part(stack.home, "kafka")
            wait_until(lambda: server.get("/healthz")[0] == 200, "a server that is healthy again")
            wait_for_trades(market, FOLLOWED[0])
        wait_for_all(heard, market)
        assert heard.connections == 1
        assert heard.closed_with == []
    check(heard, market)


def test_asked_to_end_it_tells_its_clients_and_ends_well(server: LiveServer, market: LiveMarket) -> None:
    with market.open(), Follower(server.port).open() as heard:
        wait_until(lambda: heard.newest_event(FOLLOWED[0]), "a first window")
        os.kill(server.child.pid, signal.SIGTERM)
        assert server.child.wait(PATIENCE_SECONDS) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(server.child.pid, 0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
        wait_until(lambda: heard.closed_with, "a client that was told")
        assert heard.closed_with == [WSCloseCode.GOING_AWAY]
    assert "Traceback" not in server.log.read_text()
