"""The moving average as a job: trades in Kafka, windows in Kafka, `kill -9` between, against pandas."""

import datetime as dt
import itertools
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from contracts.records import AggTrade, MovingAverage, decode, encode, replace
from contracts.settings import MovingAverageSettings
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_DATA_AGGREGATED, key_of
from infra.children import Child
from infra.setup.java import find_java
from infra.stack import StackInfo
from tests.integration.conftest import COINLAKE, own_stack
from tests.streaming.live_messages import Windows, expected_of_trades, newest, trade

CHECKPOINT_SECONDS = 15
LATENESS_MS = 600_000
"""A batch of 15 s may end on a slow machine before one of its tasks has read anything; what that one is behind the
others must not be too late in the next."""
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
START_SECONDS = 400.0
PARTITIONS = 3


class Market:
    """Sends a trade every few milliseconds, and remembers each that Kafka has acknowledged, as Kafka has it."""

    def __init__(self, servers: str) -> None:
        self._producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 1})
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._draw = random.Random(3)
        self.sent: list[AggTrade] = []

    def _run(self) -> None:
        for number in itertools.count(1):
            if self._stopping.wait(0.01):
                return
            now = dt.datetime.now(dt.UTC)
            at = now.replace(microsecond=now.microsecond // 1000 * 1000)
            price, quantity = Decimal(self._draw.randrange(10**10)) / 10**6, f"0.{self._draw.randrange(1, 10**6):06}"
            one = trade(at, str(price), quantity, number, self._draw.choice(SYMBOLS))
            self._producer.produce(BINANCE_AGG_TRADES.topic, encode(one), key_of(BINANCE_AGG_TRADES, one))
            self._producer.poll(0)
            self.sent.append(one)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Send as long as the block runs; at its end Kafka has all."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._thread.join()
            assert self._producer.flush(20) == 0


@contextmanager
def job(stack: StackInfo, trigger: str) -> Iterator[Child]:
    """Run the job; what is in the block runs once it reads."""
    env = {**stack.env(), "COINLAKE_HOME": str(stack.home)}
    env["COINLAKE_LIVE_CHECKPOINT_SECONDS"] = str(CHECKPOINT_SECONDS)
    env["COINLAKE_LIVE_LATENESS_MS"] = str(LATENESS_MS)
    command = [*COINLAKE, "moving-average", "--trigger", trigger]
    reads = threading.Event()

    def hear(line: str) -> None:
        print(line)
        if line.startswith("moving average: "):
            reads.set()

    log = stack.home / "logs" / f"{trigger}.log"
    with Child("moving-average", command, env=env, each_line=hear, log=log) as child:
        deadline = time.monotonic() + START_SECONDS
        while not reads.wait(0.5):
            assert child.running(), child.last_words()
            assert time.monotonic() < deadline, f"it did not start within {START_SECONDS} s: {child.last_words()}"
        yield child


class Windowed:
    """Reads the results."""

    def __init__(self, servers: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", "enable.auto.commit": False})
        topic = CRYPTO_DATA_AGGREGATED.topic
        known = self._consumer.list_topics(topic, timeout=10).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, number, 0) for number in known])
        self.told: list[MovingAverage] = []

    def read(self) -> None:
        """Read what there is by now."""
        while messages := self._consumer.consume(1000, 0.5):
            self.told.extend(
                decode(message.value() or b"", MovingAverage) for message in messages if not message.error()
            )

    def wait_for(self, event: dt.datetime, child: Child) -> None:
        """Wait until an event at or after this time has been averaged."""
        deadline = time.monotonic() + START_SECONDS
        while not any(window.event_time >= event for window in self.told):
            assert child.running(), child.last_words()
            assert time.monotonic() < deadline, f"nothing was averaged in {START_SECONDS} s: {child.last_words()}"
            self.read()


@pytest.mark.parametrize("trigger", ["real-time", pytest.param("micro-batch", marks=pytest.mark.long)])
def test_killed_twice_it_loses_and_doubles_no_window(trigger: str, tmp_path: Path) -> None:
    """Killed in its first batch, before one has ended, and again between the two files that end a batch.

    After the first it begins again where it first began, however long its start takes.
    """
    with own_stack(tmp_path / "home") as stack:
        market, windows = Market(stack.kafka_bootstrap_servers), Windowed(stack.kafka_bootstrap_servers)
        with ExitStack() as sending:
            for seconds in (5.0, CHECKPOINT_SECONDS + 5.0):
                with job(stack, trigger) as child:
                    if not market.sent:
                        sending.enter_context(market.open())
                    windows.wait_for(dt.datetime.now(dt.UTC), child)
                    time.sleep(seconds)
                    if trigger == "real-time":
                        assert tasks_of(child) == PARTITIONS, "rows went through a shuffle"
                    tree = tree_of(child)
                    child.kill()
                    assert not psutil.wait_procs(tree, timeout=10)[1], "a part of the job outlived the kill"
            uncommit(stack.home)
            with job(stack, trigger) as child:
                windows.wait_for(dt.datetime.now(dt.UTC), child)
                time.sleep(CHECKPOINT_SECONDS + 10)
                assert child.running(), child.last_words()
                sending.close()
                expected = without_broker_times(expected_of_trades(market.sent, MovingAverageSettings()))
                deadline = time.monotonic() + START_SECONDS
                while without_broker_times(newest(windows.told)) != expected and time.monotonic() < deadline:
                    assert child.running(), child.last_words()
                    windows.read()
    assert len(market.sent) > 2000
    found = without_broker_times(newest(windows.told))
    # Only what differs: each of thousands of windows would be printed.
    assert {key: (found.get(key), due) for key, due in expected.items() if found.get(key) != due} == {}
    assert found.keys() == expected.keys()
    if trigger == "real-time":
        told = told_of_each_event(windows.told)
        assert max(map(len, told)) == 6
        assert [ends for ends in told if ends != sorted(ends)] == [], "what is drawn waited for the later windows"


def told_of_each_event(told: list[MovingAverage]) -> list[list[dt.datetime]]:
    """Return the ends of the windows that each event was told in, in the order in which Kafka has them."""
    of_symbols = [[window for window in told if window.symbol == symbol] for symbol in SYMBOLS]
    return [
        [window.window_end for window in of_event]
        for of_symbol in of_symbols
        for _, of_event in itertools.groupby(of_symbol, key=lambda window: window.event_time)
    ]


def uncommit(home: Path) -> None:
    """Leave the checkpoint as a kill leaves it that hits between the two files."""
    newest = max((home / "live" / "checkpoint").glob("*/commits/[0-9]*"), key=lambda file: int(file.name))
    newest.unlink()
    newest.with_name(f".{newest.name}.crc").unlink(missing_ok=True)


@pytest.mark.long
def test_a_topic_that_grows_ends_the_job_with_what_was_found(tmp_path: Path) -> None:
    """Its windows are in as many places as it had partitions; a job that is started anew begins with what there is."""
    with own_stack(tmp_path / "home") as stack:
        market, windows = Market(stack.kafka_bootstrap_servers), Windowed(stack.kafka_bootstrap_servers)
        with market.open():
            with job(stack, "real-time") as child:
                windows.wait_for(dt.datetime.now(dt.UTC), child)
                admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap_servers})
                grown = admin.create_partitions([NewPartitions(BINANCE_AGG_TRADES.topic, PARTITIONS + 1)])
                grown[BINANCE_AGG_TRADES.topic].result(10)
                assert child.wait(4 * CHECKPOINT_SECONDS) == 1
                assert f"expected a topic of {PARTITIONS} partitions" in child.last_words()
            with job(stack, "real-time") as child:
                windows.wait_for(dt.datetime.now(dt.UTC), child)
                assert tasks_of(child) == PARTITIONS + 1


def tasks_of(child: Child) -> int:
    """Count the tasks that run in the Java process of a job, by its threads; between two batches there are none."""
    (java,) = (process.pid for process in tree_of(child) if process.name() == "java")
    command = [find_java().with_name("jstack"), str(java)]
    counts: list[int] = []
    deadline = time.monotonic() + START_SECONDS
    while counts.count(max(counts, default=0)) < 3 or not any(counts):
        assert time.monotonic() < deadline, f"found no steady number of tasks: {counts}"
        threads = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        counts.append(threads.count('"Executor task launch worker for task'))
    return max(counts)


def tree_of(child: Child) -> list[psutil.Process]:
    top = psutil.Process(child.pid)
    return [top, *top.children(recursive=True)]


def without_broker_times(windows: Windows) -> Windows:
    """The broker's clock is nothing that pandas knows."""
    return {key: replace(window, broker_time=window.event_time) for key, window in windows.items()}
