"""The live chart's server as a program: killed, without a broker, asked to end; against what Kafka has acknowledged."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSCloseCode, WSMsgType

from contracts.records import MovingAverage
from infra.children import Child
from infra.setup.chart_library import MODULE
from infra.stack import StackInfo, kill_part, restart_part
from tests.integration.conftest import COINLAKE, own_stack
from tests.integration.live_windows import SLIDE_MS, LiveMarket, now_ms

FOLLOWED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
COINS = ("BTC", "ETH", "SOL", "DOGE", "XRP")
HISTORY_MS = 120_000
PAST_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 0.05

State = tuple[Decimal, Decimal | None, Decimal, int, int]
"""What is told of a window: mean, vwap, last, count, and when its newest event was, in ms."""


# --- what has to be told ----------------------------------------------------------------------------------------------


def state_of(window: MovingAverage) -> State:
    """Return what has to be told of a window that Kafka has."""
    return window.mean, window.vwap, window.last, window.count, round(window.event_time.timestamp() * 1000)


def state_told(point: Mapping[str, Any]) -> State:
    """Return what a point tells of its window."""
    vwap = None if point["vwap"] is None else Decimal(point["vwap"])
    return Decimal(point["mean"]), vwap, Decimal(point["last"]), point["count"], point["event"]


def remembered(market: LiveMarket, symbol: str) -> dict[int, State]:
    """Return the windows of a symbol that Kafka has and that are no older than the history, each as it is newest."""
    windows = market.newest(symbol)
    return {end: state_of(window) for end, window in windows.items() if end > max(windows) - HISTORY_MS}


def newest_event(market: LiveMarket, symbol: str) -> int:
    """Return when the newest event that Kafka has of a symbol happened, ms."""
    return max(state_of(window)[4] for window in market.newest(symbol).values())


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds, and fail where it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"expected within {PATIENCE_SECONDS:g} s: {what}"
        time.sleep(0.05)


def wait_for_trades(market: LiveMarket, symbol: str, seconds: float = 1.0) -> None:
    """Wait until Kafka has trades of so much later than now."""
    later = now_ms() + 1000 * seconds
    wait_until(lambda: newest_event(market, symbol) > later, f"later trades of {symbol}")


# --- the server -------------------------------------------------------------------------------------------------------


class LiveServer:
    """`coinlake serve-live` as a child process; started again, it is where it was."""

    def __init__(self, stack: StackInfo, folder: Path, **variables: str) -> None:
        self.log = folder / "serve-live.log"
        self._env = {"COINLAKE_HOME": str(stack.home), **stack.env(), **variables}
        self._port_file = folder / "live.port"
        self._children = ExitStack()
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._children.close()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._port_file.unlink(missing_ok=True)
        env = {**self._env, "COINLAKE_LIVE_PORT": str(self.port)}
        command = [*COINLAKE, "serve-live", "--port-file", str(self._port_file)]
        self.child = self._children.enter_context(Child("serve-live", command, env=env, each_line=print, log=self.log))
        wait_until(lambda: self._port_file.exists() or not self.child.running(), "a server that listens")
        assert self.child.running(), self.child.last_words()
        self.port = int(self._port_file.read_text())

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self.child.running(), self.child.last_words()
        self.child.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


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
    """A market with a past; it trades while a test has it open."""
    market = LiveMarket(stack.kafka_bootstrap_servers, coins=COINS, trades_a_second=50)
    market.past(PAST_SECONDS)
    return market


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
    """The server, which runs whatever the test before did to it."""
    if not shared_server.child.running():
        shared_server.start()
    return shared_server


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
