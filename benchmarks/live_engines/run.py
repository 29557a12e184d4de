"""One run: a fresh Kafka, an engine, the generator and the meter, each a process of its own."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec
import psutil
from confluent_kafka import Consumer, TopicPartition

from benchmarks.live_engines import generator, meter
from benchmarks.live_engines.engines import Command, Engine
from benchmarks.live_engines.latency import Latency, Timed, summarize, time_events
from benchmarks.live_engines.probe import wait_ready
from benchmarks.live_engines.results import read_topic, told_by, trade_times
from benchmarks.live_engines.verdict import Verdict, judge
from benchmarks.live_engines.windows import Told, fill_windows
from benchmarks.usage import cpu_seconds, tree
from contracts.errors import StackError
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_DATA_AGGREGATED
from infra.children import Child
from infra.crashtest.run import fresh_stack
from infra.demo.memory import PeakMemory
from infra.stack import StackInfo, processes
from infra.stack.layout import Layout

READY_SECONDS = 180.0
QUIET_SECONDS = 3.0
QUIET_AFTER_KILL_SECONDS = 60.0
"""Kafka keeps the partitions of a member of a group that was killed for 45 s before another gets them."""
LAST_SECONDS = 90.0
"""How long an engine may go on telling windows after the last event, as one does that is behind."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is run: events a second, for how long before it counts and while it counts; whether the engine is killed.

    Killed is it half-way through the time that counts, and started anew at once.
    """

    rate: float
    seconds: float
    warmup: float
    kill: bool = False


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one run found.

    `received` is from the generator's handing an event to Kafka to the meter's receiving the first result that counts
    it in its timed window; `topic_to_topic` is between Kafka's times of the two, in whole milliseconds. `missing` are
    events whose timed window never counted them. CPU is user and system time of the seconds that count, by process;
    memory is the peak proportional set size of the engine in the warm-up and at the end. After a kill the CPU time is
    that of the engine started anew, and `recovery_seconds` is the longest time in which no result came.
    """

    engine: str
    version: str
    plan: Plan
    ready_seconds: float
    events: int
    missing: int
    received: Latency | None
    topic_to_topic: Latency | None
    verdict: Verdict
    cpu_seconds: dict[str, float]
    engine_peak_bytes: int
    recovery_seconds: float | None


class _Engine:
    """The engine's process, started anew after a kill with what it has kept."""

    def __init__(self, name: str, command: Command, log: Path) -> None:
        self._name, self._command, self._log = name, command, log
        self._child = self._made()

    def __enter__(self) -> "_Engine":
        self._child.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.__exit__(None, None, None)

    @property
    def pid(self) -> int:
        return self._child.pid

    def running(self) -> bool:
        return self._child.running()

    def crash(self) -> None:
        """Kill it, with all that it has started, and start it again."""
        # Not its group alone: what starts an engine may give it one of its own.
        for process in tree(self._child.pid):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._child.kill()
        self._child = self._made().__enter__()

    def demand_running(self) -> None:
        if not self._child.running():
            raise StackError(f"{self._name} ended by itself: {self._child.last_words()}")

    def _made(self) -> Child:
        output = self._log.with_suffix(".out").open("a")

        def keep(line: str) -> None:
            print(line, file=output, flush=True)

        return Child(self._name, self._command.arguments, env=self._command.env, each_line=keep, log=self._log)


@dataclass(frozen=True)
class _Measured:
    """What is known when the processes have ended, before it is understood."""

    ready_seconds: float
    cpu_seconds: dict[str, float]
    peak_bytes: int
    counts_from_ns: int
    killed_ns: int | None


def run_once(engine: Engine, plan: Plan, home: Path, say: Callable[[str], None]) -> Run:
    """Run an engine once on a stack of its own, in a folder that is made anew.

    Raises:
        StackError: the stack or the engine did not start, or the engine ended.
        BrokerError: Kafka lost what it was given.
    """
    with fresh_stack(home) as stack:
        folder = home / "live-engines"
        state = folder / "state"
        state.mkdir(parents=True)
        sent_log, times = folder / "sent", folder / "times"
        command = engine.command(state)
        with (
            _child("meter", "meter", home, "--out", str(times)) as watching,
            _Engine(engine.name, command, home / "logs" / "engine.log") as running,
        ):
            measured = _measure(running, watching, plan, stack, sent_log, say)
        return _understand(engine, plan, measured, stack, sent_log, times)


def _measure(
    engine: _Engine, watching: Child, plan: Plan, stack: StackInfo, sent_log: Path, say: Callable[[str], None]
) -> _Measured:
    servers = stack.kafka_bootstrap_servers
    try:
        ready = wait_ready(servers, engine.running, READY_SECONDS)
    except StackError:
        engine.demand_running()
        raise
    say(f"  ready after {ready:.1f} s; {plan.rate:g} events/s for {plan.warmup + plan.seconds:g} s")
    arguments = ("--rate", str(plan.rate), "--seconds", str(plan.warmup + plan.seconds), "--log", str(sent_log))
    kafka = [found.process for found in processes.find(Layout(stack.home)) if found.part == "kafka"]
    killed_ns = None
    with _child("generator", "generator", stack.home, *arguments) as sending:
        # Not while it counts: to read the memory of a JVM takes 20 ms of a core, ten times that of Python.
        with PeakMemory(lambda: tree(engine.pid)) as memory:
            time.sleep(plan.warmup)
        counts_from_ns = time.time_ns()

        def used() -> dict[str, float]:
            return {
                "engine": cpu_seconds(tree(engine.pid)),
                "kafka": cpu_seconds(kafka),
                "generator": cpu_seconds(tree(sending.pid)),
                "meter": cpu_seconds(tree(watching.pid)),
            }

        before = used()
        if plan.kill:
            time.sleep(plan.seconds / 2)
            killed_ns = time.time_ns()
            engine.crash()
            say("  killed and started again")
            before["engine"] = 0.0
            time.sleep(plan.seconds / 2)
        else:
            time.sleep(plan.seconds)
        after = used()
        memory.sample()
        sending.finish()
        _wait_quiet(servers, engine, QUIET_AFTER_KILL_SECONDS if plan.kill else QUIET_SECONDS)
    return _Measured(
        ready, {name: after[name] - before[name] for name in after}, memory.peak_bytes, counts_from_ns, killed_ns
    )


def _understand(engine: Engine, plan: Plan, measured: _Measured, stack: StackInfo, sent_log: Path, times: Path) -> Run:
    servers = stack.kafka_bootstrap_servers
    sent = generator.read_log(sent_log)
    messages = read_topic(servers, CRYPTO_DATA_AGGREGATED.topic)
    told = told_by(messages, meter.read_times(times), generator.SYMBOLS)
    broker_ms = trade_times(read_topic(servers, BINANCE_AGG_TRADES.topic), generator.SYMBOLS)
    # The generator numbers its trades from 1.
    numbered = enumerate(time_events(sent, told), start=1)
    timed = [(number, one) for number, one in numbered if one.event.sent_ns >= measured.counts_from_ns]
    return Run(
        engine=engine.name,
        version=engine.version(),
        plan=plan,
        ready_seconds=measured.ready_seconds,
        events=len(timed),
        missing=sum(1 for _, one in timed if one.result is None),
        received=summarize([_received_ms(one, one.result) for _, one in timed if one.result]),
        topic_to_topic=summarize([float(one.result.broker_ms - broker_ms[n]) for n, one in timed if one.result]),
        verdict=judge(fill_windows(sent), told, sum(1 for message in messages if message.value is None)),
        cpu_seconds=measured.cpu_seconds,
        engine_peak_bytes=measured.peak_bytes,
        recovery_seconds=_recovery_seconds(measured.killed_ns, told),
    )


def _received_ms(timed: Timed, result: Told) -> float:
    return (result.received_ns - timed.event.sent_ns) / 1e6


def _recovery_seconds(killed_ns: int | None, told: Sequence[Told]) -> float | None:
    """Return the longest time without a result, from the kill on."""
    if killed_ns is None:
        return None
    moments = [killed_ns, *(result.received_ns for result in told if result.received_ns > killed_ns)]
    start, end = max(pairwise(moments), key=lambda gap: gap[1] - gap[0], default=(killed_ns, killed_ns))
    return (end - start) / 1e9 if end > start else None


def _wait_quiet(bootstrap_servers: str, engine: _Engine, seconds: float) -> None:
    """Wait until nothing more is told for so long."""
    began = time.monotonic()
    ends: list[int] = []
    same_since = began
    with _open(bootstrap_servers) as consumer:
        while time.monotonic() - same_since < seconds and time.monotonic() - began < LAST_SECONDS:
            engine.demand_running()
            time.sleep(0.2)
            now = _ends(consumer)
            if now != ends:
                ends, same_since = now, time.monotonic()


@contextmanager
def _open(bootstrap_servers: str) -> Iterator[Consumer]:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "live-end"})
    try:
        yield consumer
    finally:
        consumer.close()


def _ends(consumer: Consumer) -> list[int]:
    topic = CRYPTO_DATA_AGGREGATED.topic
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    return [consumer.get_watermark_offsets(TopicPartition(topic, part), timeout=30)[1] for part in sorted(partitions)]


def _child(name: str, module: str, home: Path, *arguments: str) -> Child:
    command = [sys.executable, "-m", f"benchmarks.live_engines.{module}", *arguments]
    return Child(name, command, log=home / "logs" / f"{name}.log")
