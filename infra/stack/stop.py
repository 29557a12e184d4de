"""Stop the embedded stack, whatever is left of it."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path

from contracts.errors import StackError
from infra.jars import kafka_jars_dir, questdb_jars_dir
from infra.setup.cache import lock
from infra.setup.java import find_java
from infra.stack import class_archive, connect, kafka, processes, questdb
from infra.stack.layout import Layout
from infra.stack.supervisor import ALIVE, STOP_SECONDS, Supervisor

_JVMS = {
    kafka.PART: (kafka_jars_dir, kafka.FLAGS),
    connect.PART: (kafka_jars_dir, connect.FLAGS),
    questdb.PART: (questdb_jars_dir, questdb.FLAGS),
}
"""The parts that keep a class archive, the first broker for all of them: where their jars are, and their flags."""
STOPPED_BY_TERM = 143
"""A JVM that SIGTERM asked to end ends by itself with this code, its shutdown hooks and class archive done."""


def down(home: Path) -> bool:
    """Stop every process of the stack, by force as the last resort; tell whether there was any.

    Raises:
        StackError: a process outlived SIGKILL.
    """
    layout = Layout(home.absolute())
    if not layout.home.is_dir():
        return False
    with lock(layout.lock):
        found = bool(processes.find(layout))
        stop(layout)
        return found


def stop(layout: Layout) -> None:
    """Stop every process of the stack; the caller holds the stack's lock.

    Raises:
        StackError: a process outlived SIGKILL.
    """
    if not processes.find(layout):
        return
    if _stop_by_supervisor(layout) and processes.wait_gone(layout, 5):
        return
    processes.send(layout, signal.SIGTERM)
    if processes.wait_gone(layout, STOP_SECONDS):
        return
    processes.send(layout, signal.SIGKILL)
    if not processes.wait_gone(layout, 10):
        left = ", ".join(f"{found.part} (pid {found.process.pid})" for found in processes.find(layout))
        raise StackError(f"still running after SIGKILL: {left}")


def _stop_by_supervisor(layout: Layout) -> bool:
    """Let supervisord stop its programs side by side, then itself; tell whether it took the commands.

    Kafka Connect is stopped before them: it takes leave of its brokers, and would wait for those that are gone.
    """
    supervisor = Supervisor(layout.socket)
    if not supervisor.answers():
        return False
    try:
        _stop_programs(supervisor, [name for name in supervisor.states() if name == connect.PART])
        _stop_programs(supervisor, list(supervisor.states()))
        for program in supervisor.states().values():
            if program.name in _JVMS and program.exit_code == STOPPED_BY_TERM:
                _keep_class_archive(layout, program.name)
        supervisor.shutdown()
    except StackError:
        return False
    return True


def _stop_programs(supervisor: Supervisor, names: Sequence[str]) -> None:
    """Stop programs side by side and wait until they have ended, by supervisord's force as the last resort."""
    for name in names:
        if supervisor.states()[name].state in ALIVE:
            supervisor.stop(name)
    deadline = time.monotonic() + STOP_SECONDS + 5
    while any(supervisor.states()[name].pid for name in names) and time.monotonic() < deadline:
        time.sleep(0.05)


def _keep_class_archive(layout: Layout, program: str) -> None:
    jars, flags = _JVMS[program]
    try:
        archive = class_archive.archive_file(program, find_java(), jars(), flags)
    except StackError:
        # The JDK or the jars are gone since the start: there is nothing to keep the archive for.
        return
    class_archive.adopt(layout.new_class_archive(program), archive)
