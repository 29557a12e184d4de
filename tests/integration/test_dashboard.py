"""The dashboard in Chromium, on a stack where liquidations arrive: drawn again only where something is new."""

import datetime as dt
import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page

from contracts.errors import StackError
from contracts.records import Liquidation
from contracts.streams import ALT_LIQUIDATIONS, WALLEX
from infra.children import Child
from infra.live.browser import chromium
from infra.stack import Liquidations, StackInfo
from tests.integration.conftest import COINLAKE, anything_of, own_stack, send, send_raw

POLL_SECONDS = 1.0
QUIET_SECONDS = 4 * POLL_SECONDS
PATIENCE_SECONDS = 240.0
NOON = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
DRAWN = re.compile(r"drawn (\d+) times")


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that runs, and what it said."""

    url: str
    query_url: str
    said: list[str]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    folder = tmp_path_factory.mktemp("dashboard")
    with own_stack(folder / "home", Liquidations.on_free_ports()) as info:
        yield info
    assert anything_of(folder) == []


@pytest.fixture(scope="module")
def dashboard(stack: StackInfo) -> Iterator[Dashboard]:
    """`coinlake dashboard`, as its user runs it on a stack that is up."""
    said: list[str] = []
    env = {
        **stack.env(),
        "COINLAKE_HOME": str(stack.home),
        "COINLAKE_DASHBOARD_PORT": "0",
        "COINLAKE_DASHBOARD_POLL_SECONDS": str(POLL_SECONDS),
    }
    log = stack.home / "logs" / "dashboard-command.log"
    with Child("dashboard", [*COINLAKE, "dashboard", "--no-browser"], env=env, each_line=said.append, log=log) as run:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := re.search(r"open (http://\S+) +\(query API: (http://[^;]+);", "\n".join(said))):
            assert run.running() and time.monotonic() < deadline, run.last_words()
            time.sleep(0.1)
        yield Dashboard(found[1], found[2], said)
        os.kill(run.pid, signal.SIGINT)
        assert run.wait(120) == 130


@contextmanager
def opened(dashboard: Dashboard) -> Iterator[tuple[Page, list[str]]]:
    """Open the page; in the end nothing in it may have asked anyone but the dashboard, or thrown."""
    try:
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1400, "height": 1000}, color_scheme="dark")
            asked: list[str] = []
            problems: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(dashboard.url)
            page.get_by_text("Newest messages").wait_for(timeout=PATIENCE_SECONDS * 1000)
            yield page, problems
            strangers = [url for url in asked if not url.startswith((dashboard.url, "data:", "blob:"))]
            assert (strangers, problems) == ([], [])
    except StackError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs a browser: {error}")
        pytest.skip(str(error))


def drawn(page: Page) -> int:
    """Return how often the page says that it was drawn."""
    found = DRAWN.search(page.get_by_text(DRAWN).first.inner_text())
    assert found is not None
    return int(found[1])


def settled(page: Page) -> int:
    """Wait until the page is drawn no more, and return how often it was."""
    deadline, count, since = time.monotonic() + PATIENCE_SECONDS, drawn(page), time.monotonic()
    while time.monotonic() - since < QUIET_SECONDS:
        assert time.monotonic() < deadline, "the page is drawn again and again"
        page.wait_for_timeout(200)
        if (now := drawn(page)) != count:
            count, since = now, time.monotonic()
    return count


def metric(page: Page, label: str) -> str:
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue").inner_text()


def liquidation(second: int, symbol: str, side: str, notional: str) -> Liquidation:
    at = NOON + dt.timedelta(seconds=second)
    return Liquidation(
        **{"venue": "binance_futures", "event_time": at, "ingest_time": dt.datetime.now(dt.UTC), "symbol": symbol},
        **{"base": symbol.removesuffix("USDT"), "quote": "USDT", "side": side, "quantity": Decimal(1)},
        **{"filled_quantity": Decimal(1), "bankruptcy_price": Decimal(notional), "average_price": Decimal(notional)},
        **{"notional": Decimal(notional), "sampled": True},
    )


def wait_for(page: Page, label: str, value: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := metric(page, label)) != value:
        assert time.monotonic() < deadline, f"{label}: expected {value}, found {found}"
        page.wait_for_timeout(100)


def test_the_page_follows_what_arrives_and_rests_while_nothing_does(
    dashboard: Dashboard, stack: StackInfo, tmp_path: Path
) -> None:
    with opened(dashboard) as (page, _):
        assert metric(page, "Longs liquidated") == "-"
        before = settled(page)
        page.wait_for_timeout(QUIET_SECONDS * 1000)
        assert drawn(page) == before

        send(stack, ALT_LIQUIDATIONS, [liquidation(1, "BTCUSDT", "long", "64000.5")])
        wait_for(page, "Longs liquidated", "64.00k")
        assert metric(page, "Shorts liquidated") == "0"
        after = settled(page)
        assert after > before

        send(
            stack,
            ALT_LIQUIDATIONS,
            [liquidation(62, "ETHUSDT", "short", "2500"), liquidation(63, "BTCUSDT", "long", "1000")],
        )
        wait_for(page, "Longs liquidated", "65.00k")
        wait_for(page, "Shorts liquidated", "2.500k")
        assert settled(page) > after
        assert page.locator("canvas, svg.marks").count() > 0
        page.screenshot(path=tmp_path / "dashboard.png", full_page=True)


def test_a_topic_is_browsed_and_its_new_messages_come(dashboard: Dashboard, stack: StackInfo) -> None:
    with opened(dashboard) as (page, _):
        before = settled(page)
        send_raw(stack, WALLEX.topic, [(b"BTCTMN", b'{"hello": "wallex"}')])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while drawn(page) == before:
            assert time.monotonic() < deadline
            page.wait_for_timeout(100)


def test_a_query_api_that_is_killed_comes_back_and_the_page_with_it(dashboard: Dashboard, stack: StackInfo) -> None:
    with opened(dashboard) as (page, _):
        settled(page)
        (pid,) = [int(line.split()[0]) for line in anything_of(stack.home) if "serve-query" in line]
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(dashboard.query_url):
            assert time.monotonic() < deadline, dashboard.said
            time.sleep(0.2)
        send(stack, ALT_LIQUIDATIONS, [liquidation(125, "ETHUSDT", "short", "500")])
        wait_for(page, "Shorts liquidated", "3.000k")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/api/q/liquidations_newest", timeout=2) as answer:
            return bool(json.load(answer)["row_count"] == 1)
    except OSError:
        return False
