"""Signals that come while a child is being started."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PosixPath
from typing import IO, Any

import psutil
import pytest

from infra.children import Child
from infra.interrupts import deferred, end_with_terminal

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
SIGNALS_OF_CHILD = [
    sys.executable,
    "-c",
    "print([line.split()[1] for line in open('/proc/self/status') if line[:6] in ('SigBlk', 'SigIgn')])",
]


@pytest.fixture(autouse=True)
def terminate_as_interrupt() -> Iterator[None]:
    """Let signals raise, as the command line does: one that slips through ends a test and not the run."""

    def interrupt(_number: int, _frame: object) -> None:
        raise SystemExit(143)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    end_with_terminal()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGHUP, SystemExit)],
)
def test_signal_is_raised_once_the_block_is_done(number: signal.Signals, error: type[BaseException]) -> None:
    done = False
    before = signal.getsignal(number)
    with pytest.raises(error), deferred():
        os.kill(os.getpid(), number)
        done = True
    assert done
    assert signal.getsignal(number) is before


def test_ignored_signal_stays_ignored_and_a_quiet_block_changes_nothing() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_child_started_in_the_block_inherits_no_ignored_or_blocked_signal() -> None:
    outside = subprocess.run(SIGNALS_OF_CHILD, capture_output=True, check=True).stdout
    with deferred():
        inside = subprocess.run(SIGNALS_OF_CHILD, capture_output=True, check=True).stdout
    assert inside == outside


class InterruptedLog(PosixPath):
    """A log at whose closing, when the child has just been started, Ctrl-C comes."""

    @contextmanager
    def open(self, mode: str) -> Iterator[IO[Any]]:  # type: ignore[override]
        with super().open(mode) as file:
            yield file
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_during_the_start_leaves_no_child(tmp_path: Path) -> None:
    child = Child("sleeper", SLEEP, log=InterruptedLog(tmp_path / "log"))
    with pytest.raises(KeyboardInterrupt), child:
        pytest.fail("the block was entered")
    assert not psutil.pid_exists(child.pid)
