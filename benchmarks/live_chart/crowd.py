"""Many clients on one server, one of them stalled: what each hears against what Kafka has, memory and CPU."""

import datetime as dt
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from benchmarks.live_chart.chain import Chain, chain
from benchmarks.live_chart.clients import Heard, read_told
from benchmarks.live_engines.latency import Latency, summarize
from benchmarks.live_engines.results import Stored, read_topic
from benchmarks.usage import tree
from contracts.errors import NoDataError, StackError
from contracts.streams import CRYPTO_DATA_AGGREGATED
from infra.children import Child
from infra.demo.memory import memory_bytes

WARMUP_SECONDS = 20.0
OPEN_SECONDS = 120.0
LOOK_SECONDS = 2.0
UNSETTLED_MS = 3000
"""Windows that end so shortly before the clients leave may still be on their way."""


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """One run with many clients.

    Compared is, for every client but the stalled one, each window of its symbol that ended while all were connected
    with the newest state of it in Kafka: `windows` of them, `lost` were never told, `old` not in their newest state;
    `repeated` points told nothing new. Latencies in ms; whole milliseconds at the server's side. `memory_bytes` is the
    server's proportional set size, every two seconds. `cores` is CPU seconds per second.
    """

    clients: int
    rate: float
    seconds: float
    windows: int
    lost: int
    old: int
    repeated: int
    disconnected: dict[str, int]
    frames_per_second: float
    points_per_second: float
    received_after_sent: Latency
    received_after_event: Latency
    cores: dict[str, float]
    clients_per_core: float
    memory_bytes: list[int]


def measure_crowd(clients: int, rate: float, seconds: float, home: Path, say: Callable[[str], None]) -> Crowd:
    """Let so many clients follow one server for so long.

    Raises:
        StackError: a part did not start, or the clients did not get in.
        NoDataError: nothing was heard.
    """
    # The stalled client is not to be cut off: it is to stall from the first second to the last.
    settings = {"COINLAKE_LIVE_SEND_SECONDS": "3600", "COINLAKE_LIVE_MAX_CLIENTS": str(clients + 1)}
    with chain(home, "spark-real-time", say, settings) as running:
        opened, out = home / "opened", home / "heard"
        arguments = ("--clients", str(clients), "--seconds", str(seconds), "--opened", str(opened), "--out", str(out))
        length = WARMUP_SECONDS + OPEN_SECONDS + seconds + 60
        with running.generator(rate, length, home / "sent"):
            time.sleep(WARMUP_SECONDS)
            socket = running.url.replace("http", "ws", 1) + "/ws"
            with running.child("benchmarks.live_chart.clients", "--url", socket, *arguments) as crowd:
                _wait(opened, crowd)
                say(f"  {clients} clients are connected")
                from_ms, before = time.time() * 1000, running.cpu_seconds()
                memory = _watch(running, seconds)
                until_ms, after = time.time() * 1000, running.cpu_seconds()
                crowd.finish()
        told = read_told(out)
        stored = read_topic(running.stack.kafka_bootstrap_servers, CRYPTO_DATA_AGGREGATED.topic)
    truth = newest_counts(stored)
    lost, old, windows = compare(told.clients, truth, from_ms, until_ms - UNSETTLED_MS)
    cores = {name: (after[name] - before[name]) / seconds for name in after}
    return Crowd(
        clients=clients,
        rate=rate,
        seconds=seconds,
        windows=windows,
        lost=lost,
        old=old,
        repeated=sum(client.repeated for client in told.clients),
        disconnected=told.ended,
        frames_per_second=told.frames / seconds,
        points_per_second=told.points / seconds,
        received_after_sent=_latency(told.received_after_sent),
        received_after_event=_latency(told.received_after_event),
        cores=cores,
        clients_per_core=clients / cores["server"],
        memory_bytes=memory,
    )


class _State(msgspec.Struct, frozen=True):
    symbol: str
    window_end: dt.datetime
    count: int


_state = msgspec.json.Decoder(_State)


def newest_counts(stored: Iterable[Stored]) -> dict[str, dict[int, int]]:
    """Return how many events the newest state of each window holds, by symbol and window end (ms)."""
    found: dict[str, dict[int, int]] = {}
    for message in stored:
        state = _state.decode(message.value or b"")
        windows, end = found.setdefault(state.symbol, {}), round(state.window_end.timestamp() * 1000)
        windows[end] = max(windows.get(end, 0), state.count)
    return found


def compare(
    clients: Iterable[Heard], truth: dict[str, dict[int, int]], from_ms: float, until_ms: float
) -> tuple[int, int, int]:
    """Hold what clients have heard against Kafka, for windows that end within a time: lost, old, and how many.

    >>> heard = [Heard("A", {500: 2, 1000: 1}, 0), Heard("A", {500: 1}, 0)]
    >>> compare(heard, {"A": {500: 2, 1000: 1, 1500: 4}}, 500, 1000)
    (1, 1, 4)
    """
    lost = old = windows = 0
    for client in clients:
        for end, count in truth.get(client.symbol, {}).items():
            if from_ms <= end <= until_ms:
                windows += 1
                heard = client.windows.get(end)
                lost += heard is None
                old += heard is not None and heard < count
    return lost, old, windows


def _wait(opened: Path, crowd: Child) -> None:
    deadline = time.monotonic() + OPEN_SECONDS
    while not opened.exists():
        if not crowd.running() or time.monotonic() > deadline:
            raise StackError(f"the clients did not all get in within {OPEN_SECONDS:g} s: {crowd.last_words()}")
        time.sleep(0.1)


def _watch(running: Chain, seconds: float) -> list[int]:
    """Look at the server's memory until the time is up."""
    memory = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        running.demand_running()
        memory.append(sum(map(memory_bytes, tree(running.server.pid))))
        time.sleep(min(LOOK_SECONDS, max(0.0, until - time.monotonic())))
    return memory


def _latency(milliseconds: list[float]) -> Latency:
    found = summarize(milliseconds)
    if found is None:
        raise NoDataError("expected points at the clients, found none")
    return found
