"""The generated Wallex prices: they track the coins' USD prices through USDTTMN, with noise and premium.

A pure function of (seed, time). A market's last price is that of its last trade, and quiet markets trade seldom.
"""

import datetime as dt
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from simulator.market import YEAR_SECONDS, Market, epoch_seconds
from simulator.noise import Floats, Integers, normal, uniform, walk
from simulator.wallex_listings import LISTINGS, Listing

_RATE, _PREMIUM, _TRAITS, _TRADE = 1, 4_000, 5_000, 6_000
_RATE_START = 58_000.0
_RATE_EPOCH = 1_704_067_200
_RATE_DRIFT = 0.25
_RATE_VOLATILITY = 0.2
_PREMIUM_VOLATILITY = 0.02
_TRADE_SECONDS = {1: 5, 2: 40, 3: 240, 4: 3_600}
_DAILY_USD = {1: 400_000.0, 2: 40_000.0, 3: 6_000.0, 4: 500.0}
_SPREAD = {1: 0.001, 2: 0.003, 3: 0.008, 4: 0.03}
DAY, WEEK, HOUR = 86_400, 7 * 86_400, 3_600


class TomanMarket(msgspec.Struct, frozen=True):
    """One market of the exchange: decimals of quantity (`step`) and price (`tick`), and how alive it is.

    `never_traded` markets have no last price; `no_asks` markets have nobody who sells.
    """

    base: str
    quote: str
    listing: Listing
    busy: int
    step: int
    tick: int
    never_traded: bool
    no_asks: bool

    @property
    def symbol(self) -> str:
        """The market's name."""
        return self.base + self.quote


class Ticker(msgspec.Struct, frozen=True):
    """One market at a moment, prices in its quote; None where nothing was traded."""

    market: TomanMarket
    last: float | None
    bid: float
    ask: float | None
    day_change: float
    week_change: float | None
    day_volume: float | None
    week_volume: float | None
    day_quote_volume: float | None
    day_high: float | None
    day_low: float | None
    sold: bool
    bid_volume: float
    ask_volume: float
    bid_count: int
    ask_count: int


class _Reading(NamedTuple):
    last: float
    bid: float
    ask: float
    day_change: float
    week_change: float
    highest: float
    lowest: float
    sold: bool
    activity: float
    fair: float


class Exchange:
    """All markets of one seed; `market` gives the coins' USD prices."""

    def __init__(self, market: Market, listings: Sequence[Listing] = LISTINGS) -> None:
        self._market = market
        self._seed = market.seed
        row_of = {coin.symbol: row for row, coin in reversed(list(enumerate(market.coins)))}
        self._btc = np.asarray(row_of["BTC"], dtype=np.int64)
        self.markets = tuple(
            _open(listing, quote, market.coins[row_of[listing.base]].price)
            for listing in listings
            for quote in ("TMN", *listing.quotes)
        )
        self._rows = np.asarray([row_of[market.base] for market in self.markets], dtype=np.int64)
        self._quotes = np.asarray([("TMN", "USDT", "BTC").index(market.quote) for market in self.markets])
        self._numbers = np.arange(len(self.markets), dtype=np.int64)
        self._spread = np.asarray([_SPREAD[market.busy] for market in self.markets])
        self._period = np.asarray([_TRADE_SECONDS[market.busy] for market in self.markets], dtype=np.int64)
        self._phase = np.floor(self._trait(0) * self._period).astype(np.int64)
        self._is_rate = np.asarray([market.symbol == "USDTTMN" for market in self.markets])
        self._cached_extremes = lru_cache(maxsize=4)(self._extremes)

    def _trait(self, number: int) -> Floats:
        return uniform(self._seed, np.asarray(_TRAITS + number, dtype=np.int64), self._numbers)

    def usdt_tmn(self, seconds: Integers) -> Floats:
        """Return the toman price of one USDT: a yearly drift and a walk."""
        drift = _RATE_DRIFT * (seconds - _RATE_EPOCH) / YEAR_SECONDS
        noise = walk(self._seed, np.asarray(_RATE, dtype=np.int64), seconds)
        rate: Floats = _RATE_START * np.exp(drift + noise * (_RATE_VOLATILITY / math.sqrt(YEAR_SECONDS)))
        return rate

    def _fair(self, seconds: Integers) -> Floats:
        """Return each market's fair price at Unix seconds of shape (markets, n)."""
        usd = self._market.usd(self._rows[:, np.newaxis], seconds)
        rate = self.usdt_tmn(seconds)
        btc = self._market.usd(self._btc, seconds)
        quotes = self._quotes[:, np.newaxis]
        priced = np.where(quotes == 0, usd * rate, np.where(quotes == 1, usd, usd / btc))
        slow = walk(self._seed, (_PREMIUM + self._numbers)[:, np.newaxis], seconds)
        premium = 0.002 + slow * (_PREMIUM_VOLATILITY / math.sqrt(YEAR_SECONDS))
        return np.where(self._is_rate[:, np.newaxis], rate, priced * (1 + premium))

    def tickers(self, at: dt.datetime) -> list[Ticker]:
        """Return every market as it stands at a moment."""
        now = epoch_seconds(at)
        slot = (now - self._phase) // self._period
        traded = slot * self._period + self._phase
        fair = self._fair(traded[:, np.newaxis] - np.asarray([0, DAY, WEEK]))
        side = uniform(self._seed, np.asarray(_TRADE, dtype=np.int64), self._numbers, slot)
        scatter = 1 + self._spread / 2 * normal(self._seed, np.asarray(_TRADE + 1, dtype=np.int64), self._numbers, slot)
        last = fair[:, 0] * scatter
        middle = self._fair(np.full((len(self.markets), 1), now // 5 * 5))[:, 0]
        highest, lowest = self._cached_extremes(now // HOUR)
        columns = zip(
            last.tolist(),
            (middle * (1 - self._spread / 2)).tolist(),
            (middle * (1 + self._spread / 2)).tolist(),
            np.round(100 * (fair[:, 0] / fair[:, 1] - 1), 2).tolist(),
            np.round(100 * (fair[:, 0] / fair[:, 2] - 1), 2).tolist(),
            highest.tolist(),
            lowest.tolist(),
            (side < 0.5).tolist(),
            self._activity(now).tolist(),
            fair[:, 0].tolist(),
            strict=True,
        )
        return [_ticker(market, _Reading(*row)) for market, row in zip(self.markets, columns, strict=True)]

    def _extremes(self, hour: int) -> tuple[Floats, Floats]:
        """Return the highest and lowest fair price of the 24 full hours before an hour, read once an hour."""
        hours = (hour - np.arange(24, dtype=np.int64)) * HOUR
        fair = self._fair(np.broadcast_to(hours, (len(self.markets), 24)))
        return fair.max(axis=1), fair.min(axis=1)

    def _activity(self, now: int) -> Floats:
        """Return how busy each market is today, around 1, changing every ten minutes."""
        return 0.6 + 0.8 * uniform(
            self._seed, np.asarray(_TRADE + 2, dtype=np.int64), self._numbers, np.asarray(now // 600)
        )


def _open(listing: Listing, quote: str, usd: float) -> TomanMarket:
    """Open a market with the decimals its price calls for: some five digits, none for a toman price over 1,000."""
    price = {"TMN": usd * _RATE_START, "USDT": usd, "BTC": usd / 64_000}[quote]
    fewest = 0 if quote == "TMN" else 2
    tick = min(8, max(fewest, 4 - math.floor(math.log10(price)) - (1 if quote == "TMN" else 0)))
    step = min(3 if quote == "BTC" else 6, max(0, math.ceil(math.log10(usd)) + 1))
    return TomanMarket(
        base=listing.base,
        quote=quote,
        listing=listing,
        busy=4 if quote == "BTC" else min(4, listing.busy + (quote == "USDT" and listing.busy > 1)),
        step=step,
        tick=tick,
        never_traded=quote == "BTC" and listing.busy >= 3,
        no_asks=listing.base + quote == "YFIBTC",
    )


def _ticker(market: TomanMarket, read: _Reading) -> Ticker:
    traded = not market.never_traded
    # A quiet coin against USDT or BTC trades now and then: its last price stands, the day's figures do not.
    quietest = {"TMN": 4, "USDT": 3, "BTC": 1}[market.quote]
    busy_day = traded and market.listing.busy <= quietest
    usd = read.fair / {"TMN": _RATE_START, "USDT": 1.0, "BTC": 1 / 64_000}[market.quote]
    volume = _DAILY_USD[market.busy] * read.activity / usd
    return Ticker(
        market=market,
        last=read.last if traded else None,
        bid=read.bid,
        ask=None if market.no_asks else read.ask,
        day_change=read.day_change if busy_day else 0,
        week_change=read.week_change if traded else None,
        day_volume=volume if busy_day else None,
        week_volume=volume * 6.5 if traded else None,
        day_quote_volume=volume * read.fair if busy_day else None,
        day_high=max(read.highest, read.last) if busy_day else None,
        day_low=min(read.lowest, read.last) if busy_day else None,
        sold=read.sold,
        bid_volume=volume * 0.2,
        ask_volume=0 if market.no_asks else volume * 0.25,
        bid_count=5 + int(40 * read.activity / market.busy),
        ask_count=0 if market.no_asks else 3 + int(60 * read.activity / market.busy),
    )
