"""Bring up Kafka, a market, the moving average and the chart's server; print the URL; run until told to stop."""

import datetime as dt
import json
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from contracts.settings import MovingAverageSettings
from infra.demo.replay import coinlake
from infra.environment import environment
from infra.running import Part, Running
from infra.settings import StackSettings
from infra.setup.chart_library import ensure_chart_library
from infra.spark.live import live_submission
from infra.spark.settings import SparkSettings
from infra.stack.anew import make_anew, usual_or_free_ports
from infra.stack.launch import embedded_stack
from infra.terminal import say
from serve.http_server import url_of
from serve.live.settings import LiveSettings

LOOK_SECONDS = 0.5
SIMULATOR, GENERATOR, JOB, SERVER = "simulator", "generator", "moving-average", "server"


class Market(NamedTuple):
    """A generated market: how often each symbol trades, and which market it is."""

    trades_a_minute: int
    seed: int


def live(home: Path, market: Market | None, trigger: str, length: dt.timedelta | None) -> None:
    """Run the live chart in a folder of its own, made anew; nothing is left running.

    Args:
        home: the folder of its stack.
        market: what is generated; None follows the real venue.
        trigger: `real-time` or `micro-batch`.
        length: how long; None until Ctrl-C or SIGTERM.

    Raises:
        StackError: a part did not start, or ends again and again; the message says which and why.
    """
    say("live: looking for Spark, Kafka and the chart library; what is missing is fetched once")
    ensure_chart_library()
    rules = MovingAverageSettings.load().model_copy(update={"live_trigger": trigger})
    make_anew(home)
    with embedded_stack(home, usual_or_free_ports(StackSettings.load(), say), say=say) as stack:
        # Not only the folder: a `.env` or a shell that points at a real Kafka must not get our market.
        env = {
            **stack.env(),
            "COINLAKE_HOME": str(home),
            "COINLAKE_LIVE_TRIGGER": trigger,
            # That of another Kafka would be wrong for this one.
            "COINLAKE_LIVE_CHECKPOINT": str(home / "checkpoint"),
        }
        with environment(env), Running(home / "logs", say) as running:
            submitted = live_submission(SparkSettings.load(), rules)
            running.start(Part(JOB, submitted.command, submitted.env))
            settings = LiveSettings.load()
            url = _serve(running, home, settings)
            say(f"live: the chart is at {url} ; it fills as soon as Spark is up")
            venue = _simulate(running, home, market) if market else {}
            feed = "binance_klines" if rules.live_source == "crypto_kline_data" else "binance_agg_trades"
            running.start(Part(GENERATOR, coinlake("generate", "--forever", "--venue", feed), venue))
            _watch(running, url, settings, length)
    say("live: everything is stopped")


def _serve(running: Running, home: Path, settings: LiveSettings) -> str:
    port_file = home / "live.port"
    command = coinlake("serve-live", "--port-file", str(port_file))
    running.start(Part(SERVER, command))
    port = running.port_in(port_file, SERVER)
    # Started again it has to be where the browsers look for it.
    running.change(Part(SERVER, command, {"COINLAKE_LIVE_PORT": port}))
    return url_of(settings.live_host, int(port)).rstrip("/")


def _simulate(running: Running, home: Path, market: Market) -> dict[str, str]:
    """Start a venue whose clock is that of life, and return where it is."""
    port_file = home / "simulator.port"
    arguments = ("--seed", str(market.seed), "--span", "now", "--trades-a-minute", str(market.trades_a_minute))
    command = coinlake("simulate", *arguments, "--port-file", str(port_file))
    running.start(Part(SIMULATOR, command))
    port = running.port_in(port_file, SIMULATOR)
    # Started again it has to be where the generator looks for it.
    running.change(Part(SIMULATOR, [*command, "--port", port]))
    base = f"http://127.0.0.1:{port}/binance"
    return {"COINLAKE_BINANCE_URL": base, "COINLAKE_BINANCE_STREAM_URL": base.replace("http", "ws", 1)}


def _watch(running: Running, url: str, settings: LiveSettings, length: dt.timedelta | None) -> None:
    """Revive what ends, and say once when the first window has come, until the time is up."""
    began = time.monotonic()
    shown = False
    token = settings.live_token.get_secret_value()
    page = f"{url}/?token=... (that of COINLAKE_LIVE_TOKEN)" if token else url
    while length is None or time.monotonic() - began < length.total_seconds():
        running.revive()
        if not shown and (symbols := _symbols(url, token)):
            say(f"live: {symbols} symbols after {time.monotonic() - began:.0f} s: open {page}  (Ctrl-C ends it)")
            shown = True
        time.sleep(LOOK_SECONDS)


def _symbols(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/api/symbols", headers=headers), timeout=2) as answer:
            return len(json.load(answer)["symbols"])
    except (OSError, HTTPException, ValueError, KeyError):
        return 0
