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

from infra.demo.replay import coinlake
from infra.running import Part, Running
from infra.stack.ports import LOOPBACK, choose_ports
from infra.terminal import say
from serve.dashboard.settings import DashboardSettings

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
    port = _page_port()
    with Running(home / "logs", say) as running:
        if wish.simulated:
            feed = coinlake("generate", "--forever", "--venue", LIQUIDATIONS)
            running.start(Part(GENERATOR, feed, _simulate(running, home)))
        query_port = _start(running, home, Part(QUERY, coinlake("serve-query"), {"COINLAKE_QUERY_PORT": "0"}))
        running.change(Part(QUERY, coinlake("serve-query"), {"COINLAKE_QUERY_PORT": query_port}))
        query_url, url = f"http://{LOOPBACK}:{query_port}", f"http://{LOOPBACK}:{port}"
        running.start(
            Part(
                PAGE,
                coinlake("serve-dashboard"),
                {"COINLAKE_QUERY_URL": query_url, "COINLAKE_DASHBOARD_PORT": str(port)},
            )
        )
        while not _answers(url):
            running.revive()
            time.sleep(0.1)
        if wish.browser:
            webbrowser.open(url)
        yield Shown(url, query_url, running, wish.length)


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


def _page_port() -> int:
    """Return the port that is set for the page, or a free one where that is 0.

    Raises:
        StackError: it is in use.
    """
    return choose_ports({"dashboard_port": DashboardSettings.load().dashboard_port})["dashboard_port"]


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False
