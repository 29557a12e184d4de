"""What the published Parquet says about one coin, read through DuckDB."""

import datetime as dt
from decimal import Decimal
from typing import TypeVar

import duckdb
import msgspec

from contracts.errors import NoDataError
from contracts.settings import LakeSettings
from contracts.tables import CANDLES, MARKET_CAP, MARKET_SNAPSHOTS
from serve.published import coins_of, matching, open_dataset

_MINUTES_OF_UNIT = {"m": 1, "h": 60, "d": 24 * 60}
_MINUTES_A_DAY = 24 * 60

_CANDLES = """
    SELECT * FROM candles WHERE interval = $interval
    QUALIFY row_number() OVER (PARTITION BY venue, quote ORDER BY open_time DESC) <= $last
    ORDER BY venue, quote, open_time
"""
_MARKET_CAPS = """
    SELECT * FROM (SELECT * FROM market_cap WHERE interval = $interval ORDER BY open_time DESC LIMIT $last)
    ORDER BY open_time
"""
_SNAPSHOTS = """
    SELECT * FROM market_snapshots
    QUALIFY row_number() OVER (PARTITION BY market ORDER BY event_time DESC) = 1
    ORDER BY market
"""
_RATES = """
    SELECT coin, market, event_time, price_tmn / price_usd AS by_coin_market_cap, implied_usdt_tmn, premium_binance
    FROM (
        SELECT * FROM market_snapshots
        QUALIFY row_number() OVER (PARTITION BY coin, market ORDER BY event_time DESC) = 1
    )
    WHERE market_quote = 'TMN' AND implied_usdt_tmn IS NOT NULL AND price_usd > 0
    ORDER BY coin, market
"""


class Candle(msgspec.Struct, frozen=True):
    """One row of the published `candles`, as far as it is shown."""

    venue: str
    quote: str
    open_time: dt.datetime
    close_time: dt.datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    average: Decimal | None
    samples: int
    expected: int
    complete: bool


class Snapshot(msgspec.Struct, frozen=True):
    """The newest row of one Wallex market in the published `market_snapshots`."""

    market: str
    market_quote: str
    event_time: dt.datetime
    price: Decimal
    base_tmn: Decimal | None
    price_tmn: Decimal | None
    premium: Decimal | None
    usdt_tmn: Decimal | None = None
    binance_price: Decimal | None = None
    premium_binance: Decimal | None = None
    implied_usdt_tmn: Decimal | None = None


class ImpliedRate(msgspec.Struct, frozen=True):
    """What one USDT is worth in toman by the newest prices of one coin that Wallex sells for toman.

    `by_coin_market_cap` takes the coin's USD price there, `implied_usdt_tmn` its USDT price on Binance.
    """

    coin: str
    market: str
    event_time: dt.datetime
    by_coin_market_cap: float
    implied_usdt_tmn: Decimal
    premium_binance: Decimal | None


class Total(msgspec.Struct, frozen=True):
    """One row of the published `market_cap`."""

    open_time: dt.datetime
    close_time: dt.datetime
    market_cap: Decimal | None
    coins: int
    oldest_age_seconds: int
    largest_coin: str
    dominance: Decimal | None


class CoinReport(msgspec.Struct, frozen=True):
    """A coin's newest candles per series, its newest snapshot per Wallex market, and the newest totals of all coins.

    All in time order; `snapshots` is empty for a coin that is on no Wallex market. `rates` are the newest implied toman
    rates of all coins, by coin.
    """

    coin: str
    interval: str
    candles: tuple[Candle, ...]
    snapshots: tuple[Snapshot, ...]
    totals: tuple[Total, ...]
    rates: tuple[ImpliedRate, ...] = ()

    def series(self) -> list[tuple[str, str]]:
        """List the series, (venue, quote), that have candles."""
        return sorted({(candle.venue, candle.quote) for candle in self.candles})

    def of(self, venue: str, quote: str) -> list[Candle]:
        """Return the candles of one series, in time order."""
        return [candle for candle in self.candles if (candle.venue, candle.quote) == (venue, quote)]


def read_report(lake: LakeSettings, coin: str, last: int, interval: str = "10m") -> CoinReport:
    """Read the last candles of every series of a coin, and what goes with them.

    Only the newest dates are opened, as many as `last` candles without a hole take, and one more.

    Raises:
        NoDataError: nothing is published, no coin has this name, or there is no candle of this interval.
        StoreError: the object store does not answer or refuses.
    """
    coin = matching(coin, coins_of(lake, CANDLES))
    dates = dates_of(last, interval)
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        connection.register("candles", open_dataset(lake, CANDLES, coin, dates))
        candles = _rows(connection, _CANDLES, Candle, interval=interval, last=last)
        if not candles:
            raise _no_interval(connection, coin, interval)
        connection.register("market_cap", open_dataset(lake, MARKET_CAP, newest_dates=dates))
        totals = _rows(connection, _MARKET_CAPS, Total, interval=interval, last=last)
        snapshots: tuple[Snapshot, ...] = ()
        rates: tuple[ImpliedRate, ...] = ()
        if _has_snapshots(lake, coin):
            connection.register("market_snapshots", open_dataset(lake, MARKET_SNAPSHOTS, coin, dates))
            snapshots = _rows(connection, _SNAPSHOTS, Snapshot)
            if any(snapshot.implied_usdt_tmn is not None for snapshot in snapshots):
                connection.register("market_snapshots", open_dataset(lake, MARKET_SNAPSHOTS, newest_dates=1))
                rates = _rows(connection, _RATES, ImpliedRate)
    return CoinReport(coin=coin, interval=interval, candles=candles, snapshots=snapshots, totals=totals, rates=rates)


def dates_of(last: int, interval: str) -> int:
    """Count the dates that so many candles of an interval take without a hole, and one more; 2 for a made-up interval.

    >>> [dates_of(12, "10m"), dates_of(145, "10m"), dates_of(100, "1h"), dates_of(30, "1d"), dates_of(3, "year")]
    [2, 3, 6, 32, 2]
    """
    number, minutes = interval[:-1], _MINUTES_OF_UNIT.get(interval[-1:], 0)
    if not minutes or not number.isdecimal():
        return 2
    return last * int(number) * minutes // _MINUTES_A_DAY + 2


def _has_snapshots(lake: LakeSettings, coin: str) -> bool:
    try:
        return coin in coins_of(lake, MARKET_SNAPSHOTS)
    except NoDataError:
        return False  # nothing has been joined yet: the candles of the venues stand alone


def _no_interval(connection: duckdb.DuckDBPyConnection, coin: str, interval: str) -> NoDataError:
    found = connection.execute("SELECT DISTINCT interval FROM candles ORDER BY ALL").fetchall()
    return NoDataError(f"expected {interval} candles of {coin}, found {', '.join(name for (name,) in found)}")


R = TypeVar("R", bound=msgspec.Struct)


def _rows(connection: duckdb.DuckDBPyConnection, query: str, kind: type[R], **values: object) -> tuple[R, ...]:
    """Run a query and turn its rows into records; decimals stay decimals, fields with a default may be missing."""
    rows = connection.sql(query, params=values).to_arrow_table().to_pylist()
    return tuple(msgspec.convert(row, kind) for row in rows)
