"""Klines of the past over REST, page by page, and as files of the shape of Binance's archive."""

import asyncio
import csv
import datetime as dt
import io
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp

from contracts.errors import TransientSourceError
from contracts.settings import IngestSettings
from ingest.clock import Clock
from ingest.http import AiohttpClient
from ingest.sources.binance.intervals import open_at_or_after, step_of
from ingest.sources.binance.rest import BinanceRest, Page
from ingest.sources.binance.times import moment_of
from ingest.weight import WeightBudget
from ingest.wire_json import show

COLUMNS = 12
SETTLED = dt.timedelta(minutes=1)
"""How long after its close time the last kline of an answer counts as closed: what the answer holds may be older than
its `Date`. One with a later kline behind it in the same answer is closed."""


async def kline_pages(
    rest: BinanceRest, symbol: str, interval: str, start: dt.datetime, end: dt.datetime
) -> AsyncIterator[list[list[str]]]:
    """Yield the closed klines whose open time is in [start, end), oldest first, as the venue wrote them.

    A row is 12 texts: open time, open, high, low, close, volume, close time, quote volume, trades, taker volume,
    taker quote volume, ignored. Rows that are missing at the venue are missing here. A kline is asked for once.

    Raises:
        TransientSourceError: the venue did not answer well after several tries, or a row has another shape.
        FatalSourceError: it will refuse every further try, as for an unknown symbol.
    """
    step = step_of(interval)
    next_open = open_at_or_after(start, interval)
    while next_open < end:
        page = await rest.patiently(lambda at=next_open: rest.klines(symbol, interval, at, end))  # type: ignore[misc]
        rows = [row for row in closed_rows(page) if next_open <= moment_of(row[0]) < end]
        if not rows:
            return
        yield rows
        next_open = moment_of(rows[-1][0]) + step


def closed_rows(page: Page) -> list[list[str]]:
    """Return the rows of a page whose kline was closed when the venue answered.

    Raises:
        TransientSourceError: kind `shape`; a row is no array of 12 values with two times.
    """
    rows = [_texts(row) for row in page.rows]
    newest = max((moment_of(row[0]) for row in rows), default=None)
    return [row for row in rows if moment_of(row[0]) != newest or moment_of(row[6]) + SETTLED <= page.venue_time]


def _texts(row: object) -> list[str]:
    if not isinstance(row, list) or len(row) < COLUMNS or not all(isinstance(value, str) for value in row):
        raise TransientSourceError(f"kline: expected an array of {COLUMNS} values, found {show(row)}", kind="shape")
    texts = [str(value) for value in row[:COLUMNS]]
    for place in (0, 6):
        if not texts[place].isascii() or not texts[place].isdigit() or len(texts[place]) > 16:
            raise TransientSourceError(f"kline: expected a time in column {place}, found {show(row)}", kind="shape")
    return texts


def download_klines(
    settings: IngestSettings,
    symbol: str,
    interval: str,
    start: dt.datetime,
    end: dt.datetime,
    folder: Path,
    say: Callable[[str], None],
) -> list[Path]:
    """Write the closed klines of [start, end) as CSV files, one for each UTC day that has any, and return them.

    A file is `SYMBOL-INTERVAL-YYYY-MM-DD.csv`: 12 columns, no header, rows by open time. It appears whole or not at
    all, and a file of the same name is replaced. Each file is announced with `say`.

    Raises:
        TransientSourceError, FatalSourceError: as `kline_pages` says; the files of the days before are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_download(settings, symbol, interval, start, end, folder, say))


async def _download(
    settings: IngestSettings,
    symbol: str,
    interval: str,
    start: dt.datetime,
    end: dt.datetime,
    folder: Path,
    say: Callable[[str], None],
) -> list[Path]:
    clock = Clock()
    written: list[Path] = []
    day: list[list[str]] = []

    def write() -> None:
        if day:
            name = f"{symbol}-{interval}-{moment_of(day[0][0]).date().isoformat()}.csv"
            _write_whole(folder / name, day)
            say(f"{name}: {len(day)} klines")
            written.append(folder / name)
            day.clear()

    async with aiohttp.ClientSession() as session:
        http = AiohttpClient(session, timeout_seconds=settings.request_timeout_seconds, now=clock.now)
        budget = WeightBudget(settings.binance_weight_per_minute, clock.monotonic)
        rest = BinanceRest(settings.binance_url, http, budget, clock)
        async for page in kline_pages(rest, symbol, interval, start, end):
            for row in page:
                if day and moment_of(row[0]).date() != moment_of(day[0][0]).date():
                    write()
                day.append(row)
    write()
    return written


def _write_whole(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    partial = path.with_suffix(".part")
    with partial.open("w", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
