"""The demo itself: start the stack, play a market, run the job, show what came out, stop everything."""

import datetime as dt
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from pyarrow import compute

from contracts.settings import KafkaSettings, LakeSettings
from contracts.tables import CANDLES
from infra.children import Child
from infra.dashboard.run import Wish, running_dashboard
from infra.demo.memory import PeakMemory
from infra.demo.replay import Market, coinlake, replay
from infra.environment import environment
from infra.settings import LiquidationSettings, StackSettings
from infra.spark.settings import SparkSettings
from infra.spark.submit import new_class_archive, submission
from infra.stack import processes
from infra.stack.anew import make_anew, usual_or_free_ports
from infra.stack.launch import embedded_stack, up
from infra.stack.layout import Layout
from infra.stack.liquidations import Liquidations
from infra.terminal import say
from serve.published import open_dataset

COIN = "BTC"


def demo(home: Path, market: Market, coin: str = COIN, dashboard: Wish | None = None) -> None:
    """Run the whole chain in a lake of its own, made anew each time; nothing is left running.

    Args:
        home: the folder of its stack.
        market: what is played.
        coin: which coin is shown in the terminal.
        dashboard: how to show the dashboard in the end; None ends without it.

    Raises:
        StackError: a part did not start or ended with an error; the message says which and why.
        NoDataError: nothing was joined for the coin.
    """
    begin = time.monotonic()
    make_anew(home)
    layout = Layout(home)
    with (
        PeakMemory(lambda: _everything(layout)) as memory,
        embedded_stack(home, usual_or_free_ports(StackSettings.load(), say), say=say) as stack,
        # Not only the folder: a `.env` or a shell that points at a real Kafka and lake must not get our market.
        environment({**stack.env(), "COINLAKE_HOME": str(home)}),
    ):
        with _step("replay", begin):
            replay(market, home / "logs", KafkaSettings.load(), say)
        with _step("Spark", begin):
            _process(home)
        with _step("results", begin):
            _show(coin)
            moment = _newest_candle(coin)
        if dashboard is not None:
            with _step("dashboard", begin):
                _show_dashboard(home, dashboard, begin, memory)
    seconds = time.monotonic() - begin
    took = "" if dashboard else f"done in {seconds:.0f} s, "
    say(f"\ndemo: {took}peak memory {memory.peak_bytes / 2**30:.1f} GiB; everything is stopped")
    say(_what_next(home, coin, moment))


@contextmanager
def _step(name: str, begin: float) -> Iterator[None]:
    say(f"--- {name} (at {time.monotonic() - begin:.0f} s)")
    yield


def _everything(layout: Layout) -> Iterable[psutil.Process]:
    """List our own process, all below it, and the stack, which its supervisor has taken out of our tree."""
    me = psutil.Process()
    found = {me.pid: me}
    for root in (me, *(part.process for part in processes.find(layout))):
        found[root.pid] = root
        try:
            found |= {child.pid: child for child in root.children(recursive=True)}
        except psutil.NoSuchProcess:
            continue
    return found.values()


def _process(home: Path) -> None:
    settings, log = SparkSettings.load(), home / "logs" / "process.log"
    with new_class_archive(settings) as new:
        submitted = submission("process_markets", ["--trigger", "available-now"], settings, new_class_archive=new)
        with Child("the Spark job", submitted.command, env=submitted.env, each_line=say, log=log) as job:
            job.finish()


def _show_dashboard(home: Path, wish: Wish, begin: float, memory: PeakMemory) -> None:
    """Give the stack QuestDB and Kafka Connect, and show the dashboard until told to stop."""
    ports = usual_or_free_ports(LiquidationSettings.load(), say)
    info = up(home, liquidations=Liquidations(ports), say=say)
    with environment(info.env()), running_dashboard(home, wish) as shown:
        seconds, peak = time.monotonic() - begin, memory.peak_bytes / 2**30
        say(f"demo: open {shown.url} after {seconds:.0f} s, peak memory {peak:.1f} GiB; Ctrl-C stops everything")
        with suppress(KeyboardInterrupt):  # the way to close it: what comes after is still of use
            shown.watch()


def _show(coin: str) -> None:
    with Child("show", coinlake("show", coin)) as shown:
        shown.finish()


def _newest_candle(coin: str) -> str:
    """Return when the newest candle of a coin opens, as `coinlake explain` takes it.

    Raises:
        NoDataError: the coin has no candle.
    """
    opened = open_dataset(LakeSettings.load(), CANDLES, coin).to_table(columns=["open_time"])["open_time"]
    newest: dt.datetime = compute.max(opened).as_py()
    return f"{newest:%Y-%m-%dT%H:%M}"


def _what_next(home: Path, coin: str, moment: str) -> str:
    place, date = os.path.relpath(home), moment[:10]
    filters = f"[('coin', '==', '{coin}'), ('date', '==', '{date}')]"
    query = f"SELECT * FROM candles WHERE coin = '{coin}' AND date = '{date}' ORDER BY open_time"
    return f"""
The lake stays in {place}. To ask it more:

  export COINLAKE_HOME={place}
  .venv/bin/coinlake up
  .venv/bin/coinlake show ETH
  .venv/bin/coinlake explain {coin} {moment}
  eval "$(.venv/bin/coinlake env)"
  .venv/bin/python -c "import os, pandas as pd
print(pd.read_parquet(os.environ['CANDLES'], filters={filters}))"
  .venv/bin/python -c "import os, duckdb, pyarrow.dataset as ds
candles = ds.dataset(os.environ['CANDLES'], partitioning='hive')
print(duckdb.sql(\\"{query}\\"))"
  .venv/bin/coinlake down"""
