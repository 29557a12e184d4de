"""A generated tape: aggregate trades around the coins' USD prices, a pure function of (seed, time).

Every symbol trades on a fixed beat, so that the id of a trade tells its minute: ids run without a hole for ever.
"""

import bisect
import datetime as dt
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from simulator.binance.tape import INTERVALS_MS, MINUTE_MS, Bar, Trade, bars_of, roll_up
from simulator.market import Market
from simulator.noise import uniform

QUOTE = "USDT"
TRADES_A_MINUTE = 12
_EPOCH_MS = int(dt.datetime(2020, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
_END_MS = int(dt.datetime(2200, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
_CHUNK_TRADES = 720
_CHUNK_MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)
_SERIES = 9_000
_NOT_LISTED = frozenset({"USDT"})


class GeneratedTape:
    """Every coin of a market against USDT."""

    def __init__(self, market: Market, trades_a_minute: int = TRADES_A_MINUTE) -> None:
        self.begin_ms = _EPOCH_MS
        self._market = market
        self._beat = trades_a_minute
        rows = {coin.symbol: row for row, coin in reversed(list(enumerate(market.coins)))}
        self._rows = {f"{base}{QUOTE}": row for base, row in rows.items() if base not in _NOT_LISTED}
        listed = [base for base in rows if base not in _NOT_LISTED]
        self.symbols: Mapping[str, tuple[str, str]] = {f"{base}{QUOTE}": (base, QUOTE) for base in listed}
        fitting = [count for count in _CHUNK_MINUTES if count * trades_a_minute <= _CHUNK_TRADES]
        self._chunk_ms = MINUTE_MS * max(fitting, default=1)
        self._chunk = lru_cache(maxsize=512)(self._make_chunk)
        self._minutes = lru_cache(maxsize=4096)(self._make_minutes)

    def bars(self, symbol: str, interval: str, begin_ms: int, end_ms: int) -> Sequence[Bar]:
        """Return the klines that the trades make."""
        length = INTERVALS_MS[interval]
        begin, end = -(-max(begin_ms, self.begin_ms) // length) * length, -(-end_ms // length) * length
        if length < MINUTE_MS:
            return list(bars_of(self.trades(symbol, begin, end), length))
        minutes: list[Bar] = []
        for chunk in self._chunks(begin, end):
            start = chunk * self._chunk_ms
            first = max(0, (begin - start) // MINUTE_MS)  # every minute trades
            minutes += self._minutes(symbol, chunk)[first : max(0, -(-(end - start) // MINUTE_MS))]
        return minutes if length == MINUTE_MS else list(roll_up(minutes, length))

    def trades(self, symbol: str, begin_ms: int, end_ms: int) -> Sequence[Trade]:
        """Return the trades of [begin, end)."""
        found: list[Trade] = []
        for chunk in self._chunks(begin_ms, end_ms):
            trades = self._chunk(symbol, chunk)
            first = bisect.bisect_left(trades, begin_ms, key=lambda trade: trade.ms)
            found += trades[first : bisect.bisect_left(trades, end_ms, key=lambda trade: trade.ms)]
        return found

    def trades_from(self, symbol: str, first: int, count: int) -> Sequence[Trade]:
        """Return `count` trades from this id on."""
        begin = self.begin_ms + max(first, 0) // self._beat * MINUTE_MS
        found: list[Trade] = []
        for chunk in self._chunks(begin, _END_MS):
            found += [trade for trade in self._chunk(symbol, chunk) if trade.id >= first]
            if len(found) >= count:
                break
        return found[:count]

    def _chunks(self, begin_ms: int, end_ms: int) -> range:
        """Return the numbers of the chunks that hold [begin, end); none before the tape begins."""
        return range(max(begin_ms, self.begin_ms) // self._chunk_ms, -(-min(end_ms, _END_MS) // self._chunk_ms))

    def _make_minutes(self, symbol: str, chunk: int) -> tuple[Bar, ...]:
        return tuple(bars_of(self._chunk(symbol, chunk), MINUTE_MS))

    def _make_chunk(self, symbol: str, chunk: int) -> tuple[Trade, ...]:
        row = self._rows[symbol]
        count = self._chunk_ms // MINUTE_MS * self._beat
        first = (chunk * self._chunk_ms - _EPOCH_MS) // MINUTE_MS * self._beat
        ids = first + np.arange(count, dtype=np.int64)
        series = np.asarray(_SERIES + row, dtype=np.int64)
        slot = MINUTE_MS // self._beat
        moments = _EPOCH_MS + ids // self._beat * MINUTE_MS + ids % self._beat * slot
        moments += (uniform(self._market.seed, series, ids, np.asarray(0)) * slot).astype(np.int64)
        usd = self._market.usd(np.asarray(row, dtype=np.int64), moments // 1000)
        start = self._market.coins[row].price
        decimals = price_decimals(start)
        spread = 1 + (uniform(self._market.seed, series, ids, np.asarray(1)) - 0.5) * 4e-4
        prices = np.maximum(1, np.rint(usd * spread * 10**decimals)).astype(np.int64) * 10 ** (8 - decimals)
        lot = quantity_decimals(decimals)
        size = 2_000 / start * (0.05 + 1.9 * uniform(self._market.seed, series, ids, np.asarray(2)) ** 3)
        quantities = np.maximum(1, np.rint(size * 10**lot)).astype(np.int64) * 10 ** (8 - lot)
        makers = uniform(self._market.seed, series, ids, np.asarray(3)) < 0.5
        # Every second aggregate holds two trades: their ids run 0, 1-2, 3, 4-5 and so on.
        firsts = ids // 2 * 3 + ids % 2
        lasts = firsts + ids % 2
        columns = (ids, moments, prices, quantities, firsts, lasts, makers)
        return tuple(Trade(*values) for values in zip(*(column.tolist() for column in columns), strict=True))


def price_decimals(price: float) -> int:
    """Return how many decimals a symbol's prices have, by the size of its price.

    >>> [price_decimals(price) for price in (64_000, 3.2, 0.07, 1.3e-6)]
    [2, 4, 5, 8]
    """
    return 2 if price >= 1_000 else 4 if price >= 1 else 5 if price >= 0.01 else 8


def quantity_decimals(of_price: int) -> int:
    """Return the decimals of a symbol's quantities: with those of its price eight at most, so that money is exact."""
    return min(5, 8 - of_price)
