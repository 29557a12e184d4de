"""The live chart in Chromium: what it shows is what Kafka has acknowledged, whatever happens to server and broker."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from prometheus_client.parser import text_string_to_metric_families

from contracts.errors import StackError
from infra.live.browser import chromium
from infra.setup.chart_library import MODULE, ensure_chart_library
from infra.stack import StackInfo, kill_part, restart_part
from tests.integration.conftest import own_stack
from tests.integration.live_server import (
    PATIENCE_SECONDS,
    LiveServer,
    State,
    market_of,
    newest_event,
    remembered,
    running,
    state_of,
    state_told,
    wait_for_trades,
    wait_until,
)
from tests.integration.live_windows import SLIDE_MS, LiveMarket

FIRST = "BTCUSDT"
OTHER = "ETHUSDT"
PAST_SECONDS = 60.0
DESKTOP = (1200, 680)
PHONE = (390, 844)
Scheme = Literal["dark", "light"]
# Waited for are functions: our content security policy forbids to evaluate text, but for the first time.
FOLLOWING = "() => coinlake.state === 'live' && coinlake.newestDrawn >= Date.now() - 3000"
REFUSED = "net::ERR_CONNECTION_REFUSED"
"""What Chromium itself says of a server that is not there."""

# The share of the chart's width that is crossed by a line of this color.
CROSSED = """name => {
    const color = getComputedStyle(document.documentElement).getPropertyValue(name);
    const wanted = color.match(/[0-9a-f]{2}/g).map((digits) => parseInt(digits, 16));
    const canvases = [...document.querySelectorAll("#chart canvas")];
    const width = Math.max(...canvases.map((canvas) => canvas.width));
    const columns = new Set();
    for (const canvas of canvases.filter((each) => each.width === width && each.height > 100)) {
        const { data } = canvas.getContext("2d").getImageData(0, 0, width, canvas.height);
        for (let at = 0; at < data.length; at += 4) {
            const off = wanted.reduce((sum, level, index) => sum + Math.abs(level - data[at + index]), 0);
            if (off < 60) columns.add((at / 4) % width);
        }
    }
    return columns.size / width;
}"""


def missing(error: StackError) -> NoReturn:
    """Skip; in CI, where everything has to be there, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"CI needs it: {error}")
    pytest.skip(str(error))


# --- what is on the page ----------------------------------------------------------------------------------------------


def drawable(market: LiveMarket, symbol: str) -> dict[int, State]:
    """Return the windows that a chart of what Kafka has shows: up to the first one that ends after the newest event."""
    front = (newest_event(market, symbol) // SLIDE_MS + 1) * SLIDE_MS
    return {end: state for end, state in remembered(market, symbol).items() if end <= front}


def windows(page: Page) -> dict[int, State]:
    """Return the windows that the page shows."""
    return {point["end"]: state_told(point) for point in page.evaluate("coinlake.windows")}


def wait_for_all(page: Page, market: LiveMarket, symbol: str) -> None:
    """Wait until the page shows all that Kafka has of a symbol, each window as it is newest, and nothing else."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while windows(page) != drawable(market, symbol) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    assert windows(page) == drawable(market, symbol)


def wait_for_line(page: Page) -> None:
    """Wait until the moving average is drawn over much of the chart."""
    page.wait_for_function(f"name => ({CROSSED})(name) > 0.3", arg="--mean")


def is_dark(page: Page) -> bool:
    """Say whether the page is darker than what is written on it."""
    levels: list[list[int]] = page.evaluate(
        """["background-color", "color"].map((name) =>
            getComputedStyle(document.body).getPropertyValue(name).match(/[0-9]+/g).slice(0, 3).map(Number))"""
    )
    background, text = map(sum, levels)
    return background < text


def times_measured(server: LiveServer) -> dict[str, float]:
    """Return how many times of each stage the server has in its histogram."""
    status, body = server.get("/metrics")
    assert status == 200
    return {
        sample.labels["stage"]: sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.name == "coinlake_live_latency_seconds_count"
    }


def picture(page: Page) -> bytes:
    """Return a picture of the chart."""
    return page.locator("#chart").screenshot(animations="disabled")


@contextmanager
def opened(
    browser: Browser,
    server: LiveServer,
    *,
    size: tuple[int, int] = DESKTOP,
    scheme: Scheme = "dark",
    goes: bool = False,
) -> Iterator[Page]:
    """Open the page; at the end demand that it made no error and asked nobody but our server.

    Args:
        browser: where it is opened.
        server: where it is from.
        size: of the window; that of a phone is touched.
        scheme: dark or light.
        goes: the server is down for a while, which Chromium calls an error.
    """
    errors: list[str] = []
    asked: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not (goes and REFUSED in message.text):
            errors.append(message.text)

    width, height = size
    touched = size == PHONE
    context = browser.new_context(
        viewport={"width": width, "height": height}, is_mobile=touched, has_touch=touched, color_scheme=scheme
    )
    with context, context.new_page() as page:
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.on("console", listen)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.goto(server.url)
        page.wait_for_function("() => globalThis.coinlake?.windows.length > 0")
        yield page
    assert errors == []
    assert any(url.startswith("ws:") for url in asked)
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {f"127.0.0.1:{server.port}"}


# --- the tests --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library() -> Path:
    """The library that draws charts, fetched where it is not there yet."""
    try:
        return ensure_chart_library() / MODULE
    except StackError as error:
        missing(error)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with ExitStack() as held:
        try:
            started = held.enter_context(chromium())
        except StackError as error:
            missing(error)
        yield started


@pytest.fixture(scope="module")
def stack(library: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """A stack of our own, started when all else is there: its broker is killed."""
    with own_stack(tmp_path_factory.mktemp("page") / "home") as info:
        yield info


@pytest.fixture(scope="module")
def market(stack: StackInfo) -> LiveMarket:
    return market_of(stack, PAST_SECONDS)


@pytest.fixture(scope="module")
def shared_server(
    stack: StackInfo, market: LiveMarket, library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server on a free port, younger than the past."""
    folder = tmp_path_factory.mktemp("server")
    with LiveServer(stack, folder, COINLAKE_LIVE_CHART_LIBRARY=str(library)) as server:
        yield server


@pytest.fixture
def server(shared_server: LiveServer) -> LiveServer:
    return running(shared_server)


def test_history_is_on_the_page_at_load(browser: Browser, server: LiveServer, market: LiveMarket) -> None:
    """Nothing is traded meanwhile: all that is shown comes from what the server remembers."""
    with opened(browser, server) as page:
        shown = windows(page)
        assert len(shown) > 20
        assert shown == drawable(market, FIRST)
        assert page.evaluate("[coinlake.symbol, coinlake.newestDrawn]") == [FIRST, max(shown)]
        wait_for_line(page)


def test_the_chart_moves(browser: Browser, server: LiveServer, market: LiveMarket, tmp_path: Path) -> None:
    with market.open(), opened(browser, server) as page:
        page.wait_for_function(FOLLOWING)
        page.select_option("#forecast", "none")  # it would move without the lines as well
        wait_for_line(page)
        drawn, before = page.evaluate("coinlake.newestDrawn"), picture(page)
        page.wait_for_function("drawn => coinlake.newestDrawn >= drawn + 2000", arg=drawn)
        assert picture(page) != before
        assert page.evaluate("coinlake.newestDrawn") in market.newest(FIRST)
        assert page.inner_text("#state-word") == "Live"
        page.screenshot(path=tmp_path / "moving.png")


def test_what_is_painted_is_timed_and_told_to_the_server(
    browser: Browser, server: LiveServer, market: LiveMarket
) -> None:
    with market.open(), opened(browser, server) as page:
        page.wait_for_function("() => coinlake.painted.length >= 20")
        samples = page.evaluate("coinlake.painted")
        wait_until(lambda: times_measured(server)["event_to_painted"] > 0, "times of a browser")
        measured = times_measured(server)
        assert measured["sent_to_painted"] == measured["event_to_painted"]
    # A window keeps the newest of its events only.
    newest = {state_of(window)[4] for window in market.newest(FIRST).values()}
    assert newest & {sample["event"] for sample in samples}
    for sample in samples:
        assert sample["event"] <= sample["result"] <= sample["sent"] <= sample["painted"] + 1
        assert sample["painted"] - sample["event"] < 10_000


def test_another_symbol_is_picked_by_keyboard(browser: Browser, server: LiveServer, market: LiveMarket) -> None:
    with opened(browser, server) as page:
        page.focus("#symbol")
        page.keyboard.type(OTHER.removesuffix("USDT"))
        page.wait_for_function("symbol => coinlake.symbol === symbol && coinlake.windows.length > 0", arg=OTHER)
        wait_for_all(page, market, OTHER)
        assert page.url == f"{server.url}/#{OTHER}"
        wait_for_line(page)
        page.go_back()
        page.wait_for_function("symbol => coinlake.symbol === symbol", arg=FIRST)
        wait_for_all(page, market, FIRST)


def test_the_chart_is_moved_by_keyboard(browser: Browser, server: LiveServer, market: LiveMarket) -> None:
    with market.open(), opened(browser, server) as page:
        back = page.get_by_role("button", name="Back to now")
        page.wait_for_function(FOLLOWING)
        wait_for_line(page)
        page.focus("#chart")
        assert not back.is_visible()
        for _ in range(3):
            page.keyboard.press("ArrowLeft")
        back.wait_for()
        page.keyboard.press("End")
        back.wait_for(state="hidden")
        page.locator("#ranges input").first.check()  # less time than there is
        page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        page.focus("#chart")
        page.keyboard.press("Home")
        back.click()
        back.wait_for(state="hidden")
        page.wait_for_function(FOLLOWING)


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_desktop_shows_it_in_both_schemes(
    scheme: Scheme, browser: Browser, server: LiveServer, market: LiveMarket, tmp_path: Path
) -> None:
    with market.open(), opened(browser, server, scheme=scheme) as page:
        page.wait_for_function("() => coinlake.painted.length >= 20")
        wait_for_line(page)
        page.screenshot(path=tmp_path / f"desktop-{scheme}.png")
        assert is_dark(page) == (scheme == "dark")
        other: Scheme = "light" if scheme == "dark" else "dark"
        page.emulate_media(color_scheme=other)
        wait_for_line(page)
        assert is_dark(page) == (other == "dark")


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_phone_shows_it_without_scrolling_sideways(
    scheme: Scheme, browser: Browser, server: LiveServer, market: LiveMarket, tmp_path: Path
) -> None:
    with market.open(), opened(browser, server, size=PHONE, scheme=scheme) as page:
        page.wait_for_function("() => coinlake.painted.length >= 20")
        wait_for_line(page)
        page.screenshot(path=tmp_path / f"phone-{scheme}.png", full_page=True)
        assert page.evaluate("innerWidth") == PHONE[0]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert is_dark(page) == (scheme == "dark")


def test_a_server_that_is_killed_leaves_no_hole(browser: Browser, server: LiveServer, market: LiveMarket) -> None:
    told: list[dict[str, Any]] = []
    with opened(browser, server, goes=True) as page:
        with market.open():
            page.wait_for_function(FOLLOWING)
            page.on("websocket", lambda socket: socket.on("framereceived", lambda text: told.append(json.loads(text))))
            server.kill()
            page.wait_for_function("() => coinlake.state === 'reconnecting'")
            wait_for_trades(market, FIRST)
            assert len(windows(page)) > 20
            server.start()
            page.wait_for_function(FOLLOWING)
            wait_for_trades(market, FIRST)
        wait_for_all(page, market, FIRST)
    answers = [message for message in told if message["type"] == "history"]
    assert [(answer["symbol"], answer["reset"]) for answer in answers] == [(FIRST, False)]  # what was missed alone


def test_a_broker_that_is_killed_leaves_no_hole(
    browser: Browser, server: LiveServer, market: LiveMarket, stack: StackInfo
) -> None:
    sockets: list[str] = []
    with opened(browser, server) as page:
        page.on("websocket", lambda socket: sockets.append(socket.url))
        with market.open():
            page.wait_for_function(FOLLOWING)
            kill_part(stack.home, "kafka")
            restart_part(stack.home, "kafka")
            wait_for_trades(market, FIRST)
            page.wait_for_function(FOLLOWING)
        wait_for_all(page, market, FIRST)
    assert sockets == []
