"""The live chart's server as a child process, and what it has to tell: what Kafka has acknowledged."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contracts.records import MovingAverage
from infra.children import Child
from infra.stack import StackInfo
from tests.integration.conftest import COINLAKE
from tests.integration.live_windows import LiveMarket, now_ms

COINS = ("BTC", "ETH", "SOL", "DOGE", "SHIB")
HISTORY_MS = 120_000
PATIENCE_SECONDS = 240.0

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


def market_of(stack: StackInfo, past_seconds: float) -> LiveMarket:
    """Return a market with a past; it trades while a test has it open."""
    market = LiveMarket(stack.kafka_bootstrap_servers, coins=COINS, trades_a_second=50)
    market.past(past_seconds)
    return market


def running(server: LiveServer) -> LiveServer:
    """Return the server, which runs whatever the test before did to it."""
    if not server.child.running():
        server.start()
    return server
