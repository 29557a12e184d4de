"""Measure archive files to 10-minute candles: ours into the lake, DuckDB and Polars into one Parquet file."""

import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.archives.files import MINUTES, Kind, write_archives
from benchmarks.measure import Ending, Run, measure
from benchmarks.plans import Plan
from benchmarks.same_results import Agreement, agreement
from contracts.settings import LakeSettings
from contracts.tables import CANDLES
from infra.crashtest.run import fresh_stack
from infra.environment import environment
from infra.spark.options import Submission
from infra.spark.settings import SparkSettings
from infra.terminal import say
from serve.published import open_dataset

MASTER = "local[2]"
KLINE_SYMBOLS = 50
TRADE_SYMBOLS = 10
TRADES = 20_000_000
_VENUE = {Kind.KLINES: "binance", Kind.AGG_TRADES: "binance_trades"}
_VALUES = {"open": 8, "high": 8, "low": 8, "close": 8, "volume": 8, "quote_volume": 8, "trades": 0}


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on the archives of one kind, and whether the candles are the same."""

    what: str
    file_bytes: int
    runs: Sequence[Run]
    agreements: Sequence[Agreement]


def measure_archives(trades: int, limit_seconds: float, out: Path) -> Iterator[Archived]:
    """Measure a month of 1-minute klines of 50 symbols, then so many aggregate trades of 10 symbols.

    Raises:
        StackError: the stack did not start.
    """
    yield _measure(Kind.KLINES, KLINE_SYMBOLS, MINUTES, limit_seconds, out)
    yield _measure(Kind.AGG_TRADES, TRADE_SYMBOLS, trades // TRADE_SYMBOLS, limit_seconds, out)


def _measure(kind: Kind, symbols: int, rows_each: int, limit_seconds: float, out: Path) -> Archived:
    home, folder, rows = out / "archive-stack", out / "archives" / kind, symbols * rows_each
    try:
        files = write_archives(kind, folder, symbols, rows_each)
        size = sum(path.stat().st_size for path in files)
        say(f"{kind}: {rows:,} rows in {len(files)} files, {size / 2**20:,.0f} MiB")
        plans = [_ours(files), *(_engine(name, kind, folder, files) for name in ("duckdb", "polars"))]
        with fresh_stack(home, say=lambda line: say(f"  {line}")), environment({"COINLAKE_SPARK_MASTER": MASTER}):
            runs = []
            for plan in plans:
                log = out / "logs" / f"{plan.name}-{kind}.log"
                run = measure(plan, rows, SparkSettings.load(), home, limit_seconds, log)
                say(f"  {plan.name}: {run.ending} in {run.seconds:.1f} s, {run.job_peak_bytes / 2**20:,.0f} MiB")
                runs.append(run)
            agreements = _compared(kind, folder, runs)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
    return Archived(what=str(kind), file_bytes=size, runs=runs, agreements=agreements)


def _ours(files: Sequence[Path]) -> Plan:
    """Import the files into the lake, then build and publish everything that is built of them."""
    cli = [sys.executable, "-m", "infra.cli"]
    steps = [[*cli, "backfill", *map(str, files)], [*cli, "process"]]
    command = ["sh", "-c", " && ".join(map(shlex.join, steps))]
    return Plan("ours", lambda _: Submission(command, {}))


def _engine(name: str, kind: Kind, folder: Path, files: Sequence[Path]) -> Plan:
    script = f"benchmarks.archives.{name}_plan"
    command = [sys.executable, "-m", script, str(kind), str(_candles(folder, name)), *map(str, files)]
    return Plan(name, lambda _: Submission(command, {}))


def _candles(folder: Path, name: str) -> Path:
    return folder / f"{name}.parquet"


def _compared(kind: Kind, folder: Path, runs: Sequence[Run]) -> list[Agreement]:
    """Compare our published candles with what each engine wrote, value by value.

    Polars rounds every product to 8 places before it adds them up, so its quote volume of trades is left out.
    """
    finished = {run.plan for run in runs if run.ending is Ending.FINISHED}
    if "ours" not in finished:
        return []
    keys = ("coin", "open_time")
    columns = ["venue", "interval", *keys, *_VALUES]
    of_kind = (pc.field("venue") == _VENUE[kind]) & (pc.field("interval") == "10m")
    ours = open_dataset(LakeSettings.load(), CANDLES).to_table(columns=columns, filter=of_kind)
    agreements = []
    for name in sorted(finished - {"ours"}):
        exact = dict(_VALUES)
        if name == "polars" and kind is Kind.AGG_TRADES:
            del exact["quote_volume"]
        agreements.append(agreement(name, str(kind), ours, _rows(_candles(folder, name)), keys, exact))
        found = agreements[-1]
        say(f"  {name}: {found.equal:,} candles equal, {found.different + found.only_ours + found.only_other} not")
    return agreements


def _rows(path: Path) -> pa.Table:
    found = pq.read_table(path)
    times = found["open_ms"].cast(pa.timestamp("ms", "UTC")).cast(pa.timestamp("us", "UTC"))
    return found.drop_columns("open_ms").append_column("open_time", times)
