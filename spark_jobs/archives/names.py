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
    """Read a file's name, or what is said of it where its name says nothing.

    Raises:
        SettingsError: neither says it, or what is said contradicts the name; the message names the option.

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
    symbol, what = said.symbol or "", said.interval or ""
    if found is not None:
        for option, value, name in (("symbol", symbol, found["symbol"]), ("interval", what, found["what"])):
            if value not in ("", name):
                raise SettingsError(f"{path.name}: expected --{option} {name} as its name says, found {value}")
        symbol, what = found["symbol"], found["what"]
    if what != AGG_TRADES and what not in KLINE_INTERVALS:
        raise SettingsError(
            f"{path.name}: expected {AGG_TRADES} or an interval of {', '.join(KLINE_INTERVALS)}, found {what}"
        )
    base, quote = _parts(symbol, said, path.name)
    return Contents(symbol, base, quote, None if what == AGG_TRADES else what)


def _parts(symbol: str, said: Overrides, name: str) -> tuple[str, str]:
    """Cut a symbol in two. What is said must be what it is made of."""
    if said.base or said.quote:
        base = said.base or symbol.removesuffix(said.quote or "")
        quote = said.quote or symbol.removeprefix(said.base or "")
        if not base or not quote or base + quote != symbol:
            raise SettingsError(f"{name}: expected --base and --quote to make {symbol}, found {base} and {quote}")
        return base, quote
    fitting = [quote for quote in QUOTES if symbol.endswith(quote) and symbol != quote]
    if len(fitting) > 1:
        raise SettingsError(f"{name}: {symbol} ends in {' and in '.join(fitting)}: say which with --quote")
    if not fitting:
        raise SettingsError(f"{name}: expected a symbol that ends in a known quote asset, found {symbol}: give --quote")
    return symbol.removesuffix(fitting[0]), fitting[0]
