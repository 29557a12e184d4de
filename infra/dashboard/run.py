"""Show the dashboard on a running stack: start the query API and the page, give the URL, run until told to stop."""

import datetime as dt
import time
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from contracts.errors import StackError
from infra.demo.replay import coinlake
from infra.environment import environment
from infra.running import PATIENCE_SECONDS, Part, Running
from infra.settings import LiquidationSettings, StackSettings
from infra.stack.anew import make_anew, usual_or_free_ports
from infra.stack.launch import embedded_stack
from infra.stack.liquidations import Liquidations
from infra.stack.ports import LOOPBACK, choose_ports
from infra.terminal import say
from serve.dashboard.settings import DashboardSettings
from serve.http_server import url_of

SIMULATOR, GENERATOR, QUERY, PAGE = "liquidations-simulator", "liquidations-generator", "query", "dashboard"
LIQUIDATIONS = "binance_liquidations"
_LOOK_SECONDS = 0.5


class Wish(NamedTuple):
    """What the user asked for: liquidations of a generated market, a browser that opens by itself, and for how long.

    `length` None is until Ctrl-C or SIGTERM.
    """

    simulated: bool
    browser: bool
    length: dt.timedelta | None = None


@dataclass(frozen=True)
class Shown:
    """A dashboard that is shown: where it is, and where the query API is that it asks."""

    url: str
    query_url: str
    _running: Running
    _length: dt.timedelta | None

    def watch(self) -> None:
        """Start again what ends by itself, until the time is up.

        Raises:
            StackError: a part ends again and again.
        """
        began = time.monotonic()
        while self._length is None or time.monotonic() - began < self._length.total_seconds():
            self._running.revive()
            time.sleep(_LOOK_SECONDS)


@contextmanager
def running_dashboard(home: Path, wish: Wish) -> Iterator[Shown]:
    """Show the dashboard of the stack that the settings name; what is started here is stopped at the end.

    Args:
        home: where logs and the ports that were chosen are kept.
        wish: what the user asked for.

    Raises:
        StackError: a part did not start, or ends again and again; the message says which and why.
        SettingsError: a setting cannot be used.
    """
    settings = DashboardSettings.load()
    port = choose_ports({"dashboard_port": settings.dashboard_port})["dashboard_port"]
    with Running(home / "logs", say) as running:
        if wish.simulated:
            feed = coinlake("generate", "--forever", "--venue", LIQUIDATIONS)
            running.start(Part(GENERATOR, feed, _simulate(running, home)))
        # The page alone asks it, from here.
        here = {"COINLAKE_QUERY_HOST": LOOPBACK}
        query_port = _start(running, home, Part(QUERY, coinlake("serve-query"), {**here, "COINLAKE_QUERY_PORT": "0"}))
        running.change(Part(QUERY, coinlake("serve-query"), {**here, "COINLAKE_QUERY_PORT": query_port}))
        query_url, url = f"http://{LOOPBACK}:{query_port}", url_of(settings.dashboard_host, port).rstrip("/")
        running.start(
            Part(
                PAGE,
                coinlake("serve-dashboard"),
                {"COINLAKE_QUERY_URL": query_url, "COINLAKE_DASHBOARD_PORT": str(port)},
            )
        )
        _wait_for(url, running)
        if wish.browser:
            webbrowser.open(url)
        yield Shown(url, query_url, running, wish.length)


@contextmanager
def stack_of_its_own(home: Path) -> Iterator[None]:
    """Run a stack in a folder that is made anew, and let all that is started work with it and no other.

    A `.env` or a shell that points at a real Kafka must not get what a simulated market tells.

    Raises:
        StackError: a part did not start.
    """
    make_anew(home)
    ports = usual_or_free_ports(StackSettings.load(), say)
    liquidations = Liquidations(usual_or_free_ports(LiquidationSettings.load(), say))
    with (
        embedded_stack(home, ports, liquidations=liquidations, say=say) as stack,
        environment({**stack.env(), "COINLAKE_HOME": str(home)}),
    ):
        yield


def _simulate(running: Running, home: Path) -> Mapping[str, str]:
    """Start a venue whose clock is that of life, and return where its futures are."""
    command = coinlake("simulate", "--span", "now")
    port = _start(running, home, Part(SIMULATOR, command))
    # Started again it has to be where the generator looks for it.
    running.change(Part(SIMULATOR, [*command, "--port", port]))
    return {"COINLAKE_BINANCE_FUTURES_STREAM_URL": f"ws://{LOOPBACK}:{port}/binance_futures"}


def _start(running: Running, home: Path, part: Part) -> str:
    """Start a program that chooses its port and writes it to a file; return the port."""
    file = home / f"{part.name}.port"
    file.unlink(missing_ok=True)
    running.start(Part(part.name, [*part.command, "--port-file", str(file)], part.env))
    return running.port_in(file, part.name)


def _wait_for(url: str, running: Running) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _answers(url):
        if time.monotonic() > deadline:
            raise StackError(f"{PAGE}: expected it at {url} within {PATIENCE_SECONDS:g} s, found nothing")
        running.revive()
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False
