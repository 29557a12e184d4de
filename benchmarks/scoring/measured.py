"""Run both and compare: posts a second, memory, and whether every score is the same."""

import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow.dataset as ds

from benchmarks.scoring.posts_file import write_posts
from benchmarks.usage import tree
from contracts.errors import NoDataError
from infra.children import Child
from infra.demo.memory import PeakMemory
from infra.spark.options import environment
from infra.spark.settings import SparkSettings
from infra.terminal import say
from simulator.market import Market

POSTS = 200_000
PLANS = ("loop", "udf")
LIMIT_SECONDS = 900.0
_SECONDS = re.compile(r"scored in (\d+\.\d+) s")


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """One way of scoring. `seconds` are those of scoring, `all_seconds` with start and reading; memory is its peak."""

    plan: str
    posts: int
    seconds: float
    all_seconds: float
    rows_per_second: float
    peak_bytes: int


def measure_scoring(out: Path, posts: int = POSTS) -> list[Scored]:
    """Score the same posts both ways.

    Raises:
        NoDataError: one of them failed, or they do not say the same.
    """
    folder = out / "scoring"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_posts(folder / "posts.parquet", posts, Market(1))
    found = [_measure(plan, posts, folder) for plan in PLANS]
    loop, udf = (_compounds(folder / plan) for plan in PLANS)
    if loop != udf:
        differing = sum(loop[post] != udf.get(post) for post in loop)
        raise NoDataError(f"scoring: expected the same score of {posts} posts, found {differing} that differ")
    shutil.rmtree(folder)
    for one in found:
        say(f"  {one.plan}: {one.rows_per_second:,.0f} posts/s, {one.peak_bytes / 2**20:,.0f} MiB")
    return found


def _measure(plan: str, posts: int, folder: Path) -> Scored:
    lines: list[str] = []
    command = [sys.executable, "-m", f"benchmarks.scoring.{plan}", str(folder / "posts.parquet"), str(folder / plan)]
    env = {**environment(SparkSettings.load()), "PYSPARK_PYTHON": sys.executable}
    began = time.monotonic()
    with (
        Child(plan, command, env=env, each_line=lines.append, log=folder / f"{plan}.log") as child,
        PeakMemory(lambda: tree(child.pid)) as memory,
    ):
        if child.wait(LIMIT_SECONDS):
            raise NoDataError(f"scoring: {plan} failed: {child.last_words()}")
    (seconds,) = _SECONDS.findall("\n".join(lines))
    return Scored(
        plan=plan,
        posts=posts,
        seconds=float(seconds),
        all_seconds=time.monotonic() - began,
        rows_per_second=posts / float(seconds),
        peak_bytes=memory.peak_bytes,
    )


def _compounds(path: Path) -> dict[str, float]:
    table = ds.dataset(path, format="parquet").to_table(columns=["post_id", "compound"])
    return dict(zip(table["post_id"].to_pylist(), table["compound"].to_pylist(), strict=True))


def scored_row(found: Scored) -> Sequence[str]:
    """Write one measurement as cells."""
    return (
        found.plan,
        f"{found.posts:,}",
        f"{found.rows_per_second:,.0f}",
        f"{found.seconds:.1f}",
        f"{found.all_seconds:.1f}",
        f"{found.peak_bytes / 2**20:,.0f}",
    )
