"""The disturbed series of runs: losses and blows from a seed, each followed by a restart, until a run ends well."""

import random
from collections import deque
from collections.abc import Sequence

from contracts.errors import StackError
from infra.crashtest.job import Run, run_job
from infra.crashtest.journal import Journal
from infra.crashtest.lake import LakeUnderTest
from infra.crashtest.plan import Blow, KillBroker, Loss, Step, again

SMALL_BATCHES = {"COINLAKE_MAX_OFFSETS_PER_BATCH": "2000"}
"""Topics are landed in several batches, so that there is a middle in which landing is struck."""
MOST_REDRAWS = 8


def undisturbed(lake: LakeUnderTest, journal: Journal) -> None:
    """Run the job once.

    Raises:
        StackError: it did not end well.
    """
    run = run_job(lake, journal)
    if run.code != 0:
        raise StackError(f"the undisturbed run ended with exit code {run.code}: {run.last_words}")


def disturbed(lake: LakeUnderTest, journal: Journal, seed: int, drawn: Sequence[Step]) -> None:
    """Do all that was drawn of the seed, and restart the job until it ends well.

    Raises:
        StackError: a run ended badly though nothing had struck it, or the moment of a blow never came.
    """
    steps = deque(drawn)
    chance = random.Random(f"again {seed}")
    redraws = 0
    number = 0
    while True:
        while steps and isinstance(loss := steps[0], Loss):
            steps.popleft()
            journal.note(f"{loss} ({lake.lose(loss)} objects)")
        number += 1
        blows = _blows(steps)
        journal.tell(f"run {number} starts{f'; waiting for: {blows[0]}' if blows else ''}")
        planned = len(blows)
        run = run_job(lake, journal, blows, SMALL_BATCHES)
        for _ in range(planned - len(blows)):
            steps.popleft()
        _judge(run, journal, number)
        missed = list(run.missed)
        if run.code == 0 and blows:
            journal.note(f"run {number} ended before the moment came for: {blows[0]}")
            missed.append(blows[0])
            steps.popleft()
        for blow in missed:
            redraws += 1
            if redraws > MOST_REDRAWS:
                raise StackError(f"expected the moment of each blow to come, found none in {redraws} tries: {blow}")
            steps.extendleft(reversed(again(blow, chance)))
        if run.code == 0 and not steps:
            return


def _blows(steps: deque[Step]) -> deque[Blow]:
    """Return the blows at the front of the steps."""
    blows = deque[Blow]()
    for step in steps:
        if isinstance(step, Loss):
            break
        blows.append(step)
    return blows


def _judge(run: Run, journal: Journal, number: int) -> None:
    if run.code == 0:
        journal.note(f"run {number} ended well")
    elif not run.struck:
        raise StackError(f"run {number} was not struck and ended with exit code {run.code}: {run.last_words}")
    elif isinstance(run.struck[-1], KillBroker):
        journal.note(f"run {number} failed without its broker: {run.last_words}")
