"""Two recorded days of Binance with a halt in them: pushed, through Kafka and Spark, our candles are the exchange's."""

import csv
import datetime as dt
import gzip
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from contracts.tables import CANDLES
from infra.stack import StackInfo
from tests.integration.conftest import coinlake, lake_of, own_stack, pointed_at, rows_of, simulator

DATA = Path(__file__).parents[2].parent / "shared" / "data"
KLINES = DATA / "binance" / "klines_spot" / "2023-03-16_05-01"
COINS = ("BTC", "ETH", "SOL", "DOGE")
START, END = dt.datetime(2023, 3, 23, tzinfo=dt.UTC), dt.datetime(2023, 3, 25, tzinfo=dt.UTC)
HALT = (dt.datetime(2023, 3, 24, 12, 40, tzinfo=dt.UTC), dt.datetime(2023, 3, 24, 14, tzinfo=dt.UTC))
BEFORE, AFTER = dt.timedelta(hours=3), dt.timedelta(hours=1)
"""What is played beside the two days: while the generator starts the market already goes on."""
SPEED = 2880
"""A day in half a minute."""
BUCKETS = 2 * 144 - 8
FIVE = dt.timedelta(minutes=5)


pytestmark = pytest.mark.long


class Ohlcv(NamedTuple):
    """What the exchange says of an interval; its files have no more."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


Candles = dict[dt.datetime, Ohlcv]


@dataclass(frozen=True)
class TwoDays:
    """What the run left: its stack, and our candles by coin and interval."""

    stack: StackInfo
    candles: dict[tuple[str, str], Candles]


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoDays]:
    if not KLINES.is_dir():
        pytest.skip("recorded data is not there: ../shared/data/binance/klines_spot")
    folder = tmp_path_factory.mktemp("exchange")
    with own_stack(folder / "home") as stack:
        span = ("--binance-from", text(START - BEFORE), "--binance-to", text(END + AFTER))
        coinlake(stack, "import", str(DATA), str(folder / "recording"), *span).well()
        follow(stack, folder)
        coinlake(stack, "process").well()
        yield TwoDays(stack, our_candles(stack))


def follow(stack: StackInfo, folder: Path) -> None:
    """Play the recording over the WebSocket to its end; what a slow machine has not yet taken then, REST gives."""
    played = (END + AFTER - START + BEFORE).total_seconds() / SPEED
    with simulator(folder, str(folder / "recording"), "--speed", str(SPEED), "--streams", '{"updates": 1}') as base:
        variables = {**pointed_at(base), "COINLAKE_BINANCE_SYMBOLS": ",".join(f"{coin}USDT" for coin in COINS)}
        began = time.monotonic()
        feed = ("generate", "--venue", "binance_klines")
        coinlake(stack, *feed, "--duration", f"{played + 5:.0f}s", **variables).well()
        assert time.monotonic() - began > played
        coinlake(stack, *feed, "--once", **variables).well()


def our_candles(stack: StackInfo) -> dict[tuple[str, str], Candles]:
    found: dict[tuple[str, str], Candles] = {}
    for row in rows_of(lake_of(stack), CANDLES):
        if row["venue"] == "binance" and START <= row["open_time"] < END:
            assert row["quote"] == "USDT"
            of_it = found.setdefault((row["coin"], row["interval"]), {})
            assert row["open_time"] not in of_it
            of_it[row["open_time"].astimezone(dt.UTC)] = Ohlcv(*(row[name] for name in Ohlcv._fields))
    return found


def text(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def exchange_five(coin: str) -> Candles:
    """Read the exchange's own candles of 5 minutes."""
    with gzip.open(KLINES / f"{coin}USDT-5m.csv.gz", "rt", newline="") as file:
        rows = {dt.datetime.fromtimestamp(int(row["open_time"]) / 1000, dt.UTC): row for row in csv.DictReader(file)}
    return {
        moment: Ohlcv(*(Decimal(row[name]) for name in Ohlcv._fields))
        for moment, row in rows.items()
        if START <= moment < END
    }


def of_fives(five: Candles, count: int) -> Candles:
    """Make candles of so many aligned ones of 5 minutes, where all of them are there."""
    made: Candles = {}
    for number in range(round((END - START) / FIVE) // count):
        first = START + number * count * FIVE
        if all(first + n * FIVE in five for n in range(count)):
            parts = [five[first + n * FIVE] for n in range(count)]
            made[first] = Ohlcv(
                parts[0].open,
                max(part.high for part in parts),
                min(part.low for part in parts),
                parts[-1].close,
                sum((part.volume for part in parts), Decimal(0)),
            )
    return made


@pytest.mark.parametrize("coin", COINS)
def test_ten_minutes_equal_two_of_the_exchanges_five_and_none_is_in_the_halt(two_days: TwoDays, coin: str) -> None:
    expected = of_fives(exchange_five(coin), 2)
    assert len(expected) == BUCKETS
    ours = two_days.candles[coin, "10m"]
    assert ours == expected
    assert [moment for moment in ours if HALT[0] <= moment < HALT[1]] == []


@pytest.mark.parametrize("coin", COINS)
def test_hours_equal_twelve_of_the_exchanges_five(two_days: TwoDays, coin: str) -> None:
    expected = of_fives(exchange_five(coin), 12)
    assert len(expected) == 48 - 2
    ours = two_days.candles[coin, "1h"]
    assert {moment: candle for moment, candle in ours.items() if moment in expected} == expected
    assert ours.keys() - expected.keys() == {HALT[0].replace(minute=0)}


def test_gaps_lists_the_halt_alone_as_not_recoverable(two_days: TwoDays) -> None:
    said = coinlake(two_days.stack, "gaps").well().out
    halts = [line.split() for line in said if "not recoverable" in line]
    times = ["2023-03-24", "12:40:00", "2023-03-24", "14:00:00", "80.0", "binance", "crypto_kline_data"]
    assert sorted(line[:8] for line in halts) == sorted([*times, f"{coin}USDT"] for coin in COINS)
    assert said[-1].startswith("4 gaps on record")


def test_reconcile_counts_every_candle_equal_and_the_halt_in_neither(two_days: TwoDays) -> None:
    period = ("--from", text(START), "--to", text(END), "--interval", "10m")
    said = coinlake(two_days.stack, "reconcile", str(KLINES), *period, COLUMNS="300").well().out
    scores = {line.split()[0]: line.split()[1:] for line in said if " 10m " in line and "2023-03 " in line}
    assert scores == {f"{coin}USDT": ["10m", "2023-03", str(BUCKETS), "0", "0", "0", "8"] for coin in COINS}
    holes = [line for line in said if "8 candles missing on both sides" in line]
    assert len(holes) == 4 and all("not recoverable" in line for line in holes)
