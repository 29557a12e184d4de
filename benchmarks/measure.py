"""Run one plan once and measure it: wall time, CPU time, memory, objects."""

import resource
import subprocess
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from benchmarks.plans import Plan
from benchmarks.stages import StageClock
from benchmarks.usage import cpu_seconds, tree
from contracts.settings import LakeSettings
from infra.children import Child
from infra.demo.memory import PeakMemory
from infra.spark.settings import SparkSettings
from infra.stack import processes
from infra.stack.layout import Layout
from spark_jobs.edges.store import open_store

SAMPLE_SECONDS = 1.0


class Ending(StrEnum):
    """How a run ended: by itself, by the limit, or with an error."""

    FINISHED = "finished"
    NOT_FINISHED = "not finished"
    FAILED = "failed"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one plan over topics of so many rows.

    `rows_per_second` of a run that did not finish is more than it would have been. CPU is user and system time;
    that of the servers (Kafka, MinIO) is apart. Memory is the proportional set size: the peak of the job's processes,
    and that of the job and the servers together. `objects` counts what the run left in the lake and in its state.
    `last_words` are those of a run that failed.
    """

    plan: str
    rows: int
    ending: Ending
    seconds: float
    rows_per_second: float
    cpu_seconds: float
    server_cpu_seconds: float
    job_peak_bytes: int
    peak_bytes: int
    objects: int
    stages: Mapping[str, float]
    last_words: str = ""


def measure(plan: Plan, rows: int, spark: SparkSettings, home: Path, limit_seconds: float, log: Path) -> Run:
    """Run a plan once with the stack and the lake that the environment names; stop it at the limit.

    Args:
        plan: what to run.
        rows: how many rows its topics hold.
        spark: where and with how much memory it runs.
        home: the folder of the stack.
        limit_seconds: how long it may take.
        log: the file for what it says.

    Raises:
        SettingsError: a setting cannot be used.
    """
    submitted = plan.submit(spark)
    layout = Layout(home)
    servers = [found.process for found in processes.find(layout)]
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    children_before, servers_before = _children_cpu_seconds(), cpu_seconds(servers)
    began = time.monotonic()
    clock = StageClock(time.monotonic)
    errors = log.with_suffix(".err")
    errors.unlink(missing_ok=True)
    with log.open("w") as lines:

        def each_line(line: str) -> None:
            clock.read(line)
            print(f"{time.monotonic() - began:8.2f}  {line}", file=lines, flush=True)

        with Child(
            f"the {plan.name} plan", submitted.command, env=submitted.env, each_line=each_line, log=errors
        ) as job:
            with (
                PeakMemory(lambda: tree(job.pid), SAMPLE_SECONDS) as job_memory,
                PeakMemory(lambda: [*tree(job.pid), *servers], SAMPLE_SECONDS) as memory,
            ):
                ending = _wait(job, limit_seconds)
                seconds = time.monotonic() - began
            last_words = job.last_words() if ending is Ending.FAILED else ""
    return Run(
        plan=plan.name,
        rows=rows,
        ending=ending,
        seconds=seconds,
        rows_per_second=rows / seconds,
        cpu_seconds=_children_cpu_seconds() - children_before,
        server_cpu_seconds=cpu_seconds(servers) - servers_before,
        job_peak_bytes=job_memory.peak_bytes,
        peak_bytes=memory.peak_bytes,
        objects=_objects(LakeSettings.load()),
        stages=clock.stages(seconds),
        last_words=last_words,
    )


def _wait(job: Child, limit_seconds: float) -> Ending:
    try:
        return Ending.FINISHED if job.wait(limit_seconds) == 0 else Ending.FAILED
    except subprocess.TimeoutExpired:
        job.kill()
        return Ending.NOT_FINISHED


def _children_cpu_seconds() -> float:
    """Return the CPU time of all our children that have ended, and of theirs that they waited for.

    Of a run that was killed at its limit the Python process is not among them: its JVM could not wait for it.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _objects(lake: LakeSettings) -> int:
    return sum(1 for place in (lake.lake, lake.state) for _ in open_store(lake, place).keys(""))
