"""What was traded: the one thing that every answer and every frame of the venue is made of. Numbers are exact.

Prices and quantities are whole numbers of 1e-8, money (price x quantity) too; times are milliseconds since 1970.
"""

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

MINUTE_MS = 60_000
UNIT = 10**8
INTERVALS_MS: Mapping[str, int] = {
    "1s": 1_000,
    **{f"{count}m": count * MINUTE_MS for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * 60 * MINUTE_MS for count in (1, 2, 4, 6, 8, 12)},
    **{f"{count}d": count * 1440 * MINUTE_MS for count in (1, 3)},
}
"""Intervals of a fixed length. `1w` and `1M`, which the venue has too, are not simulated."""


class Bar(NamedTuple):
    """One kline from `open_ms` to `close_ms`, exclusive. Without a trade first and last id are -1, as at the venue."""

    open_ms: int
    close_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int = 0
    trades: int = 0
    taker_volume: int = 0
    taker_quote_volume: int = 0
    first_id: int = -1
    last_id: int = -1


class Trade(NamedTuple):
    """One aggregate trade: trades `first_id` to `last_id` of one order at one price."""

    id: int
    ms: int
    price: int
    quantity: int
    first_id: int
    last_id: int
    buyer_is_maker: bool


class Tape(Protocol):
    """A market's past and future, the same whoever asks and whenever."""

    @property
    def symbols(self) -> Mapping[str, tuple[str, str]]:
        """Map every symbol to its base and quote asset."""

    @property
    def begin_ms(self) -> int:
        """Return when the tape begins."""

    def bars(self, symbol: str, interval: str, begin_ms: int, end_ms: int) -> Sequence[Bar]:
        """Return the whole klines that open in [begin, end), in order; a halt has none."""

    def trades(self, symbol: str, begin_ms: int, end_ms: int) -> Sequence[Trade]:
        """Return the aggregate trades of [begin, end), in order of their ids."""

    def trades_from(self, symbol: str, first: int, count: int) -> Sequence[Trade]:
        """Return up to `count` aggregate trades with ids of at least `first`."""


def roll_up(bars: Iterable[Bar], length_ms: int) -> Iterator[Bar]:
    """Make larger klines of smaller ones, which are in order; a bucket with nothing in it has none."""
    for start, found in groupby(bars, key=lambda bar: bar.open_ms // length_ms * length_ms):
        parts = list(found)
        named = [bar for bar in parts if bar.first_id >= 0]
        yield Bar(
            open_ms=start,
            close_ms=start + length_ms,
            open=parts[0].open,
            high=max(bar.high for bar in parts),
            low=min(bar.low for bar in parts),
            close=parts[-1].close,
            volume=sum(bar.volume for bar in parts),
            quote_volume=sum(bar.quote_volume for bar in parts),
            trades=sum(bar.trades for bar in parts),
            taker_volume=sum(bar.taker_volume for bar in parts),
            taker_quote_volume=sum(bar.taker_quote_volume for bar in parts),
            first_id=named[0].first_id if named else -1,
            last_id=named[-1].last_id if named else -1,
        )


def bars_of(trades: Iterable[Trade], length_ms: int) -> Iterator[Bar]:
    """Make klines of trades, which are in order; an interval without a trade has none."""
    for start, found in groupby(trades, key=lambda trade: trade.ms // length_ms * length_ms):
        parts = list(found)
        prices = [trade.price for trade in parts]
        taken = [trade for trade in parts if not trade.buyer_is_maker]
        yield Bar(
            open_ms=start,
            close_ms=start + length_ms,
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=sum(trade.quantity for trade in parts),
            quote_volume=sum(map(money, parts)),
            trades=sum(trade.last_id - trade.first_id + 1 for trade in parts),
            taker_volume=sum(trade.quantity for trade in taken),
            taker_quote_volume=sum(map(money, taken)),
            first_id=parts[0].first_id,
            last_id=parts[-1].last_id,
        )


def money(trade: Trade) -> int:
    """Return price x quantity in 1e-8, what is finer cut off.

    >>> money(Trade(1, 0, 2 * UNIT, UNIT // 2, 1, 1, True)) == UNIT
    True
    """
    return trade.price * trade.quantity // UNIT


def text(units: int) -> str:
    """Write a number of 1e-8 as the venue does, with eight decimals.

    >>> text(6434895000000), text(9000)
    ('64348.95000000', '0.00009000')
    """
    return f"{units // UNIT}.{units % UNIT:08d}"


def last_price(tape: Tape, symbol: str, at_ms: int) -> int | None:
    """Return the price of the newest trade or closed kline before a moment; None where two days hold nothing."""
    for back in (MINUTE_MS, 60 * MINUTE_MS, 2 * 1440 * MINUTE_MS):
        trades = tape.trades(symbol, at_ms - back, at_ms)
        if trades:
            return trades[-1].price
        closed = [bar for bar in tape.bars(symbol, "1m", at_ms - back - MINUTE_MS, at_ms) if bar.close_ms <= at_ms]
        if closed:
            return closed[-1].close
    return None


class RecordedTape:
    """A tape of closed klines and aggregate trades that were recorded."""

    def __init__(
        self,
        symbols: Mapping[str, tuple[str, str]],
        bars: Mapping[tuple[str, str], Sequence[Bar]],
        trades: Mapping[str, Sequence[Trade]],
    ) -> None:
        self.symbols = symbols
        self._bars = bars
        self._trades = trades
        firsts = [found[0].open_ms for found in bars.values() if found]
        self.begin_ms = min([*firsts, *(found[0].ms for found in trades.values() if found)], default=2**62)

    def bars(self, symbol: str, interval: str, begin_ms: int, end_ms: int) -> Sequence[Bar]:
        """Return recorded klines of this interval, else those that the recorded minutes, or trades, make."""
        found = self._bars.get((symbol, interval))
        if found is not None:
            first = bisect.bisect_left(found, begin_ms, key=lambda bar: bar.open_ms)
            last = bisect.bisect_left(found, end_ms, key=lambda bar: bar.open_ms)
            return found[first:last]
        length = INTERVALS_MS[interval]
        begin, end = -(-begin_ms // length) * length, -(-end_ms // length) * length
        if length > MINUTE_MS and (symbol, "1m") in self._bars:
            return list(roll_up(self.bars(symbol, "1m", begin, end), length))
        return list(bars_of(self.trades(symbol, begin, end), length))

    def trades(self, symbol: str, begin_ms: int, end_ms: int) -> Sequence[Trade]:
        """Return recorded trades."""
        found = self._trades.get(symbol, ())
        first = bisect.bisect_left(found, begin_ms, key=lambda trade: trade.ms)
        return found[first : bisect.bisect_left(found, end_ms, key=lambda trade: trade.ms)]

    def trades_from(self, symbol: str, first: int, count: int) -> Sequence[Trade]:
        """Return recorded trades by id."""
        found = self._trades.get(symbol, ())
        start = bisect.bisect_left(found, first, key=lambda trade: trade.id)
        return found[start : start + count]
