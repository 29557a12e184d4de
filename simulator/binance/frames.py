"""What the venue pushes: the frames of a stream between two moments, in the order of their time."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from simulator.binance.rest import so_far, trade_row
from simulator.binance.tape import INTERVALS_MS, Bar, Tape, Trade, text

UPDATE_MS = {"1s": 1_000}
USUAL_UPDATE_MS = 2_000
_CLOSED_AFTER_MS = 40
"""A closed kline is pushed so long after its close."""
Payload = dict[str, object]


class Frame(NamedTuple):
    """One push: when, on which stream, and what."""

    ms: int
    stream: str
    payload: Payload


Push = Callable[[int, int], Iterator[Frame]]
"""Give the frames of (begin, end] in ms."""


def pushes_of(name: str, tape: Tape, updates: int) -> Push | None:
    """Return what a stream pushes; None for a name that no stream bears, which stays silent.

    `updates` is how many times at most an open kline is pushed before it closes: the venue does so every 2 s.
    """
    symbol, _, kind = name.partition("@")
    if symbol != symbol.lower() or symbol.upper() not in tape.symbols:
        return None
    symbol = symbol.upper()
    if kind == "aggTrade":
        return lambda begin, end: _trades(tape, symbol, name, begin, end)
    interval = kind.removeprefix("kline_")
    if kind.startswith("kline_") and interval in INTERVALS_MS:
        return lambda begin, end: _klines(tape, symbol, interval, name, begin, end, updates)
    return None


def _trades(tape: Tape, symbol: str, name: str, begin: int, end: int) -> Iterator[Frame]:
    for trade in tape.trades(symbol, begin + 1, end + 1):
        yield Frame(trade.ms, name, agg_trade(symbol, trade))


def _klines(tape: Tape, symbol: str, interval: str, name: str, begin: int, end: int, updates: int) -> Iterator[Frame]:
    length = INTERVALS_MS[interval]
    step = max(UPDATE_MS.get(interval, USUAL_UPDATE_MS), length // (updates + 1)) if updates else length
    for bar in tape.bars(symbol, interval, begin - length - _CLOSED_AFTER_MS, end + 1):
        for ms in range(bar.open_ms + step, bar.close_ms, step):
            if begin < ms <= end:
                for state in so_far(tape, symbol, bar, ms):
                    yield Frame(ms, name, kline(symbol, interval, state, ms, closed=False))
        pushed = bar.close_ms + _CLOSED_AFTER_MS
        if begin < pushed <= end:
            yield Frame(pushed, name, kline(symbol, interval, bar, pushed, closed=True))


def kline(symbol: str, interval: str, bar: Bar, pushed_ms: int, *, closed: bool) -> Payload:
    """Write a kline as it is pushed."""
    return {
        "e": "kline",
        "E": pushed_ms,
        "s": symbol,
        "k": {
            "t": bar.open_ms,
            "T": bar.close_ms - 1,
            "s": symbol,
            "i": interval,
            "f": bar.first_id,
            "L": bar.last_id,
            "o": text(bar.open),
            "c": text(bar.close),
            "h": text(bar.high),
            "l": text(bar.low),
            "v": text(bar.volume),
            "n": bar.trades,
            "x": closed,
            "q": text(bar.quote_volume),
            "V": text(bar.taker_volume),
            "Q": text(bar.taker_quote_volume),
            "B": "0",
        },
    }


def agg_trade(symbol: str, trade: Trade) -> Payload:
    """Write an aggregate trade as it is pushed."""
    return {"e": "aggTrade", "E": trade.ms, "s": symbol, **trade_row(trade)}


_TIMES = frozenset({"E", "T", "t"})


def in_microseconds(payload: Payload) -> Payload:
    """Turn every time of a payload into microseconds, as `timeUnit=MICROSECOND` asks for.

    >>> in_microseconds({"E": 5, "a": 7, "k": {"t": 1, "T": 2, "n": 3}})
    {'E': 5000, 'a': 7, 'k': {'t': 1000, 'T': 2999, 'n': 3}}
    """
    return {
        name: in_microseconds(value)
        if isinstance(value, dict)
        else value * 1000 + (999 if name == "T" and "t" in payload else 0)
        if name in _TIMES and isinstance(value, int)
        else value
        for name, value in payload.items()
    }
