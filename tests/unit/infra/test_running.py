"""Programs side by side: started again when they end, given up when they end again and again."""

import sys
import time
from pathlib import Path

import pytest

from contracts.errors import StackError
from infra.running import MOST_STARTS, WITHIN_SECONDS, Part, Running

LASTING = [sys.executable, "-c", "import time; time.sleep(60)"]
FAILING = [sys.executable, "-c", "import sys; sys.exit('no such market')"]


class Minutes:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def ended(running: Running, name: str) -> None:
    pid = running.pids()[name]
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_part_that_runs_is_left_alone(tmp_path: Path) -> None:
    said: list[str] = []
    with Running(tmp_path, said.append) as running:
        running.start(Part("market", LASTING))
        before = running.pids()
        running.revive()
        assert (running.pids(), said) == (before, [])


def test_part_that_ended_is_started_again_with_its_last_words(tmp_path: Path) -> None:
    said: list[str] = []
    with Running(tmp_path, said.append) as running:
        running.start(Part("market", FAILING))
        ended(running, "market")
        before = running.pids()["market"]
        running.revive()
        assert running.pids()["market"] != before
    assert said == ["market ended (no such market); starting it again"]


def test_part_that_was_changed_is_started_again_in_the_new_way(tmp_path: Path) -> None:
    with Running(tmp_path, lambda _: None) as running:
        running.start(Part("market", FAILING))
        running.change(Part("market", LASTING))
        ended(running, "market")
        running.revive()
        assert Path(f"/proc/{running.pids()['market']}/cmdline").read_bytes().count(b"sleep") == 1


def test_part_that_ends_again_and_again_is_given_up(tmp_path: Path) -> None:
    with Running(tmp_path, lambda _: None, Minutes()) as running:
        running.start(Part("market", FAILING))
        for _ in range(MOST_STARTS - 1):
            ended(running, "market")
            running.revive()
        ended(running, "market")
        with pytest.raises(StackError, match=r"^market ended 5 times within a minute: no such market$"):
            running.revive()


def test_part_that_ends_now_and_then_is_never_given_up(tmp_path: Path) -> None:
    clock = Minutes()
    with Running(tmp_path, lambda _: None, clock) as running:
        running.start(Part("market", FAILING))
        for _ in range(2 * MOST_STARTS):
            ended(running, "market")
            clock.seconds += WITHIN_SECONDS / 2
            running.revive()
