"""A tape out of a recording's frames: closed klines and aggregate trades, as they were pushed."""

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec

from contracts.errors import SettingsError
from simulator.binance.tape import UNIT, Bar, RecordedTape, Trade
from simulator.recording import Played, Pushed, Recorded

_QUOTES = ("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "BTC", "ETH", "BNB", "TRY", "EUR")
_MS = frozenset({"E", "T", "t"})


def recorded_tape(lines: Sequence[Recorded]) -> RecordedTape:
    """Read the frames of a recording; a kline counts once it is closed, the last frame of each kline and trade holds.

    Raises:
        SettingsError: a frame is not of its stream's shape.
    """
    bars: dict[tuple[str, str], dict[int, Bar]] = {}
    trades: dict[str, dict[int, Trade]] = {}
    symbols: dict[str, tuple[str, str]] = {}
    for line in (one for one in lines if isinstance(one, Pushed)):
        frame = msgspec.json.decode(line.frame)
        try:
            symbol = str(frame["s"])
            symbols.setdefault(symbol, assets_of(symbol))
            if frame["e"] == "kline" and frame["k"]["x"]:
                bar = _bar(frame["k"])
                bars.setdefault((symbol, frame["k"]["i"]), {})[bar.open_ms] = bar
            elif frame["e"] == "aggTrade":
                trades.setdefault(symbol, {})[frame["a"]] = _trade(frame)
        except (KeyError, TypeError, ArithmeticError) as error:
            raise SettingsError(f"recording: expected a frame of {line.stream}, found one without {error}") from error
    for name in {name for line in lines if isinstance(line, Played) for name in _priced(line)}:
        with suppress(SettingsError):  # of an asset that we cannot name: the symbol is not listed
            symbols.setdefault(name, assets_of(name))
    return RecordedTape(
        symbols,
        {key: [found[open_ms] for open_ms in sorted(found)] for key, found in bars.items()},
        {symbol: [found[number] for number in sorted(found)] for symbol, found in trades.items()},
    )


def assets_of(symbol: str) -> tuple[str, str]:
    """Split a symbol at the quote asset it ends with.

    >>> assets_of("XRPETH")
    ('XRP', 'ETH')

    Raises:
        SettingsError: it ends with none that is known.
    """
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    raise SettingsError(f"recording: expected a symbol that ends with one of {', '.join(_QUOTES)}, found {symbol}")


def _priced(line: Played) -> list[str]:
    """List the symbols that a recorded answer gives prices of: none where it is an error, or no JSON."""
    if line.request.path != "/api/v3/ticker/price":
        return []
    try:
        found = msgspec.json.decode(line.answer.body)
    except msgspec.DecodeError:
        return []
    rows = found if isinstance(found, list) else [found]
    return [str(row["symbol"]) for row in rows if isinstance(row, dict) and "symbol" in row]


def units(number: str) -> int:
    """Read a number as whole 1e-8."""
    return int(Decimal(number) * UNIT)


def _bar(kline: dict[str, Any]) -> Bar:
    return Bar(
        open_ms=kline["t"],
        close_ms=kline["T"] + 1,
        open=units(kline["o"]),
        high=units(kline["h"]),
        low=units(kline["l"]),
        close=units(kline["c"]),
        volume=units(kline["v"]),
        quote_volume=units(kline["q"]),
        trades=kline["n"],
        taker_volume=units(kline["V"]),
        taker_quote_volume=units(kline["Q"]),
        first_id=kline["f"],
        last_id=kline["L"],
    )


def _trade(frame: dict[str, Any]) -> Trade:
    return Trade(frame["a"], frame["T"], units(frame["p"]), units(frame["q"]), frame["f"], frame["l"], bool(frame["m"]))


def shift_times(body: bytes, by: dt.timedelta) -> bytes:
    """Move every time of a frame."""
    ms = int(by.total_seconds() * 1000)

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: found + ms if name in _MS and isinstance(found, int) else moved(found)
                for name, found in value.items()
            }
        return [moved(one) for one in value] if isinstance(value, list) else value

    return msgspec.json.encode(moved(msgspec.json.decode(body)))
