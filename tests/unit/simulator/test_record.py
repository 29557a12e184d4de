import asyncio
import json
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from contracts.errors import SettingsError
from simulator.config import SimulatorConfig
from simulator.faults import Fault, FaultKind
from simulator.record import RecordConfig, RecordSummary, record_venues
from simulator.recording import Pushed, read_file
from simulator.server import Listening, running
from tests.unit.simulator.conftest import Start

KEY = "s3cr3t-key-of-mine"
RECORDED = ("coinmarketcap", "wallex", "binance")
LISTINGS, MARKETS = "/v3/cryptocurrency/listings/latest", "/v1/markets"


def config_for(server: Listening, out: Path, polls: int = 3, timeout_seconds: float = 5) -> RecordConfig:
    return RecordConfig(
        out=out,
        base_urls={venue: server.url(venue) for venue in RECORDED},
        coinmarketcap_key=SecretStr(KEY),
        every_seconds=0.05,
        duration_seconds=0.05 * polls + 0.01,
        timeout_seconds=timeout_seconds,
    )


PRICES = "/api/v3/ticker/price?symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D"


async def record_all(config: RecordConfig) -> RecordSummary:
    return await record_venues(config, asyncio.Event())


async def test_recording_of_a_venue_plays_the_same_bytes(start: Start, tmp_path: Path) -> None:
    server = await start(SimulatorConfig(seed=5))
    summary = await record_all(config_for(server, tmp_path / "new"))
    assert summary == RecordSummary(dict.fromkeys(RECORDED, 3), dict.fromkeys(RECORDED, 0))
    played = await start(SimulatorConfig(recording=tmp_path / "new"))
    async with aiohttp.ClientSession(headers={"X-CMC_PRO_API_KEY": "another"}) as session:
        for venue, path in (("coinmarketcap", LISTINGS), ("wallex", MARKETS), ("binance", PRICES)):
            bodies = [await (await session.get(one.url(venue) + path)).read() for one in (server, played)]
            assert bodies[0] == bodies[1]


async def test_what_binance_pushes_is_recorded_and_answered_again(tmp_path: Path) -> None:
    async with running(SimulatorConfig(seed=5, speed=120)) as server:  # with a clock that goes on by itself
        url = server.url("binance").replace("http", "ws", 1)
        config = msgspec.structs.replace(config_for(server, tmp_path, polls=40), binance_stream_url=url)
        summary = await record_all(config)
    lines = read_file(tmp_path / "binance.jsonl")
    pushed = [line for line in lines if isinstance(line, Pushed)]
    assert (len(pushed), len(lines) - len(pushed)) == (summary.frames, summary.lines["binance"])
    frames = [msgspec.json.decode(line.frame) for line in pushed]
    assert {line.stream for line in pushed} == {
        f"{symbol}@{kind}" for symbol in ("btcusdt", "ethusdt") for kind in ("kline_1m", "aggTrade")
    }
    closed = {(f["s"], f["k"]["t"]): f["k"] for f in frames if f["e"] == "kline" and f["k"]["x"]}
    assert len(closed) >= 4
    config_played = SimulatorConfig(recording=tmp_path, begin=lines[-1].at)
    async with running(config_played) as played, aiohttp.ClientSession() as session:
        for (symbol, opened), kline in closed.items():
            asked = {"symbol": symbol, "interval": "1m", "startTime": str(opened), "limit": "1"}
            answer = await session.get(f"{played.url('binance')}/api/v3/klines", params=asked)
            [[open_time, *prices]] = await answer.json()
            assert [open_time, *prices[:5]] == [opened, *(kline[name] for name in "ohlcv")]


async def test_key_is_sent_but_stands_in_no_file_and_no_repr(start: Start, tmp_path: Path) -> None:
    server = await start(SimulatorConfig())
    config = config_for(server, tmp_path)
    await record_all(config)
    written = b"".join((tmp_path / f"{venue}.jsonl").read_bytes() for venue in RECORDED)
    assert b'"status":200' in written
    assert KEY.encode() not in written
    assert KEY not in repr(config)


async def test_key_that_a_venue_repeats_in_its_answer_is_masked(tmp_path: Path) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"invalid": request.headers["X-CMC_PRO_API_KEY"]}, headers={"X-Key": KEY})

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", echo)])
    async with TestServer(app) as server:
        await record_all(
            RecordConfig(
                out=tmp_path,
                base_urls={"coinmarketcap": str(server.make_url("/"))},
                coinmarketcap_key=SecretStr(KEY),
                duration_seconds=1,
            )
        )
    written = (tmp_path / "coinmarketcap.jsonl").read_text()
    assert '"body":{"invalid":"***"}' in written
    assert KEY not in written


async def test_redirect_is_recorded_and_its_target_never_asked(tmp_path: Path) -> None:
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", redirect)])
    async with TestServer(app) as server:
        summary = await record_all(
            RecordConfig(
                out=tmp_path,
                base_urls={"coinmarketcap": str(server.make_url("/"))},
                coinmarketcap_key=SecretStr(KEY),
                duration_seconds=1,
            )
        )
    assert asked == [LISTINGS]
    assert summary == RecordSummary({"coinmarketcap": 1}, {"coinmarketcap": 0})
    response = json.loads((tmp_path / "coinmarketcap.jsonl").read_text())["response"]
    assert (response["status"], response["headers"]["Location"]) == (302, "/elsewhere")


async def test_error_and_html_answers_are_recorded_and_missing_ones_counted(tmp_path: Path) -> None:
    faults = (
        Fault(venue="wallex", kind=FaultKind.RATE_LIMITED, retry_after=9),
        Fault(venue="wallex", kind=FaultKind.HTML),
        Fault(venue="coinmarketcap", kind=FaultKind.CUT),
    )
    async with running(SimulatorConfig(faults=faults)) as server:
        summary = await record_all(config_for(server, tmp_path))
    assert summary.unanswered == {"coinmarketcap": 1, "wallex": 0, "binance": 0}
    lines = [json.loads(line) for line in (tmp_path / "wallex.jsonl").read_text().splitlines()]
    assert [line["response"]["status"] for line in lines] == [429, 200, 200]
    assert lines[0]["response"]["headers"]["Retry-After"] == "9"
    assert lines[1]["response"]["body"].startswith("<!DOCTYPE html>")
    assert lines[2]["response"]["body"]["success"] is True


async def test_recording_stops_when_told(start: Start, tmp_path: Path) -> None:
    server = await start(SimulatorConfig())
    stop = asyncio.Event()
    running_record = asyncio.create_task(record_venues(config_for(server, tmp_path, polls=100_000), stop))
    await asyncio.sleep(0.2)
    stop.set()
    summary = await asyncio.wait_for(running_record, 5)
    assert 1 <= summary.lines["wallex"] < 20


async def test_existing_recording_and_unknown_venue_are_refused(start: Start, tmp_path: Path) -> None:
    server = await start(SimulatorConfig())
    await record_all(config_for(server, tmp_path, polls=1))
    with pytest.raises(SettingsError, match="expected no recording of coinmarketcap yet"):
        await record_all(config_for(server, tmp_path))
    with pytest.raises(SettingsError, match="expected venues of coinmarketcap, wallex, binance, found 'kraken'"):
        await record_all(RecordConfig(out=tmp_path, base_urls={"kraken": "http://127.0.0.1:1"}))
