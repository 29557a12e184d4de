"""A schedule with mishaps ends where a run without end does: in the tables that pandas and decimal give.

Simulator and generator run all the while, and one driver processes every few seconds into a lake of its own. Beside
it a schedule triggers `coinlake process` six times over the same topics: well, killed half-way, not at all, well,
while the run before still works, well.
"""

import datetime as dt
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from contracts.streams import STREAMS
from contracts.tables import BRONZE_INGEST_GAPS, CANDLES
from infra.children import Child
from infra.crashtest.compare import Compared, compare
from infra.crashtest.lake import LakeUnderTest
from infra.crashtest.lake import lake_of as lake_named
from infra.crashtest.reader import Reader, Seen
from infra.stack import StackInfo
from spark_jobs.edges.store import open_store
from tests.integration import oracle
from tests.integration.conftest import COINLAKE, Ran, coinlake, lake_of, own_stack, pointed_at, simulator, versions
from tests.integration.oracle import Message
from tests.integration.played_market import (
    Played,
    assert_base_candles_like_the_oracle,
    assert_bronze_says_what_kafka_said,
    assert_every_message_landed_once,
    assert_joined_like_the_oracle,
    assert_market_cap_like_the_oracle,
    assert_own_candles_like_the_oracle,
)

pytestmark = [pytest.mark.timeout(3000), pytest.mark.long]

SEED = 77
SPEED = 45.0
"""A poll in 1.3 seconds: the runs below see an hour and more of market."""
POLL_SECONDS = 60 / SPEED
LATENESS = dt.timedelta(minutes=50)
"""Longer than any quote of this market is old. With the default of 15 minutes a coin that enters the list of the first
100 with an old quote, or whose repeated quote is compacted to a later offset, is joined or left to `rebuild` depending
on the batch that it falls in: the one difference between many runs and few, and by design."""
ENOUGH_MESSAGES = 20_000
"""About 80 minutes of market, of which those before the lateness are joined."""
PATIENCE_SECONDS = 600.0
TRIGGERS = ("well", "killed", "skipped", "well", "overlapping", "well")


@dataclass
class Scheduled:
    """What became of the triggers, and both lakes as they stood in the end."""

    world: Played
    scheduled: LakeUnderTest
    continuous: LakeUnderTest
    triggered: list[str] = field(default_factory=list)
    ended: list[Ran] = field(default_factory=list)
    killed_said: list[str] = field(default_factory=list)
    overlapping: Ran | None = None
    overlapped_pids: set[int] = field(default_factory=set)
    overlapped_went_on: bool = False
    versions_before_kill: dict[str, int] = field(default_factory=dict)
    versions_after_kill: dict[str, int] = field(default_factory=dict)
    messages_at: list[int] = field(default_factory=list)
    """How many messages the topics had had at each trigger."""

    def compared(self) -> list[Compared]:
        """Compare all tables, and what was published of them."""
        return compare(self.continuous, self.scheduled)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduled]:
    folder = tmp_path_factory.mktemp("schedule")
    with own_stack(folder / "home") as stack, Reader(stack.kafka_bootstrap_servers, topics()) as reader:
        rules = {"COINLAKE_LATENESS_COIN_MARKET_CAP_SECONDS": str(LATENESS.total_seconds())}
        env = {**stack.env(), **rules, "COINLAKE_HOME": str(stack.home)}
        beside = lake_named(stack, "continuous")
        after = Scheduled(
            Played(stack),
            LakeUnderTest("scheduled", stack.home, env, lake_of(stack)),
            LakeUnderTest(beside.name, beside.home, {**beside.env, **rules}, beside.settings),
        )
        with continuous_run(after.continuous, folder) as endless:
            with feeding(stack, folder) as feed:
                seen_more(reader, 3000)
                run_six_triggers(after, reader, folder, feed)
            read = reader.catch_up()
            remember(after.world, read)
            trigger(after, reader)
            after.ended.append(coinlake(after.world.stack, "process", **after.scheduled.env))
            assert endless.running(), endless.last_words()
            wait_until(lambda: unequal(after.compared()) == [], look_seconds=5)
            endless.stop()
        yield after


def topics() -> list[str]:
    return [stream.topic for stream in STREAMS]


def run_six_triggers(after: Scheduled, reader: Reader, folder: Path, feed: Child) -> None:
    """Do the first five triggers while the market grows; the last is done when it has ended."""
    trigger(after, reader)
    after.ended.append(coinlake(after.world.stack, "process", **after.scheduled.env))

    trigger(after, reader)
    after.versions_before_kill = versions(after.scheduled.settings)
    with process(after.scheduled, folder / "killed.log", after.killed_said) as run:
        wait_until(lambda: landed(after.killed_said) or not run.running())
        kill_all_of(run)
    after.versions_after_kill = versions(after.scheduled.settings)

    trigger(after, reader)  # the machine was off
    seen_more(reader, 1500)

    trigger(after, reader)
    said: list[str] = []
    lease_before = lease(after.scheduled)
    with process(after.scheduled, folder / "overlapped.log", said) as run:
        wait_until(lambda: lease(after.scheduled) != lease_before or not run.running())
        after.overlapped_pids = {child.pid for child in psutil.Process(run.pid).children(recursive=True)}
        trigger(after, reader)
        after.overlapping = coinlake(after.world.stack, "process", **after.scheduled.env)
        after.overlapped_went_on = run.running()
        after.ended.append(Ran(run.wait(PATIENCE_SECONDS), said, [run.last_words()], 0))
    wait_until(lambda: len(reader.messages) >= ENOUGH_MESSAGES)
    assert feed.running(), feed.last_words()


def trigger(after: Scheduled, reader: Reader) -> None:
    after.triggered.append(TRIGGERS[len(after.triggered)])
    after.messages_at.append(len(reader.messages))


@contextmanager
def feeding(stack: StackInfo, folder: Path) -> Iterator[Child]:
    """Run simulator and generator until the block ends; the last poll is then acknowledged."""
    with simulator(folder, "--seed", str(SEED), "--speed", str(SPEED), "--span", "6h") as base:
        env = {
            **stack.env(),
            **pointed_at(base, poll_seconds=POLL_SECONDS),
            "COINLAKE_HOME": str(stack.home),
        }
        with Child("generator", [*COINLAKE, "generate", "--forever"], env=env, log=folder / "generator.log") as feed:
            yield feed


@contextmanager
def continuous_run(lake: LakeUnderTest, folder: Path) -> Iterator[Child]:
    command = [*COINLAKE, "process", "--trigger", "30 seconds"]
    with Child("continuous", command, env=lake.env, each_line=print, log=folder / "continuous.log") as running:
        yield running


@contextmanager
def process(lake: LakeUnderTest, log: Path, said: list[str]) -> Iterator[Child]:
    with Child("process", [*COINLAKE, "process"], env=lake.env, each_line=said.append, log=log) as running:
        yield running


def landed(said: list[str]) -> bool:
    """Say whether a run has put new tickers and quotes into bronze."""
    return all(any(line.startswith(topic) for line in said) for topic in ("wallex", "coin_market_cap"))


def kill_all_of(run: Child) -> None:
    """End a run as the kernel, systemd or a kubelet does: every process of it, at once."""
    every = [*psutil.Process(run.pid).children(recursive=True), psutil.Process(run.pid)]
    for one in every:
        one.kill()
    psutil.wait_procs(every, timeout=10)
    run.wait(10)


def lease(lake: LakeUnderTest) -> bytes:
    stored = open_store(lake.settings, lake.settings.state).get(f"leases/{CANDLES.name}.json")
    assert stored is not None
    return stored.body


def seen_more(reader: Reader, messages: int) -> None:
    """Wait until so many more messages have come."""
    goal = len(reader.messages) + messages
    wait_until(lambda: len(reader.messages) >= goal)


def wait_until(true: Callable[[], bool], look_seconds: float = 0.1) -> None:
    """Wait for what a test then asserts."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true() and time.monotonic() < deadline:
        time.sleep(look_seconds)


def remember(world: Played, read: list[Seen]) -> None:
    world.seen = {
        (one.topic, one.partition, one.offset): Message(one.topic, one.partition, one.offset, one.key, one.value)
        for one in read
    }
    world.cut_off = max(row["event_time"] for row in world.quotes()) - LATENESS - oracle.TOLERANCE


def unequal(compared: list[Compared]) -> list[Compared]:
    """List the tables that differ; of a gap that grew, Kafka keeps the newest version, so older ones may be in one."""
    return [one for one in compared if not one.equal and one.name != BRONZE_INGEST_GAPS.name]


# --- what the triggers did --------------------------------------------------------------------------------------------


def test_the_market_grew_from_trigger_to_trigger(done: Scheduled) -> None:
    assert done.triggered == list(TRIGGERS)
    growth = [later - earlier for earlier, later in zip(done.messages_at, done.messages_at[1:], strict=False)]
    assert len(growth) == 5
    assert min(growth) > 0


def test_runs_that_nothing_disturbed_end_well(done: Scheduled) -> None:
    assert [run.code for run in done.ended] == [0, 0, 0]
    assert all(landed(run.out) for run in done.ended)


def test_the_killed_run_had_done_a_part(done: Scheduled) -> None:
    advanced = {name for name, version in done.versions_after_kill.items() if version > done.versions_before_kill[name]}
    assert {"coin_market_cap", "wallex"} <= advanced
    assert not {"candles", "market_cap"} <= advanced


def test_an_overlapping_run_ends_with_one_line_and_leaves_the_other_alone(done: Scheduled) -> None:
    assert done.overlapping is not None
    assert done.overlapping.code == 0
    assert done.overlapped_went_on, "the run before had ended by then: nothing overlapped"
    assert len(done.overlapping.out) == 1
    line = re.match(
        r"coinlake: nothing to do: table \w+ is being written by another driver \(pid (\d+) ", done.overlapping.out[0]
    )
    assert line is not None, done.overlapping.out
    assert int(line[1]) in done.overlapped_pids


# --- where it ended ---------------------------------------------------------------------------------------------------


def test_tables_and_published_parquet_equal_those_of_one_continuous_run(done: Scheduled) -> None:
    compared = done.compared()
    assert unequal(compared) == []
    rows = {one.name: one.disturbed.rows for one in compared}
    assert rows["market_snapshots"] > 1_000
    assert rows["published candles"] == rows["candles"] > 1_000


def test_tables_equal_pandas_and_decimal(done: Scheduled) -> None:
    assert_every_message_landed_once(done.world)
    assert_bronze_says_what_kafka_said(done.world)
    assert_joined_like_the_oracle(done.world)
    assert_own_candles_like_the_oracle(done.world)
    assert_base_candles_like_the_oracle(done.world, done.world.joined())
    assert_market_cap_like_the_oracle(done.world)
