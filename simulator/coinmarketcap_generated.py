"""CoinMarketCap's listings and quotes of v1, v2 and v3, made from a generated market, and their parameters."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from simulator.coinmarketcap import KEY_QUERY
from simulator.coinmarketcap_errors import error_answer
from simulator.coinmarketcap_rows import V1, V3, CoinPage, Shape
from simulator.market import Market
from simulator.wire import Answer, Content, Request

_LISTINGS = {f"/{version}/cryptocurrency/listings/latest": shape for version, shape in (("v1", V1), ("v3", V3))}
_QUOTES = {f"/{version}/cryptocurrency/quotes/latest": version for version in ("v1", "v2", "v3")}


class _BadParameterError(ValueError):
    """A query parameter has a value the venue refuses with 400."""


def generated(market: Market) -> Content:
    """Show a generated market: a body is made once a minute and served until the next (the cache of 60 s)."""

    def content(request: Request, at: dt.datetime) -> Answer | None:
        page = CoinPage(market, at)
        query = {name: value for name, value in request.query.items() if name != KEY_QUERY}
        try:
            if request.path in _LISTINGS:
                return Answer(_listings(page, _LISTINGS[request.path], query))
            if request.path in _QUOTES:
                return Answer(_quotes(page, _QUOTES[request.path], query))
        except _BadParameterError as error:
            return error_answer(400, 400, str(error), at)
        return None

    return content


_SORTS = (
    "market_cap",
    "name",
    "symbol",
    "date_added",
    "price",
    "circulating_supply",
    "total_supply",
    "max_supply",
    "num_market_pairs",
    "volume_24h",
    "percent_change_1h",
    "percent_change_24h",
    "percent_change_7d",
)


def _listings(page: CoinPage, shape: Shape, query: Mapping[str, str]) -> bytes:
    _refuse_unknown(query, {"start", "limit", "convert", "sort", "sort_dir", "cryptocurrency_type", "tag", "aux"})
    start = _whole_number(query, "start", 1, 1_000_000)
    limit = _whole_number(query, "limit", 100, 5_000)
    sort = _one_of(query, "sort", _SORTS)
    descending = _one_of(query, "sort_dir", ("desc", "asc") if sort not in ("name", "symbol") else ("asc", "desc"))
    _one_of(query, "cryptocurrency_type", ("all",))
    _one_of(query, "tag", ("all",))
    currencies = _currencies(page, query)
    coins = page.sorted(sort, descending=descending == "desc")[start - 1 : start - 1 + limit]
    data = [page.coin(quote, currencies, shape) for quote in coins]
    credit_count = max(1, -(-len(data) // 200)) + len(currencies) - 1
    return page.body(data, credit_count, total_count=len(page.quotes))


def _quotes(page: CoinPage, version: str, query: Mapping[str, str]) -> bytes:
    _refuse_unknown(query, {"id", "symbol", "slug", "convert", "aux", "skip_invalid"})
    asked = [name for name in ("id", "slug", "symbol") if name in query]
    if len(asked) != 1:
        raise _BadParameterError('"value" must contain exactly one of [id, slug, symbol]')
    by = asked[0]
    currencies = _currencies(page, query)
    shape = V3 if version == "v3" else V1
    data: dict[str, Any] = {}
    for text in dict.fromkeys(query[by].split(",")):
        found = [
            quote for quote in page.quotes if _names(quote.coin.cmc_id, quote.coin.symbol, quote.coin.slug, by) == text
        ]
        if not found:
            raise _BadParameterError(f'Invalid value for "{by}": "{text}"')
        rows = [page.coin(quote, currencies, shape, of_quotes=True) for quote in found]
        key = str(found[0].coin.cmc_id) if by == "slug" else text
        data[key] = rows if version == "v2" and by == "symbol" else rows[0]
        if version == "v3":
            data[key] = rows
    credit_count = max(1, -(-len(data) // 100)) + len(currencies) - 1
    listed: Any = [coin for rows in data.values() for coin in rows] if version == "v3" else data
    return page.body(listed, credit_count)


def _names(cmc_id: int, symbol: str, slug: str, by: str) -> str:
    return {"id": str(cmc_id), "symbol": symbol, "slug": slug}[by]


def _currencies(page: CoinPage, query: Mapping[str, str]) -> tuple[str, ...]:
    currencies = tuple(dict.fromkeys(query.get("convert", "USD").split(",")))
    for currency in currencies:
        if not page.converts(currency):
            raise _BadParameterError(f'Invalid value for "convert": "{currency}"')
    return currencies


def _refuse_unknown(query: Mapping[str, str], known: set[str]) -> None:
    for name in query:
        if name not in known:
            raise _BadParameterError(f'"{name}" is not allowed')


def _whole_number(query: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise _BadParameterError(f'"{name}" must be a number')
    number = int(text)
    if number < 1:
        raise _BadParameterError(f'"{name}" must be larger than or equal to 1')
    if number > largest:
        raise _BadParameterError(f'"{name}" must be less than or equal to {largest}')
    return number


def _one_of(query: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    """Return the value of a parameter that must be one of some words; the first is the default."""
    value = query.get(name, known[0])
    if value not in known:
        raise _BadParameterError(f'"{name}" must be one of [{", ".join(known)}]')
    return value
