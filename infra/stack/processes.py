"""The processes of a stack, found by what they run, so that one whose supervisor died is found as well."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.stack import connect, kafka, questdb, spark, supervisor
from infra.stack.layout import Layout

_MARKS: Mapping[str, tuple[Callable[[Layout], Path], frozenset[str]]] = {
    "supervisord": (lambda layout: layout.supervisor_conf, frozenset({supervisor.MODULE})),
    "kafka": (lambda layout: layout.kafka_conf, frozenset({kafka.MAIN, kafka.FORMAT_MAIN})),
    "minio": (lambda layout: layout.minio_data, frozenset({"server"})),
    questdb.PART: (lambda layout: layout.questdb_data, frozenset({questdb.MAIN})),
    connect.PART: (lambda layout: layout.connect_conf, frozenset({connect.MAIN})),
}
"""What a part's command line bears: a file or folder of its stack, and one of these words."""


@dataclass(frozen=True)
class Found:
    """One process of a stack."""

    part: str
    process: psutil.Process


def find(layout: Layout) -> list[Found]:
    """Return the processes of the stack that lives in this folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        part = part_of(layout, command) or spark.part_of(layout, command, _folder(process, command))
        if part is not None and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
            found.append(Found(part, process))
    return found


def wait_gone(layout: Layout, seconds: float) -> bool:
    """Wait until no process of the stack is left; tell whether that came true in time."""
    deadline = time.monotonic() + seconds
    while find(layout):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def send(layout: Layout, number: signal.Signals) -> None:
    """Send a signal to every process of the stack, the supervisor first, so that it restarts nothing."""
    for found in sorted(find(layout), key=lambda each: each.part != "supervisord"):
        try:
            found.process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def part_of(layout: Layout, command: list[str]) -> str | None:
    """Tell which part of this stack a command line is of; the parts of a cluster `spark.part_of` tells."""
    for part, (file, words) in _MARKS.items():
        if str(file(layout)) in command and not words.isdisjoint(command):
            return part
    return None


def _folder(process: psutil.Process, command: list[str]) -> Path | None:
    """Return where an executor of Spark works; its command line says nothing of this stack."""
    if spark.EXECUTOR_MAIN not in command:
        return None
    try:
        return Path(process.cwd())
    except psutil.Error:
        return None
