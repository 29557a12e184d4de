"""Wallex's protocol: the envelope, `/v1/markets`, and error bodies.

Source of the shape: a real body of 2022-07 with 134 markets. Wallex has no official list of errors for market data:
the error bodies here are OUR OWN INVENTION in the venue's envelope.
"""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec

from simulator.market import Market, epoch_seconds
from simulator.toman import Exchange, Ticker
from simulator.wire import Answer, Content, Request

SUCCESS = "عملیات با موفقیت انجام شد"
MISSING = "-"
_PERSIAN = {"TMN": "تومان", "USDT": "تتر", "BTC": "بیت کوین"}
_SMALLEST_ORDER = {"TMN": 100_000, "USDT": 10, "BTC": 0.0001}
_INVENTED_ERRORS = {
    404: "مورد درخواستی یافت نشد",
    418: "دسترسی شما موقتا مسدود شد",
    429: "تعداد درخواست ها بیش از حد مجاز است",  # noqa: RUF001
    500: "خطای داخلی سرور",
}


class Wallex:
    """The venue in front of its content: no key, no documented limit."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def answer(self, request: Request, now: dt.datetime, content_at: dt.datetime) -> Answer:
        """Answer at once: the venue asks for no key here."""
        return self._content(request, content_at) or self.error(HTTPStatus.NOT_FOUND, None, now)

    def error(self, status: int | None, code: int | None, now: dt.datetime) -> Answer:
        """Answer with an error body of our own invention, in the venue's envelope."""
        status = 500 if status is None else status
        message = _INVENTED_ERRORS.get(status, _INVENTED_ERRORS[500])
        body = {"success": False, "message": message, "code": status if code is None else code, "result": None}
        return Answer(msgspec.json.encode(body), status=status)

    def override(self, body: Any, row: str, fields: Mapping[str, Any]) -> bool:
        """Overwrite fields of a market or of its `stats`."""
        market = _markets(body).get(row)
        if market is None:
            return False
        for name, value in fields.items():
            place = market if name in market else market["stats"]
            place[name] = value
        return True

    def duplicate(self, body: Any, row: str) -> bool:
        """Repeat a market under a second key of the map, with the same `symbol` inside."""
        markets = _markets(body)
        if row not in markets:
            return False
        markets[f"{row}_2"] = markets[row]
        return True


def _markets(body: Any) -> dict[str, Any]:
    """Find the map of markets in a decoded body; an error body has none."""
    result = body.get("result") if isinstance(body, dict) else None
    found: dict[str, Any] = result.get("symbols", {}) if isinstance(result, dict) else {}
    return found


def shift_body(body: bytes, by: dt.timedelta) -> bytes:
    """Return a body as it is: the venue puts no time of the market into it."""
    return body


def generated(market: Market) -> Content:
    """Show a generated market."""
    exchange = Exchange(market)

    @lru_cache(maxsize=4)
    def markets(second: int) -> bytes:
        tickers = exchange.tickers(dt.datetime.fromtimestamp(second, dt.UTC))
        symbols = {ticker.market.symbol: _market(ticker) for ticker in tickers}
        return msgspec.json.encode({"success": True, "message": SUCCESS, "result": {"symbols": symbols}})

    def content(request: Request, at: dt.datetime) -> Answer | None:
        return Answer(markets(epoch_seconds(at))) if request.path == "/v1/markets" else None

    return content


def _market(ticker: Ticker) -> dict[str, Any]:
    market = ticker.market
    last = _decimal(ticker.last, market.tick)
    return {
        "symbol": market.symbol,
        "baseAsset": market.base,
        "baseAssetPrecision": market.step,
        "quoteAsset": market.quote,
        "quotePrecision": market.tick,
        "faName": f"{market.listing.persian} - {_PERSIAN[market.quote]}",
        "faBaseAsset": market.listing.persian,
        "faQuoteAsset": _PERSIAN[market.quote],
        "stepSize": market.step,
        "tickSize": market.tick,
        "minQty": 10**-market.step if market.step else 1,
        "minNotional": _SMALLEST_ORDER[market.quote],
        "stats": {
            "bidPrice": _decimal(ticker.bid, market.tick),
            "askPrice": _decimal(ticker.ask, market.tick),
            "24h_ch": ticker.day_change,
            "7d_ch": MISSING if ticker.week_change is None else ticker.week_change,
            "24h_volume": _decimal(ticker.day_volume, market.step),
            "7d_volume": _decimal(ticker.week_volume, market.step),
            "24h_quoteVolume": _decimal(ticker.day_quote_volume, market.tick + market.step),
            "24h_highPrice": _decimal(ticker.day_high, market.tick),
            "24h_lowPrice": _decimal(ticker.day_low, market.tick),
            "lastPrice": last,
            # The real feed repeats the last price here: a fault of the venue that clients must not lean on.
            "lastQty": last,
            "lastTradeSide": MISSING if ticker.last is None else "SELL" if ticker.sold else "BUY",
            "bidVolume": _decimal(ticker.bid_volume, market.step),
            "askVolume": _decimal(ticker.ask_volume, market.step),
            "bidCount": ticker.bid_count,
            "askCount": MISSING if ticker.ask is None else ticker.ask_count,
        },
        "createdAt": f"{market.listing.listed}T00:00:00.000000Z",
        "isNew": False,
        "isFeeless": False,
    }


def _decimal(value: float | None, digits: int) -> str:
    """Write a number rounded to `digits` with 16 decimals, as the venue's Java does: below 1e-6 with an exponent.

    >>> _decimal(31510.2, 0), _decimal(0.0000005, 8), _decimal(None, 0)
    ('31510.0000000000000000', '5.000000000E-7', '-')
    """
    if value is None:
        return MISSING
    number = Decimal(f"{value:.{digits}f}")
    return str(number.quantize(Decimal("1e-16"))) if number else "0"
