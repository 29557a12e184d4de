"""Kafka to published tables: both plans on the same topics, one after the other, at every size on a fresh stack."""

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.market import fill, minutes_for
from benchmarks.measure import Ending, Run, measure
from benchmarks.plans import OURS, Plan
from benchmarks.same_results import Agreement, compare
from contracts.errors import NoDataError
from contracts.settings import KafkaSettings, LakeSettings
from infra.crashtest.run import fresh_stack
from infra.environment import environment
from infra.spark.settings import SparkSettings
from infra.stack import StackInfo
from infra.terminal import say

MASTER = "local[2]"


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on topics of one size, and whether both plans said the same.

    `not_compared` says which plans were not compared with ours, and why.
    """

    rows: int
    market_minutes: int
    runs: Sequence[Run]
    agreements: Sequence[Agreement] = ()
    not_compared: Sequence[str] = ()


def measure_sizes(sizes: Sequence[int], plans: Sequence[Plan], limit_seconds: float, out: Path) -> Iterator[Size]:
    """Measure the plans at every size, smallest first; the order of the plans alternates.

    Raises:
        StackError: the stack did not start.
        UndeliveredError: Kafka did not take the rows.
    """
    for number, rows in enumerate(sorted(sizes)):
        order = list(plans) if number % 2 == 0 else list(reversed(plans))
        yield _measure_size(rows, order, limit_seconds, out)


def _measure_size(wanted: int, plans: Sequence[Plan], limit_seconds: float, out: Path) -> Size:
    home = out / "bench-stack"
    try:
        with fresh_stack(home, say=lambda line: say(f"  {line}")) as stack:
            minutes, began = minutes_for(wanted), time.monotonic()
            rows = fill(KafkaSettings.load(), minutes)
            say(f"{rows:,} rows, {minutes / 60:.1f} h of market, written to Kafka in {time.monotonic() - began:.1f} s")
            runs = [_run(plan, rows, stack, limit_seconds, out) for plan in plans]
            agreements, not_compared = _compared(stack, plans, runs)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return Size(rows=rows, market_minutes=minutes, runs=runs, agreements=agreements, not_compared=not_compared)


def _run(plan: Plan, rows: int, stack: StackInfo, limit_seconds: float, out: Path) -> Run:
    with environment({**_lake_of(stack, plan), "COINLAKE_SPARK_MASTER": MASTER}):
        log = out / "logs" / f"{plan.name}-{rows}.log"
        run = measure(plan, rows, SparkSettings.load(), stack.home, limit_seconds, log)
    say(f"  {plan.name}: {run.ending} in {run.seconds:.1f} s, {run.cpu_seconds:.0f} s of CPU {run.last_words}".rstrip())
    return run


def _compared(stack: StackInfo, plans: Sequence[Plan], runs: Sequence[Run]) -> tuple[list[Agreement], list[str]]:
    """Compare what ours published with what every other plan wrote, where both finished."""
    lakes = {}
    for plan in plans:
        with environment(_lake_of(stack, plan)):
            lakes[plan.name] = LakeSettings.load()
    finished = [run.plan for run in runs if run.ending is Ending.FINISHED]
    agreements: list[Agreement] = []
    not_compared = []
    for other in (run.plan for run in runs if run.plan != OURS.name):
        if not {OURS.name, other} <= set(finished):
            not_compared.append(f"{other}: not both plans finished")
            continue
        try:
            agreements += compare(lakes[OURS.name], other, lakes[other])
        except NoDataError as error:
            not_compared.append(f"{other}: {error}")
    for one in agreements:
        counts = f"{one.equal:,} equal, {one.different} different, {one.only_ours} and {one.only_other} alone"
        say(f"  {one.plan}, {one.what}: {'the same' if one.holds else 'NOT THE SAME'}: {counts}")
    return agreements, not_compared


def _lake_of(stack: StackInfo, plan: Plan) -> dict[str, str]:
    return {"COINLAKE_LAKE": f"{stack.lake}/{plan.name}", "COINLAKE_STATE": f"{stack.state}/{plan.name}"}
