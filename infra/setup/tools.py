"""Outside tools (Maven, Go, pip, uv): found on PATH, run with their output in a log, stopped with us."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.errors import StackError
from infra.setup.cache import cache_root, stopping

_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()


def find(tool: str, advice: str) -> str:
    """Return the path of a tool on PATH.

    Raises:
        StackError: the tool is not there; the message carries `advice`.
    """
    path = shutil.which(tool)
    if path is None:
        raise StackError(f"{tool} is not on PATH: {advice}")
    return path


def log_file(name: str) -> Path:
    """Return the log of one part of the set-up."""
    folder = cache_root() / "logs"
    folder.mkdir(exist_ok=True)
    return folder / f"{name}-{os.getpid()}.log"


def run(command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a command to its end, its output appended to `log`.

    Raises:
        StackError: it ended with another exit code than 0, or the set-up is being stopped.
    """
    with log.open("ab") as output:
        with _guard:
            if stopping.is_set():
                raise StackError(f"{Path(command[0]).name} was not started: the set-up is being stopped")
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
            _running.add(process)
        code = process.wait()
        with _guard:
            _running.discard(process)
    if code != 0:
        raise StackError(f"{Path(command[0]).name} failed with exit code {code}: {_last_line(log)} (all of it: {log})")


def stop_all() -> None:
    """Kill every tool that still runs, with its children, and let none start after it."""
    with _guard:
        stopping.set()
        for process in _running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    # Maven ends with lines of advice; the first line that bears an error is the one to show.
    errors = [line for line in lines if line.startswith(("[ERROR] Failed", "error:", "ERROR:", "go: "))]
    return (errors or [line for line in lines if line] or ["it said nothing"])[-1][:300]
