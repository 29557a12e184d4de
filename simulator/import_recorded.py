"""Turns published snapshots of real venue data into recordings.

Read: a folder with `coinmarketcap/timeseries_2022-06-13.csv.gz` (listings polled about once a minute and flattened),
whole CoinMarketCap bodies of March 2024, and `wallex/markets_2022-07-24.json`, the one whole Wallex body.
Written: `2022-06-13/` and `2024-03/`. Number texts stay as they are. The times of answers are ours: the CSV's
`timestamp` is overwritten in some rows and not to be trusted, and Wallex bodies carry none.
"""

import ast
import csv
import datetime as dt
import gzip
import re
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec

from contracts.errors import NoDataError, SettingsError
from simulator.recording import Exchange, RecordedRequest, RecordedResponse, raw_body, write_recording
from simulator.wire import JSON, venue_time

SERIES = Path("coinmarketcap/timeseries_2022-06-13.csv.gz")
LISTINGS = (
    Path("coinmarketcap/listings_latest_2024-03-17T103434.793Z.json"),
    Path("coinmarketcap/listings_latest_2024-03-19T220629.658Z.json"),
)
HERO = Path("coinmarketcap/quotes_latest_symbol_HERO.json")
MARKETS = Path("wallex/markets_2022-07-24.json")

_ANSWERED_AFTER = dt.timedelta(seconds=50)
"""From a body's newest `last_updated` to its answer: the recorder's trustworthy rows show 51 to 68 seconds."""
_TICKER_EVERY = dt.timedelta(seconds=60)
_TOLERANCE = dt.timedelta(seconds=30)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_QUOTE = "quote.USD."
_PLATFORM = "platform."
_TEXTS = frozenset({"name", "symbol", "slug", "date_added", "last_updated", "token_address"})
_NOT_OF_THE_VENUE = frozenset({"", "timestamp", "platform"})

_LISTING_REQUEST = RecordedRequest("GET", "/v1/cryptocurrency/listings/latest", {"limit": "15", "convert": "USD"})
_FULL_LISTING_REQUEST = RecordedRequest("GET", "/v1/cryptocurrency/listings/latest", {"limit": "100", "convert": "USD"})
_HERO_REQUEST = RecordedRequest("GET", "/v1/cryptocurrency/quotes/latest", {"symbol": "HERO"})
_MARKETS_REQUEST = RecordedRequest("GET", "/v1/markets")


class ImportedFolder(msgspec.Struct, frozen=True, kw_only=True):
    """One recording made; `matches` are distinct (coin, last_updated, market) within 30 s of a Wallex answer."""

    folder: Path
    coinmarketcap_answers: int
    wallex_answers: int
    matches: int


class ImportSummary(msgspec.Struct, frozen=True):
    """All recordings made."""

    folders: tuple[ImportedFolder, ...]


def import_recorded(data: Path, out: Path) -> ImportSummary:
    """Write the recordings below `out`, replacing those that are there.

    Raises:
        NoDataError: a file of the snapshots is missing.
        SettingsError: a file is not what it should be.
    """
    for name in (SERIES, *LISTINGS, HERO, MARKETS):
        if not (data / name).is_file():
            raise NoDataError(f"import: expected {name} in {data}, found none")
    markets = (data / MARKETS).read_bytes()
    series = list(_series(data / SERIES))
    whole = sorted((_whole(data / name, _FULL_LISTING_REQUEST) for name in LISTINGS), key=lambda one: one.at)
    hero = _whole(data / HERO, _HERO_REQUEST)
    return ImportSummary(
        (
            _write(out / "2022-06-13", series, list(_tickers(markets, series[0].at, series[-1].at))),
            _write(
                out / "2024-03",
                sorted((*whole, hero), key=lambda one: one.at),
                list(_tickers(markets, whole[0].at, whole[0].at)),
            ),
        )
    )


def _write(folder: Path, quotes: list[Exchange], tickers: list[Exchange]) -> ImportedFolder:
    folder.mkdir(parents=True, exist_ok=True)
    return ImportedFolder(
        folder=folder,
        coinmarketcap_answers=write_recording(folder / "coinmarketcap.jsonl.gz", quotes),
        wallex_answers=write_recording(folder / "wallex.jsonl.gz", tickers),
        matches=_matches(quotes, tickers),
    )


def _series(path: Path) -> Iterator[Exchange]:
    """Yield one listing for each distinct poll of the flattened series, in order of its newest `last_updated`."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    bodies: dict[tuple[tuple[str, ...], ...], list[dict[str, str]]] = {}
    for poll in _polls(rows):
        content = tuple(tuple(text for name, text in row.items() if name not in _NOT_OF_THE_VENUE) for row in poll)
        bodies.setdefault(content, poll)
    if not bodies:
        raise SettingsError(f"{path}: expected rows of polls, found none")
    ordered = sorted(bodies.values(), key=lambda poll: sorted((row["last_updated"] for row in poll), reverse=True))
    for poll in ordered:
        at = dt.datetime.fromisoformat(max(row["last_updated"] for row in poll)) + _ANSWERED_AFTER
        status = {
            "timestamp": venue_time(at),
            "error_code": 0,
            "error_message": None,
            "elapsed": 0,
            "credit_count": 1,
            "notice": None,
        }
        try:
            body = msgspec.json.encode({"status": status, "data": [_coin(row) for row in poll]})
        except (ValueError, SyntaxError, KeyError) as error:
            raise SettingsError(f"{path}: expected flattened listings, found: {error}") from error
        yield _exchange(at, _LISTING_REQUEST, body)


def _polls(rows: list[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """Cut the file into polls: the first, unnamed column counts the rows of each from 0."""
    poll: list[dict[str, str]] = []
    for row in rows:
        if row.get("") == "0" and poll:
            yield poll
            poll = []
        poll.append(row)
    if poll:
        yield poll


def _coin(row: dict[str, str]) -> dict[str, Any]:
    """Undo the flattening of one coin; whole numbers that pandas wrote as 21000000.0 stay so."""
    coin: dict[str, Any] = {}
    quote: dict[str, Any] = {}
    platform: dict[str, Any] = {}
    for name, text in row.items():
        if name in _NOT_OF_THE_VENUE:
            continue
        if name.startswith(_QUOTE):
            quote[name.removeprefix(_QUOTE)] = _value(name.removeprefix(_QUOTE), text)
        elif name.startswith(_PLATFORM):
            platform[name.removeprefix(_PLATFORM)] = _value(name.removeprefix(_PLATFORM), text)
        elif name == "tags":
            coin["tags"] = ast.literal_eval(text)
        else:
            coin[name] = _value(name, text)
    if platform["id"] is not None:
        # A coin's platform id is a whole number that pandas turned into a float beside missing ones.
        platform["id"] = int(float(row["platform.id"]))
    coin["platform"] = platform if platform["id"] is not None else None
    coin["quote"] = {"USD": quote}
    return coin


def _value(name: str, text: str) -> Any:
    if text == "":
        return None
    if name in _TEXTS or not _NUMBER.fullmatch(text):
        return text
    return msgspec.Raw(text.encode())


class _Status(msgspec.Struct):
    timestamp: dt.datetime


class _Body(msgspec.Struct):
    status: _Status


def _whole(path: Path, request: RecordedRequest) -> Exchange:
    """Read a whole body, answered at its own `status.timestamp`."""
    text = path.read_bytes()
    try:
        at = msgspec.json.decode(text, type=_Body).status.timestamp
    except msgspec.MsgspecError as error:
        raise SettingsError(f"{path}: expected a whole CoinMarketCap body, found: {error}") from error
    return _exchange(at, request, text)


def _tickers(body: bytes, first: dt.datetime, last: dt.datetime) -> Iterator[Exchange]:
    """Repeat the one Wallex body every 60 seconds from the first answer to the last."""
    at = first
    while at <= last:
        yield _exchange(at, _MARKETS_REQUEST, body)
        at += _TICKER_EVERY


def _exchange(at: dt.datetime, request: RecordedRequest, body: bytes) -> Exchange:
    headers = {"Content-Type": JSON, "Date": format_datetime(at, usegmt=True)}
    return Exchange(at, request, RecordedResponse(200, headers, raw_body(body)))


class _Coin(msgspec.Struct):
    symbol: str
    last_updated: dt.datetime


class _Listing(msgspec.Struct):
    data: list[_Coin] | dict[str, _Coin]


class _Market(msgspec.Struct):
    base: str = msgspec.field(name="baseAsset")


class _Symbols(msgspec.Struct):
    symbols: dict[str, _Market]


class _Markets(msgspec.Struct):
    result: _Symbols


def _matches(quotes: list[Exchange], tickers: list[Exchange]) -> int:
    """Count the distinct (coin, last_updated, market) that have a Wallex answer within 30 seconds."""
    symbols = msgspec.json.decode(tickers[0].response.body, type=_Markets).result.symbols
    times = [ticker.at for ticker in tickers]
    seen: set[tuple[str, dt.datetime]] = set()
    for quote in quotes:
        data = msgspec.json.decode(quote.response.body, type=_Listing).data
        seen |= {(coin.symbol, coin.last_updated) for coin in (data.values() if isinstance(data, dict) else data)}
    near = [coin for coin, updated in seen if any(abs(at - updated) <= _TOLERANCE for at in times)]
    return sum(coin == market.base for coin in near for market in symbols.values())
