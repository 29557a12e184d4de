"""Peak memory of everything that runs, as people count it."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil


class PeakMemory:
    """Sample the summed proportional set size (PSS) of processes while the block runs.

    PSS counts a page that several processes share once, split among them. Where the kernel does not tell it, the
    resident set size stands in, which counts such a page in full for each. To read it is not free: some 25 ms of a
    core for a JVM, as many to find the parts of a stack, on a slow machine.
    """

    def __init__(self, processes: Callable[[], Iterable[psutil.Process]], every_seconds: float = 2.0) -> None:
        self._processes = processes
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_forever, name="peak memory", daemon=True)
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def sample(self) -> None:
        """Take one sample, in the block or after it."""
        self.peak_bytes = max(self.peak_bytes, sum(map(memory_bytes, self._processes())))

    def _sample_forever(self) -> None:
        while not self._stop.wait(self._every):
            self.sample()


def memory_bytes(process: psutil.Process) -> int:
    """Return the PSS of one process in bytes; 0 when it has just ended."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    except (OSError, StopIteration):
        try:
            return int(process.memory_info().rss)
        except psutil.Error:
            return 0
