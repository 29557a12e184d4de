"""Break one part of a running stack and bring it back: for crash tests."""

import contextlib
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from contracts.errors import StackError
from infra.stack.info import read_ports
from infra.stack.layout import Layout
from infra.stack.ready import wait_ready
from infra.stack.supervisor import ALIVE, ProgramState, Supervisor


def kill_part(home: Path, part: str) -> None:
    """Kill a part and all it has started (a worker's executors) with SIGKILL; it stays down until `restart_part`.

    Raises:
        StackError: the part does not run, or supervisord does not.
    """
    layout = Layout(home.absolute())
    supervisor = Supervisor(layout.socket)
    found = _state(supervisor, part)
    if found.state not in ALIVE or not found.pid:
        raise StackError(f"{part} does not run: it is {found.state.lower()}")
    process = psutil.Process(found.pid)
    # Frozen, it cannot act on the SIGTERM with which supervisord learns that this end is wanted and no
    # restart is due; the SIGKILL then ends it with nothing flushed or closed.
    process.send_signal(signal.SIGSTOP)
    whole = [process, *process.children(recursive=True)]
    send_to_those_alive(whole[1:], signal.SIGSTOP)
    supervisor.stop(part)
    send_to_those_alive(whole, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _state(supervisor, part).pid:
        if time.monotonic() > deadline:
            raise StackError(f"{part} (pid {found.pid}) is still running after SIGKILL")
        time.sleep(0.02)


def restart_part(home: Path, part: str) -> None:
    """Start a part that is down on the port it had, and wait until it is healthy.

    Raises:
        StackError: it runs already, or did not start.
    """
    layout = Layout(home.absolute())
    supervisor = Supervisor(layout.socket)
    _state(supervisor, part)
    supervisor.start(part)
    wait_ready(layout, part, read_ports(layout))


def send_to_those_alive(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to each process; one that has ended by itself meanwhile (an executor) is passed over."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _state(supervisor: Supervisor, part: str) -> ProgramState:
    states = supervisor.states()
    if part not in states:
        raise StackError(f"expected one of {', '.join(states)}, found {part!r}")
    return states[part]
