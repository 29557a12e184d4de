"""A full disk under the object store and under the broker: one clear line, and nothing lost once there is room."""

import itertools
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from contracts.records import Gap, decode
from infra.children import Child
from infra.demo.replay import Market
from infra.stack import restart_part, status
from infra.stack.health import kafka_is_ready
from infra.stack.layout import Layout
from tests.integration import oracle
from tests.integration.conftest import COINLAKE, coinlake, own_stack, play, pointed_at, simulator
from tests.integration.played_market import (
    Played,
    assert_every_message_landed_once,
    assert_joined_like_the_oracle,
    assert_market_cap_like_the_oracle,
    assert_own_candles_like_the_oracle,
)

DRIVE_BYTES = 64 * 2**20


class SmallDrive:
    """A file system of 64 MiB that can be filled to its last byte and emptied again."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        try:
            with self._ballast.open("wb", buffering=0) as file:
                while file.write(bytes(65536)):
                    pass
        except OSError:
            return

    def make_room(self) -> None:
        self._ballast.unlink()


@contextmanager
def small_drive(folder: Path) -> Iterator[SmallDrive]:
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DRIVE_BYTES}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small drive cannot be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDrive(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def wait_for(folder: Path) -> None:
    deadline = time.monotonic() + 120
    while not folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.long
def test_full_object_store_is_one_line_and_the_next_run_takes_up_all(tmp_path: Path) -> None:
    home = Layout(tmp_path / "home")
    with small_drive(home.minio_data) as drive, own_stack(home.home) as stack:
        play(stack, Market(1800, 240, seed=3))

        # While it runs: the last bronze table has been made and the topics are being read.
        def fill() -> None:
            wait_for(home.minio_data / "lake-house" / "tables" / "bronze" / "ingest_gaps" / "_delta_log")
            drive.fill()

        filling = threading.Thread(target=fill)
        filling.start()
        during = coinlake(stack, "process")
        filling.join()
        room = "the object store has no room left: free some space and run again"
        assert during.code == 1
        assert during.out != []
        assert re.fullmatch(f"coinlake: (query \\w+|the job) ended with an error: {room}", during.out[-1]), during.out[
            -1
        ]
        assert not any("Traceback" in line for line in during.out)

        # Before it starts: not even the lease can be taken.
        before = coinlake(stack, "process")
        where = f"bucket spark at {stack.s3_endpoint}"
        assert (before.code, before.out) == (1, [f"coinlake: {where} has no room left: free some space and run again"])

        drive.make_room()
        world = Played(stack)
        world.process()
        assert_every_message_landed_once(world)
        assert_joined_like_the_oracle(world)
        assert_own_candles_like_the_oracle(world)
        assert_market_cap_like_the_oracle(world)


def test_full_broker_stops_the_generator_and_the_hole_is_on_record_afterwards(tmp_path: Path) -> None:
    home, log = Layout(tmp_path / "home"), tmp_path / "generator.log"
    with ExitStack() as running:
        drive = running.enter_context(small_drive(home.kafka_data("kafka")))
        stack = running.enter_context(own_stack(home.home))
        base = running.enter_context(simulator(tmp_path, "--speed", "60", "--span", "2h"))
        polled = {"COINLAKE_HOME": str(home.home), "COINLAKE_DRAIN_SECONDS": "3", **stack.env(), **pointed_at(base)}
        command = [*COINLAKE, "generate", "--forever", "--venue", "wallex"]
        with Child("generator", command, env=polled, log=log) as generator:
            wait_for_line(log, "poll_served", 3)
            drive.fill()
            wait_for_line(log, "_ALL_BROKERS_DOWN", 1)
            time.sleep(2.5)  # two polls later, one is in flight
            os.kill(generator.pid, signal.SIGTERM)
            assert generator.wait(60) == 1
        said = log.read_text().splitlines()
        assert re.fullmatch(r"coinlake: Kafka did not acknowledge \d+ records within 3 s after the stop", said[-1])
        assert not any("Traceback" in line for line in said)
        drive.make_room()
        restart_kafka(home, stack.ports["kafka_port"])
        coinlake(stack, "generate", "--duration", "2s", "--venue", "wallex", **pointed_at(base)).well()
        kept = oracle.consume(stack.kafka_bootstrap_servers, oracle.TICKERS)
        acknowledged = sum(int(found[1]) for line in said if (found := re.search(r"poll_served .*records=(\d+)", line)))
        polls_after = 2
        assert len(kept) >= acknowledged + polls_after * 100
        gaps = [decode(one.value, Gap) for one in oracle.consume(stack.kafka_bootstrap_servers, oracle.GAPS)]
        served = sorted({row["event_time"] for row in oracle.tickers_of(kept)})
        holes = set(itertools.pairwise(served))
        assert any((gap.from_time, gap.to_time) in holes for gap in gaps)


def wait_for_line(log: Path, words: str, count: int) -> None:
    deadline = time.monotonic() + 240
    while not (log.exists() and log.read_text().count(words) >= count):
        assert time.monotonic() < deadline, f"expected {words} in the log {count} times"
        time.sleep(0.1)


def restart_kafka(home: Layout, port: int) -> None:
    """Wait until the broker is back: its supervisor starts it again, or has given it up by now."""
    deadline = time.monotonic() + 240
    while not kafka_is_ready(port):
        assert time.monotonic() < deadline, "expected that the broker comes back"
        if {part.name: part.state for part in status(home.home)}["kafka"] == "fatal":
            restart_part(home.home, "kafka")
        time.sleep(0.2)
