"""A recording of Binance: what is pushed and answered is what was recorded, from snapshots to the socket."""

import csv
import datetime as dt
import gzip
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from contracts.errors import NoDataError
from simulator.binance.streams import StreamRules
from simulator.config import SimulatorConfig
from simulator.import_binance import import_binance
from simulator.recording import Pushed, read_file
from simulator.server import running

BEGIN = dt.datetime(2023, 3, 24, 12, 30, tzinfo=dt.UTC)
BEGIN_MS = int(BEGIN.timestamp() * 1000)
MINUTE_MS = 60_000
HALT = range(10, 15)
"""The minutes of the snapshot that are not there."""
MINUTES = [minute for minute in range(30) if minute not in HALT]
HOUR_LATER = BEGIN + dt.timedelta(hours=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write snapshots as they are published: klines of a pair with a halt, and the tape of another."""
    klines, trades = tmp_path / "binance/klines_spot/2023", tmp_path / "binance/agg_trades_spot_complete"
    klines.mkdir(parents=True)
    trades.mkdir(parents=True)
    with gzip.open(klines / "BTCUSDT-1m.csv.gz", "wt", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["open_time", "open", "high", "low", "close", "volume"])
        rows.writerows(
            [BEGIN_MS + m * MINUTE_MS, f"{100 + m}.10", f"{101 + m}", f"{99 + m}.5", f"{100 + m}.2", f"0.{m + 1:05d}"]
            for m in MINUTES
        )
    lines = [f"{7 + n},0.0014{n},{n + 1},{20 + n},{20 + n},{BEGIN_MS + n * 20_000},True,True" for n in range(9)]
    (trades / "XRPETH-aggTrades-2023-03-24.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_import_writes_the_frames_of_its_span_in_time_order(data: Path, tmp_path: Path) -> None:
    until = BEGIN + dt.timedelta(minutes=2)
    assert import_binance(data, tmp_path / "out", BEGIN, until) == 2 + 6
    lines = [line for line in read_file(tmp_path / "out/binance.jsonl.gz") if isinstance(line, Pushed)]
    assert [line.stream for line in lines].count("btcusdt@kline_1m") == 2
    frames = [json.loads(bytes(line.frame)) for line in lines]
    kline = next(frame["k"] for frame in frames if frame["e"] == "kline")
    assert [kline[name] for name in "ohlcv"] == [
        "100.10000000", "101.00000000", "99.50000000", "100.20000000", "0.00001000"
    ]  # fmt: skip
    assert (kline["f"], kline["L"], kline["n"], kline["x"]) == (-1, -1, 0, True)
    trade = next(frame for frame in frames if frame["e"] == "aggTrade")
    assert (trade["a"], trade["p"], trade["q"], trade["m"]) == (7, "0.00140000", "1.00000000", True)


def test_import_of_a_time_without_anything_is_one_clear_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="expected frames of 2023-03-24T13:30"):
        import_binance(data, tmp_path / "out", HOUR_LATER, HOUR_LATER + dt.timedelta(hours=1))
    with pytest.raises(NoDataError, match="expected binance/klines_spot"):
        import_binance(tmp_path / "absent", tmp_path / "out", BEGIN, HOUR_LATER)


async def test_recorded_klines_and_trades_are_pushed_and_answered_and_a_halt_stays_empty(
    data: Path, tmp_path: Path
) -> None:
    import_binance(data, tmp_path / "out", BEGIN, HOUR_LATER)
    config = SimulatorConfig(
        recording=tmp_path / "out", begin=BEGIN - dt.timedelta(minutes=30), speed=1_800, streams=StreamRules(updates=1)
    )
    async with running(config) as server, aiohttp.ClientSession() as session:
        streams = "/stream?streams=btcusdt@kline_1m/btcusdt@kline_5m/xrpeth@aggTrade"
        found: list[dict[str, Any]] = []
        async with session.ws_connect(server.url("binance").replace("http", "ws", 1) + streams) as socket:
            while not found or found[-1].get("k", {}).get("t") != BEGIN_MS + 29 * MINUTE_MS:
                found.append(json.loads((await socket.receive(timeout=10)).data)["data"])
        url = server.url("binance") + "/api/v3/"

        async def asked(path: str, **query: object) -> Any:
            params = {name: str(value) for name, value in query.items()}
            return await (await session.get(url + path, params=params)).json()

        minutes = await asked("klines", symbol="BTCUSDT", interval="1m", startTime=BEGIN_MS)
        newest = await asked("klines", symbol="BTCUSDT", interval="1m", endTime=BEGIN_MS + 16 * MINUTE_MS, limit=4)
        fives = await asked("klines", symbol="BTCUSDT", interval="5m", startTime=BEGIN_MS)
        recorded = await asked("aggTrades", symbol="XRPETH", fromId=9, limit=3)
        price = await asked("ticker/price", symbol="BTCUSDT")

    closed = [one["k"] for one in found if one["e"] == "kline" and one["k"]["x"]]
    assert [k["t"] for k in closed if k["i"] == "1m"] == [BEGIN_MS + m * MINUTE_MS for m in MINUTES if m < 29]
    assert [k["c"] for k in closed if k["i"] == "1m"] == [f"{100 + m}.20000000" for m in MINUTES if m < 29]
    assert [row[0] for row in minutes[:25]] == [BEGIN_MS + m * MINUTE_MS for m in MINUTES]
    assert [row[0] for row in newest] == [BEGIN_MS + m * MINUTE_MS for m in (8, 9, 15, 16)]
    # The halt takes a whole five minutes away, and nothing is invented in its place.
    assert [(row[0] - BEGIN_MS) // MINUTE_MS for row in fives[:4]] == [0, 5, 15, 20]
    assert fives[1][1:6] == ["105.10000000", "110.00000000", "104.50000000", "109.20000000", "0.00040000"]
    opens = [one["k"] for one in found if one["e"] == "kline" and not one["k"]["x"] and one["k"]["i"] == "1m"]
    assert {k["c"] for k in opens} == {k["o"] for k in opens}
    trades = [one for one in found if one["e"] == "aggTrade"]
    assert [one["a"] for one in trades] == list(range(7, 16))
    assert [one["a"] for one in recorded] == [9, 10, 11]
    assert [one["q"] for one in recorded] == ["3.00000000", "4.00000000", "5.00000000"]
    assert price["price"] in {"128.20000000", "129.20000000"}
