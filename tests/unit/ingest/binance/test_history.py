"""Pages of history, and the files made of them."""

import asyncio
import datetime as dt
import threading
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.settings import IngestSettings
from ingest.sources.binance.history import download_klines, kline_pages
from ingest.sources.binance.rest import BinanceRest
from ingest.weight import WeightBudget
from tests.unit.ingest.binance.venue import MINUTE_MS, FakeBinance, kline_row, ms
from tests.unit.ingest.fakes import NOON, FakeTime, answer, at


def rest_of(venue: FakeBinance, per_minute: int = 3000) -> BinanceRest:
    time = venue.time
    return BinanceRest("http://venue", venue, WeightBudget(per_minute, time.monotonic), time.clock())


async def opens(venue: FakeBinance, first: float, last: float, per_minute: int = 3000) -> list[list[int]]:
    """Return the minutes after noon of each page."""
    pages = kline_pages(rest_of(venue, per_minute), "BTCUSDT", "1m", at(first), at(last))
    return [[(int(row[0]) - ms(NOON)) // MINUTE_MS for row in page] async for page in pages]


async def test_pages_hold_every_closed_kline_of_the_range_once() -> None:
    venue = FakeBinance(FakeTime())
    venue.has_minutes(*range(-5, 2600))
    venue.time.seconds = 2600 * 60
    pages = await opens(venue, 0, 2500 * 60)
    assert [len(page) for page in pages] == [1000, 1000, 500]
    assert [minute for page in pages for minute in page] == list(range(2500))


async def test_a_start_between_two_minutes_and_an_open_kline_at_the_end_are_left_out() -> None:
    venue = FakeBinance(FakeTime())
    venue.has_minutes(*range(5))
    venue.time.seconds = 4 * 60 + 30
    assert await opens(venue, 0.5, 600) == [[1, 2, 3]]


async def test_the_last_kline_of_an_answer_is_left_out_where_the_answer_may_be_older_than_its_date() -> None:
    venue = FakeBinance(FakeTime())
    venue.has_minutes(*range(5))
    venue.time.seconds = 5 * 60 + 30
    assert await opens(venue, 0, 300) == [[0, 1, 2, 3]]
    venue.time.seconds = 6 * 60
    assert await opens(venue, 0, 300) == [[0, 1, 2, 3, 4]]


async def test_minutes_that_the_venue_has_not_are_not_invented() -> None:
    venue = FakeBinance(FakeTime())
    venue.has_minutes(0, 1, 2, 50, 51)
    venue.time.seconds = 3600
    assert await opens(venue, 0, 3600) == [[0, 1, 2, 50, 51]]
    assert await opens(venue, 180, 3000) == []


async def test_a_row_is_the_text_the_venue_wrote() -> None:
    venue = FakeBinance(FakeTime())
    venue.klines[ms(NOON)] = kline_row(ms(NOON), price="1.5000")
    venue.time.seconds = 600
    [page] = [page async for page in kline_pages(rest_of(venue), "BTCUSDT", "1m", NOON, at(600))]
    assert page == [
        ["1710849600000", "1.5000", "2.00", "1.00", "1.5000", "10.5", "1710849659999", "15.75", "3", "4.5", "6.75", "0"]
    ]


async def test_a_pause_that_the_venue_asks_for_is_waited_out_and_the_page_asked_again() -> None:
    venue = FakeBinance(FakeTime())
    venue.has_minutes(0)
    venue.time.seconds = 600
    venue.failures = [answer({"code": -1003, "msg": "Too much"}, status=429, retry_after=37)]
    assert await opens(venue, 0, 60) == [[0]]
    assert sum(venue.time.slept) == pytest.approx(37, abs=0.1)


async def test_an_unknown_symbol_ends_it_at_once() -> None:
    venue = FakeBinance(FakeTime())
    venue.failures = [answer({"code": -1121, "msg": "Invalid symbol."}, status=400)]
    with pytest.raises(FatalSourceError, match=r"^binance: Invalid symbol \(code -1121\)$"):
        await opens(venue, 0, 60)


async def test_a_venue_that_stays_down_ends_it_after_eight_tries() -> None:
    venue = FakeBinance(FakeTime())
    venue.failures = [answer("oops", status=502) for _ in range(8)]
    with pytest.raises(TransientSourceError):
        await opens(venue, 0, 60)
    assert len(venue.requests) == 8


async def test_history_stays_within_the_budget_of_weight() -> None:
    venue = FakeBinance(FakeTime())
    venue.has_minutes(*range(60_000))
    venue.time.seconds = 60_000 * 60
    began = venue.time.seconds
    assert sum(len(page) for page in await opens(venue, 0, 60_000 * 60, per_minute=100)) == 60_000
    assert len(venue.requests) * 2 == 120
    assert venue.time.seconds - began >= 60


def test_downloaded_files_are_one_a_day_without_header_and_replace_their_own_kind(tmp_path: Path) -> None:
    midnight = dt.datetime(2024, 3, 20, tzinfo=dt.UTC)
    time = FakeTime()
    time.seconds = 3 * 86400
    venue = FakeBinance(time)
    venue.has_minutes(*range(718, 722))
    said: list[str] = []

    async def answered(request: web.Request) -> web.StreamResponse:
        told = await venue.get(f"x/api/v3/{request.path.rpartition('/')[2]}", dict(request.query), {})
        return web.Response(text=told.body, content_type="application/json", headers={"Date": DATE})

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    app = web.Application()
    app.router.add_get("/api/v3/klines", answered)
    server = TestServer(app, loop=loop)
    asyncio.run_coroutine_threadsafe(server.start_server(), loop).result(10)
    settings = IngestSettings(_env_file=None, binance_url=f"http://127.0.0.1:{server.port}")
    try:
        for _ in range(2):
            paths = download_klines(
                settings, "BTCUSDT", "1m", midnight - dt.timedelta(hours=1), midnight, tmp_path, said.append
            )
            assert [path.name for path in paths] == ["BTCUSDT-1m-2024-03-19.csv"]
        paths = download_klines(settings, "BTCUSDT", "1m", midnight, midnight + dt.timedelta(1), tmp_path, said.append)
    finally:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
    assert [path.name for path in paths] == ["BTCUSDT-1m-2024-03-20.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "BTCUSDT-1m-2024-03-19.csv",
        "BTCUSDT-1m-2024-03-20.csv",
    ]
    assert (tmp_path / "BTCUSDT-1m-2024-03-19.csv").read_text().splitlines() == [
        f"{start},1.50,2.00,1.00,1.50,10.5,{start + 59999},15.75,3,4.5,6.75,0"
        for start in (1710892680000, 1710892740000)
    ]
    assert said[0] == "BTCUSDT-1m-2024-03-19.csv: 2 klines"


DATE = "Fri, 22 Mar 2024 12:00:00 GMT"
