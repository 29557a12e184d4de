"""From an event to a painted frame: a browser shows the chart of one symbol, and what it reports is collected."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.live_chart.chain import Chain, chain, chromium_of_ours
from benchmarks.live_engines import generator
from benchmarks.live_engines.latency import Latency, summarize
from benchmarks.live_engines.verdict import fault_of
from benchmarks.live_engines.windows import Contents, Sent, fill_windows
from benchmarks.usage import cpu_seconds, tree
from contracts.errors import NoDataError
from infra.live.browser import chromium

COLLECT_SECONDS = 40.0
"""The page keeps a minute; to hand it over takes the browser tens of milliseconds, in which it paints nothing."""
LAST_SECONDS = 5.0
"""How long the last event may take to the screen."""
SYMBOL = generator.SYMBOLS[0]
STAGES = {
    "event to broker": ("event", "broker"),
    "broker to result": ("broker", "result"),
    "result to socket": ("result", "sent"),
    "socket to painted": ("sent", "painted"),
    "event to painted": ("event", "painted"),
}


class Frames(msgspec.Struct, frozen=True, kw_only=True):
    """One run: what the browser has painted of the symbol that it showed.

    `events` were sent of that symbol in the seconds that count, `timed` is how many of them were the newest of a window
    that was sent and painted: events that come within one round of the server are drawn together and timed once.
    Latencies are in milliseconds; times of events and of Kafka are cut to whole ones. CPU is in seconds of one core per
    second. `windows_right` are those of the page's history at the end that hold what was sent.
    """

    engine: str
    rate: float
    seconds: float
    events: int
    timed: int
    stages: dict[str, Latency]
    cores: dict[str, float]
    windows: int
    windows_right: int


def measure_painted(
    engine: str, rate: float, seconds: float, warmup: float, home: Path, say: Callable[[str], None]
) -> Frames:
    """Run the chain once with a browser that looks at one symbol.

    Raises:
        StackError: a part did not start or ended, or there is no browser.
        NoDataError: nothing was painted.
    """
    with chain(home, engine, say) as running, chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 680})
        log = home / "sent"
        with running.generator(rate, warmup + seconds, log) as sending:
            page.goto(f"{running.url}/#{SYMBOL}")
            page.wait_for_timeout(warmup * 1000)
            from_ms, before = time.time() * 1000, _used(running, sending.pid)
            samples: set[tuple[float, ...]] = set()
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                page.wait_for_timeout(min(COLLECT_SECONDS, max(0.0, until - time.monotonic())) * 1000)
                running.demand_running()
                samples |= _samples(page)
            until_ms, after = time.time() * 1000, _used(running, sending.pid)
            sending.finish()
        page.wait_for_timeout(LAST_SECONDS * 1000)
        samples |= _samples(page)
        shown = page.evaluate("coinlake.windows")
    counted = [dict(zip(_FIELDS, sample, strict=True)) for sample in samples if from_ms <= sample[0] < until_ms]
    stages = {
        name: summarize([sample[end] - sample[start] for sample in counted]) for name, (start, end) in STAGES.items()
    }
    known = {name: latency for name, latency in stages.items() if latency is not None}
    if len(known) < len(stages):
        raise NoDataError(f"{engine} at {rate:g} events/s: expected painted frames, found none")
    sent = [event for event in generator.read_log(log) if event.symbol == SYMBOL]
    right = _right(shown, sent)
    return Frames(
        engine=engine,
        rate=rate,
        seconds=seconds,
        events=sum(1 for event in sent if from_ms <= event.event_ms < until_ms),
        timed=len(counted),
        stages=known,
        cores={name: (after[name] - before[name]) / (until_ms - from_ms) * 1000 for name in after},
        windows=len(shown),
        windows_right=right,
    )


_FIELDS = ("event", "broker", "result", "sent", "painted")


def _samples(page: Any) -> set[tuple[float, ...]]:
    """Return what was painted in the last minute."""
    return {tuple(sample[name] for name in _FIELDS) for sample in page.evaluate("coinlake.painted")}


def _used(running: Chain, generator_pid: int) -> dict[str, float]:
    return {
        **running.cpu_seconds(),
        "browser": cpu_seconds(chromium_of_ours()),
        "generator": cpu_seconds(tree(generator_pid)),
    }


def _right(shown: list[dict[str, Any]], sent: list[Sent]) -> int:
    """Count the windows on the page that say what was sent."""
    expected = {window.end_ms: contents for window, contents in fill_windows(sent).items()}
    return sum(1 for point in shown if point["end"] in expected and not fault_of(expected[point["end"]], _found(point)))


def _found(point: dict[str, Any]) -> Contents:
    mean, vwap, last = (float(point[name]) for name in ("mean", "vwap", "last"))
    return Contents(count=point["count"], mean=mean, vwap=vwap, last=last, event_ms=point["event"])
