"""The chain that is measured: Kafka, the moving average and the chart's server, up and ready."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.live_engines.engines import ENGINES
from benchmarks.live_engines.probe import wait_ready
from benchmarks.usage import cpu_seconds, tree
from contracts.errors import StackError
from infra.children import Child
from infra.crashtest.run import fresh_stack
from infra.stack import StackInfo, processes
from infra.stack.layout import Layout

READY_SECONDS = 180.0


@dataclass(frozen=True)
class Chain:
    """A chain that works, and its processes."""

    stack: StackInfo
    url: str
    job: Child
    server: Child

    def generator(self, rate: float, seconds: float, log: Path) -> Child:
        """Make the process that sends so many events a second for so long and writes down what it sent."""
        arguments = ("--rate", str(rate), "--seconds", str(seconds), "--log", str(log))
        return self.child("benchmarks.live_engines.generator", *arguments)

    def child(self, module: str, *arguments: str) -> Child:
        """Make a process of a Python module; its log is named after it."""
        name = module.rpartition(".")[2]
        return Child(name, [sys.executable, "-m", module, *arguments], log=self.stack.home / "logs" / f"{name}.log")

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU time that each part has used so far."""
        kafka = [found.process for found in processes.find(Layout(self.stack.home)) if found.part == "kafka"]
        return {
            "kafka": cpu_seconds(kafka),
            "spark": cpu_seconds(tree(self.job.pid)),
            "server": cpu_seconds(tree(self.server.pid)),
        }

    def demand_running(self) -> None:
        """See that nothing has ended.

        Raises:
            StackError: a part has, with its last words.
        """
        for part in (self.job, self.server):
            if not part.running():
                raise StackError(f"{part.name} ended by itself: {part.last_words()}")


@contextmanager
def chain(
    home: Path, engine: str, say: Callable[[str], None], settings: Mapping[str, str] | None = None
) -> Iterator[Chain]:
    """Run a chain in a folder that is made anew, until the first windows have come through it.

    Args:
        home: the folder.
        engine: who computes the windows, a name of `benchmarks.live_engines.engines`.
        say: is told how it goes.
        settings: variables of the server.

    Raises:
        StackError: a part did not start.
    """
    with fresh_stack(home, say) as stack:
        port_file, checkpoint = home / "live.port", home / "checkpoint"
        checkpoint.mkdir()
        command = ENGINES[engine].command(checkpoint)
        serve = [sys.executable, "-m", "infra.cli", "serve-live", "--port-file", str(port_file)]
        logs = home / "logs"
        with (
            Child("the job", command.arguments, env=command.env, each_line=_ignore, log=logs / "job.log") as job,
            Child("the server", serve, env=settings, each_line=_ignore, log=logs / "server.log") as server,
        ):
            ready = wait_ready(stack.kafka_bootstrap_servers, job.running, READY_SECONDS)
            while not port_file.exists():
                if not server.running():
                    raise StackError(f"the server ended while it started: {server.last_words()}")
                time.sleep(0.1)
            say(f"  {engine}: ready after {ready:.1f} s")
            yield Chain(stack, f"http://127.0.0.1:{port_file.read_text().strip()}", job, server)


def chromium_of_ours() -> list[psutil.Process]:
    """Return the processes of the browser that we have started."""
    return [found for found in psutil.Process().children(recursive=True) if "chrom" in found.name()]


def _ignore(_line: str) -> None:
    """Take a line of standard output that no one reads; what is worth reading is in the log."""
