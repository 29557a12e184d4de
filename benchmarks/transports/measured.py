"""What a transport carries in a second, how long a message takes, and what is lost while one side is away."""

import multiprocessing
import shutil
import time
from collections.abc import Callable, Sequence
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.transports.ports import free_pair
from benchmarks.transports.sender import Plan, send
from contracts.errors import StackError
from contracts.settings import KafkaSettings
from contracts.streams import BITCOIN, WALLEX
from infra.crashtest.run import fresh_stack
from infra.terminal import say
from serve.export.feed import Feed, Lane, Message
from serve.export.feeds import feed_of

COUNT = 100_000
WARM_UP = 20_000
PACE = 1000.0
PACED_SECONDS = 20.0
AWAY_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
FLAT_OUT, PACED, CONSUMER_AWAY, PRODUCER_KILLED = (
    "as fast as it goes",
    f"{PACE:,.0f}/s",
    f"consumer away {AWAY_SECONDS:g} s",
    "producer killed",
)
_SPAWN = multiprocessing.get_context("spawn")


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What one measurement found; times are from a record's being made to its being handed out, in ms.

    `sent` counts what the sink said was sent, `arrived` what the feed handed out, `lost` what of the sent never came.
    """

    transport: str
    topic: str
    mode: str
    sent: int
    arrived: int
    lost: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


class _Stamp(msgspec.Struct):
    symbol: str = ""
    post_id: str = ""


class _Arrivals:
    """Takes from a feed, and keeps when each message was made and came."""

    def __init__(self, plan: Plan, positions: dict[Lane, int]) -> None:
        self._plan = plan
        self._positions = positions
        self.waits: list[float] = []
        self.first = self.last = 0.0
        self._began = time.monotonic_ns()
        self.feed = self._opened()

    def _opened(self) -> Feed:
        feed = feed_of(*self._plan.settings(), [self._plan.topic])
        feed.start(self._positions)
        return feed

    def take_until(self, done: Callable[[], bool]) -> None:
        while not done():
            for message in self.feed.take(0.02):
                self._note(message)

    def _note(self, message: Message) -> None:
        now = time.monotonic_ns()
        stamp = msgspec.json.decode(message.value, type=_Stamp)
        made = int(stamp.symbol or stamp.post_id)
        self._positions[message.lane] = message.offset + 1
        if made >= self._began:  # and not of a warm-up
            self.waits.append((now - made) / 1e6)
            self.first, self.last = self.first or now, now

    def leave(self, seconds: float) -> None:
        self.feed.close()
        time.sleep(seconds)
        self.feed = self._opened()


def carry(plan: Plan, mode: str, positions: dict[Lane, int]) -> Carried:
    """Send by a process of its own and take here; `positions` is where Kafka's topics stand, and is moved on."""
    sent: Synchronized[int] = _SPAWN.Value("q", 0)
    arrivals = _Arrivals(plan, positions)
    producer = _SPAWN.Process(target=send, args=(plan, sent))
    producer.start()
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS + (plan.records / plan.pace if plan.pace else 0)
        if mode in (CONSUMER_AWAY, PRODUCER_KILLED):
            arrivals.take_until(lambda: len(arrivals.waits) >= plan.records // 4 or time.monotonic() > deadline)
        if mode == CONSUMER_AWAY:
            arrivals.leave(AWAY_SECONDS)
        if mode == PRODUCER_KILLED:
            producer.kill()
        arrivals.take_until(lambda: not producer.is_alive() or time.monotonic() > deadline)
        quiet = time.monotonic() + 2
        arrivals.take_until(lambda: time.monotonic() > quiet)
        producer.join(1)
        if producer.exitcode != (-9 if mode == PRODUCER_KILLED else 0):
            raise StackError(f"{plan.transport}: expected the producer to end well, found {producer.exitcode}")
    finally:
        arrivals.feed.close()
        producer.kill()
        producer.join()
    p50, p95, p99 = np.percentile(arrivals.waits, (50, 95, 99)).tolist()
    return Carried(
        transport=plan.transport.split(":")[0],
        topic=plan.topic,
        mode=mode,
        sent=sent.value,
        arrived=len(arrivals.waits),
        lost=max(0, sent.value - len(arrivals.waits)),
        per_second=len(arrivals.waits) / ((arrivals.last - arrivals.first) / 1e9),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )


def measure_transports(out: Path, count: int = COUNT, paced_seconds: float = PACED_SECONDS) -> list[Carried]:
    """Measure both transports in turn, for ticks and for work, on a stack of their own.

    Raises:
        StackError: the stack did not start, or a producer did not end well.
    """
    home = out / "bench-stack"
    in_kafka: dict[Lane, int] = {}
    found: list[Carried] = []
    slow = round(PACE * paced_seconds)
    try:
        with fresh_stack(home, say=lambda line: say(f"  {line}")):
            servers = KafkaSettings.load().kafka_bootstrap_servers
            for topic in (WALLEX.topic, BITCOIN.topic):
                # The broker's code gets warm, and every partition its leader.
                send(Plan("kafka", servers, topic, WARM_UP, 0), _SPAWN.Value("q", 0))
                for mode, number, pace in _modes(count, slow, ticks=topic == WALLEX.topic):
                    for transport in ("kafka", f"zmq://127.0.0.1:{free_pair()}"):
                        plan = Plan(transport, servers, topic, number, pace)
                        found.append(carry(plan, mode, in_kafka if transport == "kafka" else {}))
                        say(f"  {_line(found[-1])}")
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return found


def _modes(count: int, slow: int, *, ticks: bool) -> Sequence[tuple[str, int, float]]:
    both = [(FLAT_OUT, count, 0.0), (PACED, slow, PACE)]
    return [*both, (CONSUMER_AWAY, slow, PACE), (PRODUCER_KILLED, slow, PACE)] if ticks else both


def _line(one: Carried) -> str:
    return (
        f"{one.transport} {one.topic}, {one.mode}: {one.per_second:,.0f}/s, p50 {one.p50_ms:.2f} ms, "
        f"p99 {one.p99_ms:.2f} ms, lost {one.lost:,} of {one.sent:,}"
    )
