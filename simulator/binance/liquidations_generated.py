"""Generated liquidations: orders that are forced around the coins' prices, a pure function of (seed, time).

When prices fall more longs are closed than shorts, and most orders are small. Of a symbol's orders the venue pushes at
most one in a second, the latest.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simulator.binance.frames import Payload
from simulator.binance.generated import QUOTE, price_decimals, quantity_decimals
from simulator.binance.tape import MINUTE_MS
from simulator.market import Market
from simulator.noise import uniform

LIQUIDATIONS_A_MINUTE = 60
SAMPLE_MS = 1_000
_PUSHED_AFTER_MS = 5
_LAST_MS = 58_000
"""Nothing is forced later in a minute, so that all of a minute is pushed in it."""
_SERIES = 20_000
_MOST_A_MINUTE = 100_000
_SYMBOLS = 30
_TREND_SECONDS = 300
_NOT_LISTED = frozenset({"USDT", "USDC", "DAI", "FDUSD", "TUSD"})


class Forced(NamedTuple):
    """One order: when it was traded, of which symbol, and the order as it is pushed."""

    ms: int
    symbol: str
    order: Payload


class GeneratedOrders:
    """The orders of one market's thirty best-ranked coins against USDT."""

    def __init__(self, market: Market, a_minute: int) -> None:
        self._market = market
        self._a_minute = a_minute
        self._listed = list(self.listed(market))[:_SYMBOLS]
        self._minute = lru_cache(maxsize=256)(self._make_minute)

    @staticmethod
    def listed(market: Market) -> Iterator[tuple[int, str]]:
        """List the coins that have a contract, each with its row in the market."""
        seen: set[str] = set()
        for row, coin in enumerate(market.coins):
            if coin.symbol not in _NOT_LISTED and coin.symbol not in seen:
                seen.add(coin.symbol)
                yield row, coin.symbol

    def between(self, begin_ms: int, end_ms: int) -> Iterator[tuple[int, Payload]]:
        """Give the frames that are pushed in (begin, end], in the order of that time, with the time."""
        for minute in range(begin_ms // MINUTE_MS, end_ms // MINUTE_MS + 1):
            for ms, payload in self._minute(minute):
                if begin_ms < ms <= end_ms:
                    yield ms, payload

    def _make_minute(self, minute: int) -> Sequence[tuple[int, Payload]]:
        return tuple(sampled(self._forced(minute)))

    def _forced(self, minute: int) -> list[Forced]:
        seed, series = self._market.seed, np.asarray(_SERIES, dtype=np.int64)
        busy = uniform(seed, series, np.asarray(minute)).item()
        count = round(self._a_minute * (0.5 + busy))
        ids = minute * _MOST_A_MINUTE + np.arange(count, dtype=np.int64)
        draw = [uniform(seed, series + 1 + number, ids) for number in range(8)]
        moments = minute * MINUTE_MS + (draw[0] * _LAST_MS).astype(np.int64)
        places = (draw[1] ** 2 * len(self._listed)).astype(np.int64)
        rows = np.asarray([self._listed[place][0] for place in places.tolist()], dtype=np.int64)
        seconds = moments // 1000
        usd = self._market.usd(rows, seconds)
        falling = usd < self._market.usd(rows, seconds - _TREND_SECONDS)
        longs = draw[2] < np.where(falling, 0.75, 0.25)
        towards = np.where(longs, -1.0, 1.0)
        bankruptcy = usd * (1 + towards * (0.004 + 0.008 * draw[3]))
        average = usd * (1 + towards * 0.001 * draw[4])
        money = 80 * np.exp(4.2 * (draw[5] + draw[6] + draw[7] - 1.3))
        orders = [
            self._order(place, *values)
            for place, *values in zip(
                *(column.tolist() for column in (places, moments, longs, bankruptcy, average, money, draw[3])),
                strict=True,
            )
        ]
        return sorted(orders, key=lambda order: order.ms)

    def _order(
        self, place: int, ms: int, long: bool, bankruptcy: float, average: float, money: float, last: float
    ) -> Forced:
        row, base = self._listed[place]
        decimals = price_decimals(self._market.coins[row].price)
        lot = quantity_decimals(decimals)
        units = max(1, round(money / average * 10**lot))
        symbol, quantity = f"{base}{QUOTE}", _text(units, lot)
        order: Payload = {
            **{"s": symbol, "S": "SELL" if long else "BUY", "o": "LIMIT", "f": "IOC"},
            **{"q": quantity, "p": _price(bankruptcy, decimals), "ap": _price(average, decimals), "X": "FILLED"},
            **{"l": _text(max(1, round(units * last)), lot), "z": quantity, "T": ms, "ps": symbol, "st": 1},
        }
        return Forced(ms, symbol, order)


def sampled(orders: Iterable[Forced]) -> list[tuple[int, Payload]]:
    """Keep the latest order of a symbol in each second, which begins with its first one; give frames in order of time.

    >>> one, two, three = (Forced(ms, "A", {"T": ms}) for ms in (0, 400, 1200))
    >>> [(ms, frame["o"]) for ms, frame in sampled([one, two, three])]
    [(1005, {'T': 400}), (2205, {'T': 1200})]
    """
    windows: dict[str, list[Forced]] = {}
    begun: dict[str, int] = {}
    ends: list[tuple[int, Forced]] = []
    for order in orders:
        if order.symbol in begun and order.ms < begun[order.symbol] + SAMPLE_MS:
            windows[order.symbol].append(order)
            continue
        if order.symbol in begun:
            ends.append((begun[order.symbol], windows[order.symbol][-1]))
        begun[order.symbol], windows[order.symbol] = order.ms, [order]
    ends += [(begun[symbol], found[-1]) for symbol, found in windows.items()]
    frames = [(first + SAMPLE_MS + _PUSHED_AFTER_MS, latest) for first, latest in ends]
    return [
        (ms, {"e": "forceOrder", "E": ms, "o": latest.order}) for ms, latest in sorted(frames, key=lambda one: one[0])
    ]


def _price(value: float, decimals: int) -> str:
    return _text(max(1, round(value * 10**decimals)), decimals)


def _text(units: int, decimals: int) -> str:
    """Write a number of whole units of the last decimal.

    >>> _text(6434895, 2), _text(7, 0)
    ('64348.95', '7')
    """
    return f"{units // 10**decimals}.{units % 10**decimals:0{decimals}d}" if decimals else str(units)
