"""One run of process_markets, struck by blows as it goes."""

import subprocess
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.errors import StackError
from infra.children import Child
from infra.crashtest.journal import Journal
from infra.crashtest.lake import LakeUnderTest
from infra.crashtest.plan import Blow
from infra.crashtest.strikes import arm
from infra.spark.settings import SparkSettings
from infra.spark.submit import new_class_archive, submission

LOOK_SECONDS = 0.005
"""How often the disk is looked at: the shortest moment, a commit that its checkpoint does not know, lasts 0.1 s."""
LIMIT_SECONDS = 1200.0


@dataclass(frozen=True)
class Run:
    """How a run ended: its exit code (negative after a kill), its last words, what struck it and what came too late."""

    code: int
    last_words: str
    struck: tuple[Blow, ...] = ()
    missed: tuple[Blow, ...] = ()


def run_job(
    lake: LakeUnderTest,
    journal: Journal,
    blows: deque[Blow] | None = None,
    rules: Mapping[str, str] | None = None,
) -> Run:
    """Run the job and deal the blows in their order until it ends or is killed; dealt ones are taken from `blows`.

    Raises:
        StackError: the run did not end in LIMIT_SECONDS.
    """
    waiting = deque[Blow]() if blows is None else blows
    logs = lake.home / "logs"
    log = logs / f"process-{lake.name}.log"
    log.unlink(missing_ok=True)
    settings = SparkSettings.load()
    with new_class_archive(settings) as new:
        # A driver that is killed writes no class archive; one without blows does, where there is none yet.
        submitted = submission(
            "process_markets", ["--trigger", "available-now"], settings, new_class_archive=None if waiting else new
        )
        env = {**submitted.env, **lake.env, **(rules or {})}
        deadline = time.monotonic() + LIMIT_SECONDS
        struck: list[Blow] = []
        missed: list[Blow] = []
        with Child("the Spark job", submitted.command, env=env, each_line=journal.quote, log=log) as job:
            while waiting and job.running():
                strike = arm(waiting[0], lake)
                while job.running() and not strike.due() and time.monotonic() < deadline:
                    time.sleep(LOOK_SECONDS)
                if not job.running() or time.monotonic() >= deadline:
                    break
                blow = waiting.popleft()
                struck.append(blow)
                late = strike.deal(job)
                journal.note(f"{blow}{f': too late, {late}' if late else ''}")
                if late:
                    missed.append(blow)
            try:
                code = job.wait(max(1.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise StackError(f"the Spark job did not end in {LIMIT_SECONDS:g} s: {job.last_words()}") from None
            words = job.last_words()
    return Run(code, words, tuple(struck), tuple(missed))
