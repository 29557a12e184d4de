"""Compare a lake with the exchange, store the score and write the page; or do so in a lake of its own."""

import datetime as dt
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console

from contracts.settings import IngestSettings, LakeSettings, home
from infra.backfill_progress import showing_progress
from infra.children import Child
from infra.environment import environment
from infra.reconcile.klines import kline_files, read_klines
from infra.settings import StackSettings
from infra.spark.settings import SparkSettings
from infra.spark.submit import submission
from infra.stack.launch import embedded_stack
from infra.stack.stop import down
from infra.terminal import say
from ingest.sources.binance.history import download_klines
from serve.gaps import recorded_gaps
from serve.reconcile.causes import with_causes
from serve.reconcile.compare import Compared, Period, compare
from serve.reconcile.exchange import MADE_OF
from serve.reconcile.ours import our_candles
from serve.reconcile.page import page as page_of
from serve.reconcile.report import show
from serve.reconcile.stored import LATEST, Stored
from spark_jobs.archives.names import AS_NAMED, Contents
from spark_jobs.backfill import backfill
from spark_jobs.edges.store import open_store

SOURCE = "1m"
"""The klines that candles are made of."""


class Asked(msgspec.Struct, frozen=True):
    """What is to be compared; without a folder the exchange's klines are downloaded."""

    folder: Path | None
    period: Period
    symbols: tuple[str, ...]
    intervals: tuple[str, ...]
    every_interval: bool = False
    """Whether each of the intervals must be there to be compared."""
    page: Path | None = None


def reconcile_lake(asked: Asked) -> bool:
    """Compare the lake of the settings with the exchange; say whether all is equal.

    Raises:
        NoDataError: there are no candles, or no klines of the exchange.
        StoreError: the object store does not answer or refuses.
    """
    lake = LakeSettings.load()
    klines = read_klines(_files(asked))
    there = set(klines["interval"].unique().to_pylist())
    for name in asked.intervals:
        if MADE_OF[name].interval not in there:
            say(f"{name}: not compared, there are no {MADE_OF[name].interval} klines of the exchange")
    intervals = [name for name in asked.intervals if MADE_OF[name].interval in there]
    compared = compare(our_candles(lake, klines, intervals), klines, intervals, asked.period)
    compared = with_causes(compared, recorded_gaps(lake))
    show(compared, Console(width=shutil.get_terminal_size((100, 24)).columns, highlight=False, markup=False))
    now = dt.datetime.now(dt.UTC)
    _store(lake, compared, now)
    place = (asked.page or home() / "reconcile.html").absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(page_of(compared, now), encoding="utf-8")
    say(f"scoreboard: {place}")
    lacking = not_compared(asked, compared)
    for symbol, name in lacking:
        say(f"{symbol} {name}: expected candles to compare, found no whole one in the exchange's klines and the period")
    return compared.is_equal and not lacking


def not_compared(asked: Asked, compared: Compared) -> list[tuple[str, str]]:
    """Return the symbols and intervals that were asked for by name and of which nothing was compared."""
    found = {(score.symbol, score.interval) for score in compared.scores}
    intervals = asked.intervals if asked.every_interval else dict.fromkeys(name for _, name in sorted(found))
    symbols = asked.symbols or (dict.fromkeys(symbol for symbol, _ in sorted(found)) if asked.every_interval else ())
    return [(symbol, name) for symbol in symbols for name in intervals if (symbol, name) not in found]


def _files(asked: Asked) -> dict[Path, Contents]:
    intervals = {MADE_OF[name].interval for name in asked.intervals}
    if asked.folder is not None:
        return kline_files(asked.folder, intervals, asked.symbols)
    settings, into = IngestSettings.load(), home() / "downloads" / "reconcile"
    assert asked.period.start is not None and asked.period.end is not None
    shutil.rmtree(into, ignore_errors=True)  # what an earlier run asked for is not asked for now
    for symbol in asked.symbols or settings.binance_symbols:
        for interval in sorted(intervals):
            download_klines(settings, symbol, interval, asked.period.start, asked.period.end, into, say)
    return kline_files(into, intervals, asked.symbols)


def _store(lake: LakeSettings, compared: Compared, now: dt.datetime) -> None:
    store, body = open_store(lake, lake.lake), msgspec.json.encode(Stored(now, compared))
    store.put(f"reconcile/{now:%Y-%m-%dT%H-%M-%SZ}.json", body)
    store.put(LATEST, body)


def in_own_lake(asked: Asked) -> bool:
    """Make a lake anew of the folder's 1-minute files, with a stack of its own, and compare it.

    Raises:
        CoinlakeError: a part did not start or ended with an error; the message says which and why.
    """
    assert asked.folder is not None
    own, begin = home() / "reconcile", time.monotonic()
    place = asked.page or own / "scoreboard.html"
    files = list(kline_files(asked.folder, {SOURCE}, asked.symbols))
    if own.exists():
        down(own)
        shutil.rmtree(own)
    own.mkdir(parents=True)
    with (
        embedded_stack(own, _free_ports(), say=say) as stack,
        environment({**stack.env(), "COINLAKE_HOME": str(own)}),
    ):
        with _step("backfill", begin), showing_progress(files) as watch:
            backfill(LakeSettings.load(), files, AS_NAMED, watch)
        with _step("Spark", begin):
            _process(own)
        with _step("reconcile", begin):
            equal = reconcile_lake(msgspec.structs.replace(asked, page=place))
    say(f"reconcile: done in {time.monotonic() - begin:.0f} s; the lake stays in {os.path.relpath(own)}")
    return equal


def _process(own: Path) -> None:
    submitted = submission("process_markets", ["--trigger", "available-now"], SparkSettings.load())
    with Child("the Spark job", submitted.command, env=submitted.env, log=own / "logs" / "process.log") as job:
        job.finish()


def _free_ports() -> StackSettings:
    return StackSettings.load().model_copy(update=dict.fromkeys(StackSettings.model_fields, 0))


@contextmanager
def _step(name: str, begin: float) -> Iterator[None]:
    say(f"--- {name} (at {time.monotonic() - begin:.0f} s)")
    yield
