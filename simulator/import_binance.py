"""Turns recorded klines and a recorded tape of Binance into a recording of the frames that were, or would be, pushed.

Read: `binance/klines_spot/*/SYMBOL-1m.csv.gz` (open time, open, high, low, close, volume) and
`binance/agg_trades_spot_complete/SYMBOL-aggTrades-*.csv`. The kline files do not say quote volume, trades and takers'
part: the frames say 0 and ids of -1 there, which is no fact of the market.

Of the futures `binance/force_orders/*.frames.jsonl` is read: messages of the combined stream `!forceOrder@arr`, one a
line, which become a recording of their own.
"""

import csv
import datetime as dt
import gzip
import heapq
from collections.abc import Iterator
from pathlib import Path

import msgspec

from contracts.errors import NoDataError, SettingsError
from simulator.binance.frames import agg_trade, kline
from simulator.binance.futures import VENUE as FUTURES
from simulator.binance.recorded import units
from simulator.binance.tape import MINUTE_MS, Bar, Trade
from simulator.recording import Pushed, write_recording

KLINES = "binance/klines_spot/*/*-1m.csv.gz"
TRADES = "binance/agg_trades_spot_complete/*-aggTrades-*.csv"
FORCED_ORDERS = "binance/force_orders/*.frames.jsonl"


class _Push(msgspec.Struct, frozen=True):
    """A message of the combined stream."""

    stream: str
    data: msgspec.Raw


class _Moment(msgspec.Struct, frozen=True):
    """When the venue pushed it, in milliseconds since 1970."""

    pushed_ms: int = msgspec.field(name="E")


def import_binance(data: Path, out: Path, begin: dt.datetime, end: dt.datetime) -> int:
    """Write `out/binance.jsonl.gz` with everything that happened in [begin, end); return the number of frames.

    Raises:
        NoDataError: there is no such file, or nothing of this time in it.
    """
    span = (int(begin.timestamp() * 1000), int(end.timestamp() * 1000))
    sources = [
        *(_klines(path, *span) for path in sorted(data.glob(KLINES))),
        *(_trades(path, *span) for path in sorted(data.glob(TRADES))),
    ]
    if not sources:
        raise NoDataError(f"import: expected {KLINES} or {TRADES} in {data}, found none")
    out.mkdir(parents=True, exist_ok=True)
    frames = write_recording(out / "binance.jsonl.gz", heapq.merge(*sources, key=lambda line: line.at))
    if frames == 0:
        raise NoDataError(f"import: expected frames of {begin.isoformat()} to {end.isoformat()}, found none")
    return frames


def import_liquidations(data: Path, out: Path, begin: dt.datetime, end: dt.datetime) -> int:
    """Write `out/binance_futures.jsonl.gz` with the orders that were pushed in [begin, end); return their number.

    Raises:
        NoDataError: there is no such file, or nothing of this time in it.
        SettingsError: a line is no message of a combined stream.
    """
    paths = sorted(data.glob(FORCED_ORDERS))
    if not paths:
        raise NoDataError(f"import: expected {FORCED_ORDERS} in {data}, found none")
    lines = [line for path in paths for line in _forced_orders(path) if begin <= line.at < end]
    if not lines:
        raise NoDataError(f"import: expected liquidations of {begin.isoformat()} to {end.isoformat()}, found none")
    out.mkdir(parents=True, exist_ok=True)
    return write_recording(out / f"{FUTURES}.jsonl.gz", sorted(lines, key=lambda line: line.at))


def _forced_orders(path: Path) -> Iterator[Pushed]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                push = msgspec.json.decode(line, type=_Push)
                pushed_ms = msgspec.json.decode(push.data, type=_Moment).pushed_ms
            except msgspec.MsgspecError as error:
                raise SettingsError(
                    f"{path} line {number}: expected a message of a combined stream, found: {error}"
                ) from None
            yield Pushed(_moment(pushed_ms), push.stream, msgspec.Raw(bytes(push.data)))


def _klines(path: Path, begin_ms: int, end_ms: int) -> Iterator[Pushed]:
    symbol = path.name.partition("-")[0]
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            open_ms = int(row["open_time"])
            if begin_ms <= open_ms < end_ms:
                prices = [units(row[name]) for name in ("open", "high", "low", "close", "volume")]
                bar = Bar(open_ms, open_ms + MINUTE_MS, *prices)
                pushed = kline(symbol, "1m", bar, bar.close_ms, closed=True)
                yield _frame(bar.close_ms, f"{symbol.lower()}@kline_1m", pushed)


def _trades(path: Path, begin_ms: int, end_ms: int) -> Iterator[Pushed]:
    symbol = path.name.partition("-")[0]
    with path.open(newline="") as file:
        for number, price, quantity, first, last, ms, maker, _ in csv.reader(file):
            if begin_ms <= int(ms) < end_ms:
                parts = (units(price), units(quantity), int(first), int(last), maker == "True")
                trade = Trade(int(number), int(ms), *parts)
                yield _frame(trade.ms, f"{symbol.lower()}@aggTrade", agg_trade(symbol, trade))


def _frame(ms: int, stream: str, payload: dict[str, object]) -> Pushed:
    return Pushed(_moment(ms), stream, msgspec.Raw(msgspec.json.encode(payload)))


def _moment(ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
