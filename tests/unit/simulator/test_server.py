import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from contracts.errors import SettingsError, StackError
from simulator.accounts import Plan
from simulator.config import SimulatorConfig
from simulator.faults import Fault, FaultKind
from simulator.server import Listening, running
from tests.unit.simulator.conftest import Start
from tests.unit.simulator.fakes import NOON, FakeWall

LISTINGS = "/v3/cryptocurrency/listings/latest"
START = NOON - dt.timedelta(hours=3)


async def date_of(session: aiohttp.ClientSession, url: str) -> dt.datetime:
    async with session.get(url) as response:
        return parsedate_to_datetime(response.headers["Date"])


async def test_date_header_is_the_simulated_clock_which_starts_at_the_first_venue_request(
    server: Listening, session: aiohttp.ClientSession, wall: FakeWall
) -> None:
    wall.advance(minutes=5)
    assert await date_of(session, server.control + "/clock") == START + dt.timedelta(minutes=5)
    wall.advance(minutes=5)
    assert await date_of(session, server.url("wallex") + "/v1/markets") == START + dt.timedelta(minutes=10)
    wall.advance(minutes=5)
    assert await date_of(session, server.url("coinmarketcap") + LISTINGS) == START + dt.timedelta(minutes=15)
    assert await date_of(session, f"http://127.0.0.1:{server.port}/nowhere") == START + dt.timedelta(minutes=15)


async def test_speed_moves_the_date_header(start: Start, session: aiohttp.ClientSession, wall: FakeWall) -> None:
    server = await start(SimulatorConfig(speed=720))
    first = await date_of(session, server.url("wallex") + "/v1/markets")
    wall.advance(seconds=1)
    assert await date_of(session, server.url("wallex") + "/v1/markets") - first == dt.timedelta(seconds=720)


async def test_restarted_simulator_serves_the_same_body_at_the_same_time(
    start: Start, session: aiohttp.ClientSession, wall: FakeWall
) -> None:
    one = await start(SimulatorConfig(seed=3))
    for _ in range(3):
        await (await session.get(one.url("coinmarketcap") + LISTINGS)).read()
        wall.advance(seconds=41)
    bodies = [await (await session.get(one.url(v) + p)).read() for v, p in ROUTES]
    again = await start(SimulatorConfig(seed=3, begin=START + dt.timedelta(seconds=123)))
    assert [await (await session.get(again.url(v) + p)).read() for v, p in ROUTES] == bodies


ROUTES = (("coinmarketcap", LISTINGS), ("wallex", "/v1/markets"))


async def test_request_log_names_what_was_served_and_hides_keys(
    server: Listening, session: aiohttp.ClientSession, wall: FakeWall
) -> None:
    await session.get(server.url("coinmarketcap") + LISTINGS + "?CMC_PRO_API_KEY=secret&limit=2")
    wall.advance(seconds=60)
    await session.get(server.url("wallex") + "/v1/nothing")
    log = await (await session.get(server.control + "/requests")).json()
    assert [(e["number"], e["venue"], e["path"], e["status"]) for e in log] == [
        (1, "coinmarketcap", LISTINGS, 200),
        (2, "wallex", "/v1/nothing", 404),
    ]
    assert log[0]["query"] == {"CMC_PRO_API_KEY": "***", "limit": "2"}
    assert dt.datetime.fromisoformat(log[1]["simulated_time"]) == START + dt.timedelta(seconds=60)
    newer = await (await session.get(server.control + "/requests?venue=wallex&after=1")).json()
    assert [entry["number"] for entry in newer] == [2]


async def test_request_log_is_bounded(start: Start, session: aiohttp.ClientSession) -> None:
    server = await start(SimulatorConfig(log_size=2, coinmarketcap=Plan(key="other")))
    for _ in range(3):
        await session.get(server.url("coinmarketcap") + LISTINGS)
    log = await (await session.get(server.control + "/requests")).json()
    assert [(entry["number"], entry["status"]) for entry in log] == [(2, 401), (3, 401)]


async def test_port_in_use_is_one_clear_line(server: Listening) -> None:
    with pytest.raises(StackError, match=f"simulator: expected port {server.port} to be free"):
        async with running(SimulatorConfig(port=server.port)):
            pass


async def test_fault_for_an_unknown_venue_is_refused() -> None:
    fault = Fault(venue="kraken", kind=FaultKind.SLOW)
    with pytest.raises(
        SettingsError, match="expected a venue of coinmarketcap, wallex, binance, binance_futures, x, found 'kraken'"
    ):
        async with running(SimulatorConfig(faults=(fault,))):
            pass


@pytest.mark.parametrize(
    "field", [{"speed": 0.0}, {"span_seconds": -1.0}, {"port": 70000}, {"liquidations_a_minute": -1}, {"log_size": 0}]
)
def test_impossible_settings_are_refused_by_name(field: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"simulator {next(iter(field))}: expected"):
        SimulatorConfig(**field)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_one_line_writes_its_port_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    port_file = tmp_path / "new" / "port"
    code = (
        "from pathlib import Path; from simulator.config import SimulatorConfig; from simulator.server import serve;"
        f"serve(SimulatorConfig(port_file=Path({str(port_file)!r})))"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(port_file.read_text())
        assert f"coinmarketcap at http://127.0.0.1:{port}/coinmarketcap" in line
        assert f"wallex at http://127.0.0.1:{port}/wallex" in line
        process.send_signal(number)
        out, errors = process.communicate(timeout=10)
    assert (process.returncode, out, errors) == (0, "", "")


async def test_stopping_ends_a_silent_answer(session: aiohttp.ClientSession) -> None:
    fault = Fault(venue="wallex", kind=FaultKind.SILENCE)
    async with running(SimulatorConfig(faults=(fault,))) as server:
        waiting = asyncio.create_task(session.get(server.url("wallex") + "/v1/markets"))
        await asyncio.sleep(0.2)
        assert not waiting.done()
    with pytest.raises(aiohttp.ClientError):
        await waiting
