"""A small Binance that knows the truth: REST over a list of klines and of trades, and nothing of our code but HTTP."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.errors import CoinlakeError
from ingest.http import Answer
from tests.unit.ingest.fakes import NOON, FakeTime, answer, at

MINUTE_MS = 60_000


def ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def kline_row(open_ms: int, *, price: str = "1.50", length: int = MINUTE_MS) -> list[Any]:
    return [open_ms, price, "2.00", "1.00", price, "10.5", open_ms + length - 1, "15.75", 3, "4.5", "6.75", "0"]


def kline_push(
    minute: int, *, closed: bool = True, after: float = 60.0, symbol: str = "BTCUSDT", **fields: Any
) -> dict[str, Any]:
    """Build the frame of the kline that opens `minute` minutes after noon, pushed `after` seconds from there."""
    opened = ms(NOON) + minute * MINUTE_MS
    return {
        "e": "kline",
        "E": opened + round(after * 1000),
        "s": symbol,
        "k": {
            **{"t": opened, "T": opened + MINUTE_MS - 1, "s": symbol, "i": "1m", "f": 100, "L": 102},
            **{"o": "1.50", "c": "1.50", "h": "2.00", "l": "1.00", "v": "10.5", "n": 3, "x": closed},
            **{"q": "15.75", "V": "4.5", "Q": "6.75", "B": "0", **fields},
        },
    }


def trade(number: int, *, seconds: float | None = None, **fields: Any) -> dict[str, Any]:
    """Build aggregate trade `number`, as REST has it; a tenth of a second for each id unless told otherwise."""
    moment = ms(NOON) + round((number * 0.1 if seconds is None else seconds) * 1000)
    return {
        **{"a": number, "p": "1.5", "q": "2", "f": number * 2, "l": number * 2 + 1, "T": moment},
        **{"m": True, "M": True, **fields},
    }


def trade_push(number: int, *, symbol: str = "BTCUSDT", **fields: Any) -> dict[str, Any]:
    told = trade(number, **fields)
    return {"e": "aggTrade", "E": told["T"] + 1, "s": symbol, **told}


class FakeBinance:
    """An HttpClient in front of the truth; `failures` are played first."""

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.klines: dict[int, list[Any]] = {}
        self.trades: dict[int, dict[str, Any]] = {}
        self.failures: list[Answer | CoinlakeError] = []
        self.instead: dict[str, list[Answer]] = {}
        """Answers that are given first, by path."""
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.symbols = {"BTCUSDT": ("BTC", "USDT"), "ETHUSDT": ("ETH", "USDT")}
        self.all_symbols: Sequence[str] = ()
        self.skew = 0.0
        """Seconds that the venue's clock is ahead of ours."""

    def has_minutes(self, *minutes: int) -> None:
        for minute in minutes:
            opened = ms(NOON) + minute * MINUTE_MS
            self.klines[opened] = kline_row(opened)

    def has_trades(self, *numbers: int) -> None:
        self.trades.update({number: trade(number) for number in numbers})

    async def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        path = url.rpartition("/api/v3/")[2]
        self.requests.append((path, dict(params)))
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, CoinlakeError):
                raise failure
            return failure
        if self.instead.get(path):
            return self.instead[path].pop(0)
        limit = int(params.get("limit", "500"))
        rows: list[Any]
        if path == "klines":
            first, last = int(params.get("startTime", "0")), int(params.get("endTime", str(10**15)))
            rows = [row for opened, row in sorted(self.klines.items()) if first <= opened <= last]
            return self._says(rows[:limit] if "startTime" in params else rows[-limit:])
        if path == "aggTrades":
            from_id, since = int(params.get("fromId", "0")), int(params.get("startTime", "0"))
            rows = [row for number, row in sorted(self.trades.items()) if number >= from_id and row["T"] >= since]
            return self._says(rows[:limit] if "fromId" in params or "startTime" in params else rows[-limit:])
        if path == "exchangeInfo":
            asked = json.loads(params["symbols"]) if "symbols" in params else list(self.all_symbols)
            if not set(asked) <= set(self.symbols):
                return answer({"code": -1121, "msg": "Invalid symbol."}, status=400)
            return self._says({"symbols": [self._listing(symbol) for symbol in asked]})
        return self._says([{"symbol": symbol, "price": "1.50"} for symbol in json.loads(params["symbols"])])

    def _listing(self, symbol: str) -> dict[str, Any]:
        base, quote = self.symbols[symbol]
        return {"symbol": symbol, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "filters": []}

    def _says(self, body: Any) -> Answer:
        return answer(body, date=at(int(self.time.seconds + self.skew)))
