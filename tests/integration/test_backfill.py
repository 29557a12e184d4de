"""Archive files through the commands that users run: twice, killed half-way, processed, reconciled, maintained."""

import csv
import datetime as dt
import gzip
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from contracts.settings import LakeSettings
from contracts.tables import CANDLES, IMPORTED_AGG_TRADES, IMPORTED_KLINES, KLINES, Table
from infra.stack import StackInfo
from spark_jobs.edges.store import open_store
from tests.integration.conftest import COINLAKE, coinlake, delta, lake_of, own_stack, rows_of

DATA = Path(__file__).parents[3] / "shared" / "data" / "binance" / "klines_spot" / "2023-03-16_05-01"
START, END = (int(dt.datetime(2023, 3, day, tzinfo=dt.UTC).timestamp() * 1000) for day in (24, 26))
"""Two days, in the first of which the exchange stood still from 12:40 to 13:59."""
PAIRS = ("BTCUSDT", "DOGEUSDT")
TRADES = 1_700_000
NOT_OF_THE_ROWS = {"ingest_time"}


class TwoDays(NamedTuple):
    """A lake with two recorded days, and the folder of the files it was made of."""

    stack: StackInfo
    folder: Path


def two_days_of(name: str, folder: Path) -> Path:
    """Cut a recorded file to the two days."""
    with gzip.open(DATA / name, "rt") as file:
        header, *rows = file.read().splitlines()
    kept = [row for row in rows if START <= int(row.split(",")[0]) < END]
    path = folder / name.removesuffix(".gz")
    path.write_text("\n".join([header, *kept, ""]))
    return path


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoDays]:
    if not DATA.is_dir():
        pytest.skip(f"the recorded data is not at {DATA}")
    folder = tmp_path_factory.mktemp("archives")
    sources = [two_days_of(f"{pair}-1m.csv.gz", folder) for pair in PAIRS]
    for pair in PAIRS:
        two_days_of(f"{pair}-5m.csv.gz", folder)
    with own_stack(tmp_path_factory.mktemp("backfill") / "home") as stack:
        coinlake(stack, "backfill", *map(str, sources)).well()
        coinlake(stack, "process").well()
        yield TwoDays(stack, folder)


def row_hash(lake: LakeSettings, table: Table) -> str:
    """Hash all rows in the order of their identity, without when they were received."""
    names = [name for name in table.schema.names if name not in NOT_OF_THE_ROWS]
    rows = delta(lake, table).to_pyarrow_table(columns=names)
    ordered = rows.sort_by([(name, "ascending") for name in table.identity]).combine_chunks()
    digest = hashlib.sha256(str(ordered.num_rows).encode())
    for column in ordered.columns:
        for value in column.cast(pa.string()).to_pylist():
            digest.update(repr(value).encode())
    return digest.hexdigest()


def hashes(lake: LakeSettings) -> dict[str, str]:
    return {table.name: row_hash(lake, table) for table in (IMPORTED_KLINES, KLINES, CANDLES)}


def test_two_recorded_days_are_all_equal_to_the_exchanges_own(two_days: TwoDays) -> None:
    said = coinlake(two_days.stack, "reconcile", str(two_days.folder), "--interval", "10m").well()
    assert ["all", "10m", "560", "0", "0", "0", "16"] in [line.split() for line in said.out]
    lake = lake_of(two_days.stack)
    ours = {
        (row["coin"], int(row["open_time"].timestamp() * 1000)): row
        for row in rows_of(lake, CANDLES)
        if row["interval"] == "10m" and row["venue"] == "binance"
    }
    compared = 0
    for pair in PAIRS:
        with (two_days.folder / f"{pair}-5m.csv").open() as file:
            fives = {int(row["open_time"]): row for row in csv.DictReader(file)}
        for at, first in fives.items():
            second = fives.get(at + 300_000)
            if at % 600_000 or second is None:
                continue
            found = ours[pair.removesuffix("USDT"), at]
            assert found["open"] == Decimal(first["open"]) and found["close"] == Decimal(second["close"])
            assert found["high"] == max(Decimal(first["high"]), Decimal(second["high"]))
            assert found["low"] == min(Decimal(first["low"]), Decimal(second["low"]))
            assert found["volume"] == Decimal(first["volume"]) + Decimal(second["volume"])
            compared += 1
    assert compared == 2 * (288 - 8) == len(ours)


def test_no_candle_is_invented_in_the_halt_and_the_hole_is_on_the_page(two_days: TwoDays) -> None:
    halt = [dt.datetime(2023, 3, 24, *time_of_day, tzinfo=dt.UTC) for time_of_day in ((12, 40), (14, 0))]
    inside = [row for row in rows_of(lake_of(two_days.stack), KLINES) if halt[0] <= row["open_time"] < halt[1]]
    assert inside == []
    page = two_days.folder / "page.html"
    coinlake(two_days.stack, "reconcile", str(two_days.folder), "--interval", "10m", "--page", str(page)).well()
    assert "2023-03-24 12:40" in page.read_text() and "on both sides" in page.read_text()


def test_a_backfill_that_is_run_again_changes_nothing(two_days: TwoDays) -> None:
    lake = lake_of(two_days.stack)
    before = hashes(lake)
    files = [str(two_days.folder / f"{pair}-1m.csv") for pair in PAIRS]
    said = coinlake(two_days.stack, "backfill", *files).well()
    assert said.out[-1] == "0 rows imported from 2 files"
    coinlake(two_days.stack, "process").well()
    assert hashes(lake) == before


@pytest.mark.long
def test_maintained_twice_and_vacuumed_every_row_is_as_it_was(two_days: TwoDays) -> None:
    lake = lake_of(two_days.stack)
    before = hashes(lake)
    for _ in range(2):
        coinlake(two_days.stack, "maintain", "--retain-hours", "0", "--force-short").well()
        assert hashes(lake) == before
    dates = delta(lake, CANDLES).to_pyarrow_table(columns=["date"])["date"].unique()
    assert len(delta(lake, CANDLES).file_uris()) == len(dates)
    coinlake(two_days.stack, "process").well()
    assert hashes(lake) == before


def test_a_backfill_that_is_killed_half_way_goes_on_and_doubles_nothing(two_days: TwoDays, tmp_path: Path) -> None:
    path = tmp_path / "ADAUSDT-aggTrades-2024-01.csv"
    rows = (f"{n},0.5,{n % 97 + 1}.25,{2 * n},{2 * n + 1},{START + 50 * n},True,True\n" for n in range(TRADES))
    path.write_text("".join(rows))
    lake, log = lake_of(two_days.stack), tmp_path / "log"
    env = {"COINLAKE_HOME": str(two_days.stack.home), **two_days.stack.env()}
    with log.open("wb") as out:
        running = subprocess.Popen(
            [*COINLAKE, "backfill", str(path)], env={**os.environ, **env}, stdout=out, stderr=out
        )
        deadline = time.monotonic() + 240
        while _rows(lake) == 0 and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait()
    so_far = _rows(lake)
    assert 0 < so_far < TRADES, log.read_text()
    said = coinlake(two_days.stack, "backfill", str(path)).well()
    assert said.out[0] == f"{path.name}  {TRADES - so_far:,} rows imported, {so_far:,} were in"
    found = delta(lake, IMPORTED_AGG_TRADES).to_pyarrow_table(columns=["file_row", "agg_trade_id", "quantity"])
    ordered = found.sort_by("file_row")
    assert ordered["file_row"].to_pylist() == ordered["agg_trade_id"].to_pylist() == list(range(TRADES))
    assert ordered["quantity"][96].as_py() == Decimal("97.25")


def _rows(lake: LakeSettings) -> int:
    try:
        found: DeltaTable = delta(lake, IMPORTED_AGG_TRADES)
    except TableNotFoundError:
        return 0
    return sum(pa.table(found.get_add_actions(flatten=True))["num_records"].to_pylist())


def test_the_score_is_kept_in_the_lake(two_days: TwoDays) -> None:
    coinlake(two_days.stack, "reconcile", str(two_days.folder), "--interval", "10m").well()
    lake = lake_of(two_days.stack)
    stored = open_store(lake, lake.lake).get("reconcile/latest.json")
    assert stored is not None
    scores = json.loads(stored.body)["result"]["scores"]
    assert [(score["symbol"], score["equal"]) for score in scores] == [(pair, 280) for pair in PAIRS]
