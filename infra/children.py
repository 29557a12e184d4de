"""Child processes that never outlive us: each leads a process group of its own, which is stopped as a whole."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts.errors import StackError
from infra.interrupts import deferred, uninterrupted

GRACE_SECONDS = 15.0


class Child:
    """One running program, stopped when the block ends.

    Standard output goes line by line to `each_line`, or to our own; standard error goes to `log`, or to our own.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        each_line: Callable[[str], None] | None = None,
        log: Path | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._env = {**os.environ, **(env or {})}
        self._each_line = each_line
        self._log = log
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            with deferred():
                self._start()
                undo.callback(self._stop_uninterrupted)
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_uninterrupted()

    def _start(self) -> None:
        if self._log is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") if self._log else nullcontext() as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._each_line else None,
                stderr=log,
                start_new_session=True,
                text=True,
            )
        if self._each_line is not None:
            self._reader = threading.Thread(target=self._read, name=f"output of {self.name}", daemon=True)
            self._reader.start()

    def _stop_uninterrupted(self) -> None:
        with uninterrupted():
            self.stop()

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its group."""
        return self._process.pid

    def wait(self, seconds: float | None = None) -> int:
        """Wait for the program to end and return its exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        code = self._process.wait(seconds)
        if self._reader is not None:
            self._reader.join(1)
        return code

    def finish(self) -> None:
        """Wait for the program to end well.

        Raises:
            StackError: it ended with another code than 0; the message bears the last line of its log.
        """
        code = self.wait()
        if code != 0:
            raise StackError(f"{self.name} ended with exit code {code}: {self.last_words()}")

    def running(self) -> bool:
        """Say whether the program still runs."""
        return self._process.poll() is None

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """End the whole group: ask first, kill what is left."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def kill(self) -> None:
        """End the whole group at once, as a crash would."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        """Return the last line that says something in the log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log and self._log.exists() else []
        said = [line.strip() for line in lines if line.strip() and not line.startswith(("\tat ", " "))]
        return said[-1].removeprefix("coinlake: ") if said else "it said nothing"

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def _read(self) -> None:
        assert self._each_line is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._each_line(line.rstrip("\n"))
