"""CoinMarketCap's rows: a coin of the generated market in the shapes of v1 (quote by currency) and v3 (quote array)."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec

from simulator.market import Market, Quote
from simulator.wire import venue_time

_CACHE_SECONDS = 60
_CACHE_OFFSET = dt.timedelta(seconds=7, milliseconds=314)
"""When in a minute a new body is made. Fixed, so that what is served does not depend on who polled before."""

_USD_ID = 2781
_PLATFORMS: dict[str, dict[str, Any]] = {
    "ethereum": {"id": 1027, "name": "Ethereum", "symbol": "ETH", "slug": "ethereum"},
    "bnb": {"id": 1839, "name": "BNB Smart Chain (BEP20)", "symbol": "BNB", "slug": "bnb"},
    "solana": {"id": 5426, "name": "Solana", "symbol": "SOL", "slug": "solana"},
}

Shape = Callable[[dict[str, dict[str, Any]], "CoinPage"], Any]


def V1(quotes: dict[str, dict[str, Any]], page: "CoinPage") -> Any:  # noqa: N802
    """Shape the quotes of v1 and v2: an object keyed by currency."""
    return quotes


def V3(quotes: dict[str, dict[str, Any]], page: "CoinPage") -> Any:  # noqa: N802
    """Shape the quotes of v3: an array; each names its currency and carries `minted_market_cap` (since late 2025)."""
    return [
        {
            "id": page.currency_id(currency),
            "symbol": currency,
            **quote,
            "minted_market_cap": quote["fully_diluted_market_cap"],
        }
        for currency, quote in quotes.items()
    ]


class CoinPage:
    """One moment of the generated market, cut to the venue's cache, ready to be written as rows."""

    def __init__(self, market: Market, at: dt.datetime) -> None:
        self.made = _made(at)
        self.quotes = market.quotes(self.made)
        self._by_symbol = {quote.coin.symbol: quote for quote in reversed(self.quotes)}

    def converts(self, currency: str) -> bool:
        """Say whether prices can be given in a currency: USD, or any coin of the market."""
        return currency == "USD" or currency in self._by_symbol

    def currency_id(self, currency: str) -> int:
        """Return the venue's id of a currency."""
        return _USD_ID if currency == "USD" else self._by_symbol[currency].coin.cmc_id

    def sorted(self, sort: str, *, descending: bool) -> list[Quote]:
        """Return the quotes in the order of one of the venue's sort keys (rows without a value last)."""

        def value(quote: Quote) -> Any:
            row = self.coin(quote, ("USD",), V1)
            return row.get(sort, row["quote"]["USD"].get(sort))

        if sort == "market_cap":
            return list(self.quotes) if descending else list(reversed(self.quotes))
        present = [quote for quote in self.quotes if value(quote) is not None]
        absent = [quote for quote in self.quotes if value(quote) is None]
        return sorted(present, key=value, reverse=descending) + absent

    def coin(
        self, quote: Quote, currencies: tuple[str, ...], shape: Shape, *, of_quotes: bool = False
    ) -> dict[str, Any]:
        """Write one coin as listings carry it; quotes/latest has two fields more."""
        coin = quote.coin
        total = _total_supply(quote)
        reported = coin.circulating * 1.25 if coin.cmc_id % 3 == 0 else None
        return {
            "id": coin.cmc_id,
            "name": coin.name,
            "symbol": coin.symbol,
            "slug": coin.slug,
            "num_market_pairs": 20 + 10_000 // quote.rank,
            "date_added": f"{coin.added}-07-01T00:00:00.000Z",
            "tags": ["mineable"] if coin.platform is None else [f"{coin.platform}-ecosystem"],
            "max_supply": coin.max_supply,
            "circulating_supply": coin.supply,
            "total_supply": total,
            "platform": _platform(coin.cmc_id, coin.platform),
            **({"is_active": 1} if of_quotes else {}),
            "infinite_supply": coin.max_supply is None,
            "cmc_rank": quote.rank,
            **({"is_fiat": 0} if of_quotes else {}),
            "self_reported_circulating_supply": reported,
            "self_reported_market_cap": None if reported is None else reported * quote.price,
            "tvl_ratio": None,
            "last_updated": venue_time(quote.updated),
            "quote": shape({currency: self._quote(quote, currency) for currency in currencies}, self),
        }

    def body(self, data: Any, credit_count: int, total_count: int | None = None) -> bytes:
        """Write a whole body; its timestamp is that of the cache, so it repeats while the body does."""
        status = {
            "timestamp": venue_time(self.made),
            "error_code": 0,
            "error_message": None,
            "elapsed": 12 + int(self.made.timestamp()) // _CACHE_SECONDS % 25,
            "credit_count": credit_count,
            "notice": None,
        }
        if total_count is not None:
            status["total_count"] = total_count
        return msgspec.json.encode({"status": status, "data": data})

    def _quote(self, quote: Quote, currency: str) -> dict[str, Any]:
        worth = 1.0 if currency == "USD" else self._by_symbol[currency].price
        diluted = quote.price * (quote.coin.max_supply or _total_supply(quote))
        return {
            "price": quote.price / worth,
            "volume_24h": quote.volume_24h / worth,
            "volume_change_24h": quote.volume_change_24h,
            **{f"percent_change_{period}": change for period, change in quote.changes.items()},
            "market_cap": quote.market_cap / worth,
            "market_cap_dominance": quote.dominance,
            "fully_diluted_market_cap": round(diluted / worth, 2),
            "tvl": None,
            "last_updated": venue_time(quote.updated),
        }


def _made(at: dt.datetime) -> dt.datetime:
    """Return when the body that the cache holds at a moment was made."""
    second = int((at - _CACHE_OFFSET).timestamp() // _CACHE_SECONDS * _CACHE_SECONDS)
    return dt.datetime.fromtimestamp(second, dt.UTC) + _CACHE_OFFSET


def _total_supply(quote: Quote) -> int:
    return min(quote.coin.circulating * 21 // 20, quote.coin.max_supply or quote.coin.circulating * 21 // 20)


def _platform(cmc_id: int, slug: str | None) -> dict[str, Any] | None:
    return None if slug is None else {**_PLATFORMS[slug], "token_address": f"0x{cmc_id * 0x9E3779B97F4A7C15:040x}"[:42]}
