"""What the name of an archive file says: `BTCUSDT-1m-2023-03.zip`, `XRPETH-aggTrades-2019-10-11.csv`."""

import re
from pathlib import Path

import msgspec

from contracts.errors import SettingsError
from contracts.settings import KLINE_INTERVALS

ENDINGS = (".csv.gz", ".csv", ".zip")
AGG_TRADES = "aggTrades"
"""The word that stands in the place of an interval where a file holds aggregate trades."""

QUOTES = (
    *("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USDS", "USD1", "DAI", "UST", "VAI", "PAX"),
    *("BTC", "ETH", "BNB", "XRP", "TRX", "DOGE", "DOT", "SOL"),
    *("EURI", "AEUR", "EUR", "TRY", "GBP", "BRL", "AUD", "JPY", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "ARS"),
    *("MXN", "CZK", "COP", "IDRT", "BIDR", "BKRW", "BVND", "GYEN"),
)
"""What Binance has quoted its spot pairs in. A symbol says base and quote with nothing between them."""

_NAME = re.compile(r"(?P<symbol>[A-Z0-9]{2,20})-(?P<what>\d{1,2}[mhd]|aggTrades)(?:-\d{4}-\d{2}(?:-\d{2})?)?")


class Contents(msgspec.Struct, frozen=True):
    """What the rows of a file are: klines of an interval, or aggregate trades where `interval` is null."""

    symbol: str
    base: str
    quote: str
    interval: str | None


class Overrides(msgspec.Struct, frozen=True):
    """What is said in place of the file's name; an interval says that the files hold klines."""

    symbol: str | None = None
    interval: str | None = None
    base: str | None = None
    quote: str | None = None


def is_archive(path: Path) -> bool:
    """Say whether a file may be an archive, by its ending."""
    return path.name.endswith(ENDINGS)


AS_NAMED = Overrides()


def contents_of(path: Path, said: Overrides = AS_NAMED) -> Contents:
    """Read a file's name; what is said in its place goes first.

    Raises:
        SettingsError: the name does not say it and nothing is said; the message names the option.

    >>> contents_of(Path("BTCUSDT-1m-2023-03.zip"))
    Contents(symbol='BTCUSDT', base='BTC', quote='USDT', interval='1m')
    >>> contents_of(Path("XRPETH-aggTrades-2019-10-11.csv")).interval
    """
    stem = next((path.name.removesuffix(ending) for ending in ENDINGS if path.name.endswith(ending)), None)
    if stem is None:
        raise SettingsError(f"{path.name}: expected a file that ends in {', '.join(ENDINGS)}")
    found = _NAME.fullmatch(stem)
    if found is None and not (said.symbol and said.interval):
        raise SettingsError(
            f"{path.name}: expected a name such as BTCUSDT-1m-2023-03.zip or XRPETH-aggTrades-2019-10-11.csv;"
            f" else give --symbol and --interval ({AGG_TRADES} for aggregate trades)"
        )
    symbol = said.symbol or (found["symbol"] if found else "")
    what = said.interval or (found["what"] if found else "")
    if what != AGG_TRADES and what not in KLINE_INTERVALS:
        raise SettingsError(
            f"{path.name}: expected {AGG_TRADES} or an interval of {', '.join(KLINE_INTERVALS)}, found {what}"
        )
    base, quote = _parts(symbol, said, path.name)
    return Contents(symbol, base, quote, None if what == AGG_TRADES else what)


def _parts(symbol: str, said: Overrides, name: str) -> tuple[str, str]:
    if said.base and said.quote:
        return said.base, said.quote
    if said.base and symbol.startswith(said.base) and symbol != said.base:
        return said.base, symbol.removeprefix(said.base)
    known = (said.quote,) if said.quote else sorted(QUOTES, key=len, reverse=True)
    for quote in known:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    raise SettingsError(f"{name}: expected a symbol that ends in a known quote asset, found {symbol}: give --quote")
