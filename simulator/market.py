"""The generated coins: USD prices with correlated moves, and quotes of unequal age, a pure function of (seed, time)."""

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np

from simulator.coins import COINS, Coin
from simulator.noise import Floats, Integers, uniform, walk

YEAR_SECONDS = 365 * 86_400
_STABLE = frozenset({"USDT", "USDC", "DAI", "FDUSD", "TUSD"})
_MARKET, _COIN, _VOLUME, _TRAITS = 0, 1_000, 2_000, 3_000
_MARKET_VOLATILITY = 0.5
_VOLUME_VOLATILITY = 2.0
_PROMPT_COINS = 12
_STALE_PERIOD = 38
"""Minutes between two updates of the stalest coins: with the delay, their quotes grow 40 minutes old."""

CHANGE_PERIODS: dict[str, int] = {
    "1h": 3_600,
    "24h": 86_400,
    "7d": 7 * 86_400,
    "30d": 30 * 86_400,
    "60d": 60 * 86_400,
    "90d": 90 * 86_400,
}


class Quote(msgspec.Struct, frozen=True):
    """One coin as the market last quoted it. `changes` are percentages by period; money is in USD."""

    coin: Coin
    rank: int
    updated: dt.datetime
    price: float
    market_cap: float
    dominance: float
    volume_24h: float
    volume_change_24h: float
    changes: dict[str, float]


def epoch_seconds(moment: dt.datetime) -> int:
    """Return whole Unix seconds, rounded down."""
    return int(moment.timestamp() // 1)


class Market:
    """The coins of one seed. Nothing is kept between two questions: every answer depends on (seed, time) alone."""

    def __init__(self, seed: int, coins: Sequence[Coin] = COINS) -> None:
        self.seed = seed
        self.coins = tuple(coins)
        self._ids = np.asarray([coin.cmc_id for coin in coins], dtype=np.int64)
        self._log_start = np.log(np.asarray([coin.price for coin in coins]))
        self._supply = np.asarray([coin.supply for coin in coins], dtype=np.float64)
        stable = np.asarray([coin.symbol in _STABLE for coin in coins])
        calm = np.asarray([coin.symbol == "PAXG" for coin in coins])
        self._beta = np.where(stable, 0.0, np.where(calm, 0.05, 0.7 + 0.8 * self._trait(0)))
        self._volatility = np.where(stable, 0.008, np.where(calm, 0.12, 0.25 + 0.5 * self._trait(1)))
        self._turnover = np.where(stable, 0.9, 0.02 + 0.15 * self._trait(2))
        self._delay = (45 + 65 * self._trait(3)).astype(np.int64)
        self._period, self._phase = self._update_rules()
        self._cached_quotes = lru_cache(maxsize=4)(self._quotes)

    def _trait(self, number: int) -> Floats:
        return uniform(self.seed, np.asarray(_TRAITS + number, dtype=np.int64), self._ids)

    def _update_rules(self) -> tuple[Integers, Integers]:
        """Choose how often each coin is quoted: most each minute, some every few minutes, four every 38."""
        pick = self._trait(4)
        pick[:_PROMPT_COINS] = 1.0
        stalest = np.argsort(pick, kind="stable")[:4]
        period = np.where(pick < 0.2, 2 + np.floor(pick * 40), 1).astype(np.int64)
        period[stalest] = _STALE_PERIOD
        return period, np.floor(self._trait(5) * period).astype(np.int64)

    def usd(self, rows: Integers, seconds: Integers) -> Floats:
        """Return the USD prices of the coins at `rows` of the table at Unix seconds (broadcast together)."""
        scale = 1 / np.sqrt(YEAR_SECONDS)
        shared = walk(self.seed, np.asarray(_MARKET, dtype=np.int64), seconds) * (_MARKET_VOLATILITY * scale)
        own = walk(self.seed, _COIN + self._ids[rows], seconds) * (self._volatility[rows] * scale)
        prices: Floats = np.exp(self._log_start[rows] + self._beta[rows] * shared + own)
        return prices

    def quotes(self, at: dt.datetime) -> tuple[Quote, ...]:
        """Return what is quoted at a moment, best rank first."""
        return self._cached_quotes(epoch_seconds(at))

    def _updated(self, at: int) -> Integers:
        """Return the Unix second (a whole minute) of each coin's newest quote that is published at `at`."""
        newest = (at - self._delay) // 60
        every_minute = newest.copy()
        for _ in range(2):
            skipped = uniform(self.seed, np.asarray(_TRAITS + 6, dtype=np.int64), self._ids, every_minute) < 0.1
            every_minute = np.where(skipped & (every_minute % 3 != 0), every_minute - 1, every_minute)
        on_grid = (newest - self._phase) // self._period * self._period + self._phase
        return np.where(self._period == 1, every_minute, on_grid) * 60

    def _volumes(self, seconds: Integers) -> Floats:
        noise = walk(self.seed, (_VOLUME + self._ids)[:, np.newaxis], seconds)
        activity: Floats = np.exp(noise * (_VOLUME_VOLATILITY / np.sqrt(YEAR_SECONDS)))
        return activity

    def _quotes(self, at: int) -> tuple[Quote, ...]:
        updated = self._updated(at)
        periods = np.asarray([0, *CHANGE_PERIODS.values()], dtype=np.int64)
        rows = np.arange(len(self.coins))[:, np.newaxis]
        prices = self.usd(rows, updated[:, np.newaxis] - periods)
        changes = np.round(100 * (prices[:, :1] / prices[:, 1:] - 1), 8).tolist()
        caps = prices[:, 0] * self._supply
        activity = self._volumes(updated[:, np.newaxis] - periods[[0, 2]])
        volumes = caps * self._turnover * activity[:, 0]
        volume_changes = np.round(100 * (activity[:, 0] / activity[:, 1] - 1), 4).tolist()
        dominance = np.round(96 * caps / caps.sum(), 4).tolist()
        order = np.argsort(-caps, kind="stable").tolist()
        moments = [dt.datetime.fromtimestamp(second, dt.UTC) for second in updated.tolist()]
        price_list, cap_list, volume_list = prices[:, 0].tolist(), caps.tolist(), volumes.tolist()
        return tuple(
            Quote(
                coin=self.coins[row],
                rank=rank,
                updated=moments[row],
                price=price_list[row],
                market_cap=cap_list[row],
                dominance=dominance[row],
                volume_24h=volume_list[row],
                volume_change_24h=volume_changes[row],
                changes=dict(zip(CHANGE_PERIODS, changes[row], strict=True)),
            )
            for rank, row in enumerate(order, start=1)
        )
