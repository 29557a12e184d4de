"""The REST side of `/api/v3`: what is asked for, at which weight, and the venue's own errors."""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from simulator.binance.halts import Halted, Halts
from simulator.binance.limits import WEIGHT_PER_MINUTE, Tally, Weights
from simulator.binance.tape import INTERVALS_MS, Bar, Tape, Trade, bars_of, last_price, roll_up, text
from simulator.clock import SimulatedClock, WallClock, wall_clock
from simulator.wire import Answer, Content, Request

MINUTE_SECONDS = 60
_DAY_MS = 86_400_000
_TOO_MUCH = (
    f"Too much request weight used; current limit is {WEIGHT_PER_MINUTE} request weight per 1 MINUTE. Please use"
    " WebSocket Streams for live updates to avoid polling the API."
)
_BANNED = (
    "Way too much request weight used; IP banned until {until}. Please use WebSocket Streams for live updates to avoid"
    " bans."
)
_MESSAGES = {
    -1000: (500, "An unknown error occurred while processing the request."),
    -1003: (429, _TOO_MUCH),
    -1008: (503, "Server is currently overloaded with other requests. Please try again in a few minutes."),
    -1121: (400, "Invalid symbol."),
    -1120: (400, "Invalid interval."),
}
NOT_FOUND = Answer(b"<html><body><h2>404 Not found</h2></body></html>", 404, "text/html")
_USUAL_CODE = {400: -1100, 418: -1003, 429: -1003, 500: -1000, 503: -1008}


class Refused(Exception):  # noqa: N818  (an answer, no fault of ours)
    """The venue refuses a request with one of its codes."""

    def __init__(self, code: int, message: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class Asked(NamedTuple):
    """A request, and the clock's time in ms."""

    query: Mapping[str, str]
    now_ms: int


def error_answer(status: int | None, code: int | None, message: str | None = None) -> Answer:
    """Answer with the venue's error body; a status or code of None is the usual one for the other."""
    code = _USUAL_CODE.get(status or 500, -1000) if code is None else code
    usual, words = _MESSAGES.get(code, (400, "Illegal characters found in a parameter."))
    return Answer(msgspec.json.encode({"code": code, "msg": message or words}), status or usual)


class Binance:
    """The venue in front of a tape; what was recorded of its REST answers goes before what the tape says."""

    def __init__(self, tape: Tape, halts: Halts | None = None, recorded: Content = lambda *_: None) -> None:
        self.halts = halts or Halts()
        self.tape: Tape = Halted(tape, self.halts.spans)
        self._recorded = recorded
        self._wall: WallClock = wall_clock
        self.tally = Tally()
        self._weights = Weights(self.tally)
        self._paths: dict[str, tuple[Callable[[Asked], int], Callable[[Asked], object]]] = {
            "/api/v3/ping": (lambda _: 1, lambda _: {}),
            "/api/v3/time": (lambda _: 1, lambda asked: {"serverTime": asked.now_ms}),
            "/api/v3/exchangeInfo": (lambda _: 20, self._exchange_info),
            "/api/v3/klines": (lambda _: 2, self._klines),
            "/api/v3/aggTrades": (lambda _: 4, self._agg_trades),
            "/api/v3/ticker/price": (lambda asked: 2 if "symbol" in asked.query else 4, self._prices),
            "/api/v3/ticker/24hr": (self._weight_of_day, self._days),
        }

    def run_by(self, clock: SimulatedClock) -> None:
        """Take part in a run: halts count from its start; weight is counted by minutes of life, as clients wait."""
        self.halts.started = lambda: clock.started_at
        self._wall = clock.wall

    def answer(self, request: Request, now: dt.datetime, content_at: dt.datetime) -> Answer:
        """Answer within the limits; the used weight stands in a header."""
        found = self._paths.get(request.path)
        if found is None:
            return NOT_FOUND
        weigh, show = found
        asked = Asked(request.query, epoch_ms(content_at))
        try:
            refusal = self._weights.admit(weigh(asked), self._wall())
            if refusal is not None:
                return self._limited(refusal, now)
            recorded = self._recorded(request, content_at)
            if recorded is not None:
                return self._said(recorded)
            body = show(asked)
        except Refused as refused:
            return self._said(self.error(None, refused.code, now, refused.message))
        return self._said(Answer(msgspec.json.encode(body)))

    def error(self, status: int | None, code: int | None, now: dt.datetime, message: str | None = None) -> Answer:
        """Answer with the venue's error body."""
        return error_answer(status, code, message)

    def override(self, body: Any, row: str, fields: Mapping[str, Any]) -> bool:
        """Overwrite fields of a symbol's row."""
        rows = [one for one in _rows(body) if isinstance(one, dict) and one.get("symbol") == row]
        for one in rows:
            one.update(fields)
        return bool(rows)

    def duplicate(self, body: Any, row: str) -> bool:
        """Repeat a symbol's row."""
        found = [one for one in _rows(body) if isinstance(one, dict) and one.get("symbol") == row]
        if isinstance(body, list):
            body += found
        return bool(found) and isinstance(body, list)

    def _limited(self, status: int, now: dt.datetime) -> Answer:
        """Refuse a request for its weight, with the seconds to wait."""
        wall, until = self._wall(), self._weights.banned_until
        banned = status == 418 and until is not None
        wait = (until - wall).total_seconds() if banned and until is not None else MINUTE_SECONDS - wall.second
        message = _BANNED.format(until=epoch_ms(now + dt.timedelta(seconds=wait))) if banned else _TOO_MUCH
        refused = self.error(status, -1003, now, message)
        return self._said(msgspec.structs.replace(refused, headers={"Retry-After": str(max(1, round(wait)))}))

    def _said(self, answer: Answer) -> Answer:
        used = str(self._weights.used(self._wall()))
        names = ("X-MBX-USED-WEIGHT-1M", "x-mbx-used-weight")
        kept = {name: value for name, value in answer.headers.items() if not name.lower().startswith("x-mbx-used")}
        return msgspec.structs.replace(answer, headers={**kept, **dict.fromkeys(names, used)})

    def _exchange_info(self, asked: Asked) -> object:
        wanted = self._wanted(asked) if {"symbol", "symbols"} & asked.query.keys() else list(self.tape.symbols)
        limits = [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": WEIGHT_PER_MINUTE},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
        ]
        return {
            "timezone": "UTC",
            "serverTime": asked.now_ms,
            "rateLimits": limits,
            "exchangeFilters": [],
            "symbols": [_listing(symbol, *self.tape.symbols[symbol]) for symbol in wanted],
        }

    def _klines(self, asked: Asked) -> object:
        symbol, interval = self._symbol(asked), _text(asked, "interval")
        if interval not in INTERVALS_MS:
            raise Refused(-1120)
        count, length, now = _limit(asked), INTERVALS_MS[interval], asked.now_ms
        begin, end = _number(asked, "startTime"), _number(asked, "endTime")
        last = now if end is None else min(end, now)
        bars: list[Bar] = []
        if begin is None:  # the newest; a halt may fill a whole window
            first = (last // length - count + 1) * length
            while last >= self.tape.begin_ms and len(bars) < count:
                bars = self.bars(symbol, interval, max(first, self.tape.begin_ms), last, now) + bars
                first, last = first - count * length, first - 1
            return [kline_row(bar) for bar in bars[-count:]]
        begin = max(begin, self.tape.begin_ms)
        while begin <= last and len(bars) < count:
            until = min(last, begin + count * length - 1)
            bars += self.bars(symbol, interval, begin, until, now)
            begin = until + 1
        return [kline_row(bar) for bar in bars[:count]]

    def bars(self, symbol: str, interval: str, begin_ms: int, last_ms: int, now_ms: int) -> list[Bar]:
        """Return the klines that open in [begin, last], the one that is still open as it stands now."""
        bars = list(self.tape.bars(symbol, interval, begin_ms, min(last_ms, now_ms) + 1))
        if bars and bars[-1].close_ms > now_ms:
            bars[-1:] = list(so_far(self.tape, symbol, bars[-1], now_ms))
        return bars

    def _agg_trades(self, asked: Asked) -> object:
        symbol, count = self._symbol(asked), _limit(asked)
        first, begin, end = (_number(asked, name) for name in ("fromId", "startTime", "endTime"))
        trades: Sequence[Trade]
        if first is not None:
            if begin is not None or end is not None:
                raise Refused(-1128, "Combination of optional parameters invalid.")
            trades = self.tape.trades_from(symbol, first, count)
        elif begin is None and end is None:
            trades = self.tape.trades(symbol, asked.now_ms - 3_600_000, asked.now_ms)[-count:]
        else:
            begin = (end or 0) - 3_600_000 if begin is None else begin
            trades = self.tape.trades(symbol, begin, begin + _DAY_MS if end is None else end + 1)[:count]
        return [trade_row(trade) for trade in trades if trade.ms < asked.now_ms]

    def _prices(self, asked: Asked) -> object:
        found = {symbol: last_price(self.tape, symbol, asked.now_ms) for symbol in self._wanted(asked)}
        rows = [{"symbol": symbol, "price": text(price)} for symbol, price in found.items() if price is not None]
        return rows[0] if "symbol" in asked.query and rows else rows

    def _weight_of_day(self, asked: Asked) -> int:
        if "symbol" in asked.query:
            return 2
        count = len(self._wanted(asked)) if "symbols" in asked.query else 1_000
        return 2 if count <= 20 else 40 if count <= 100 else 80

    def _days(self, asked: Asked) -> object:
        rows = [row for symbol in self._wanted(asked) if (row := self._day(symbol, asked.now_ms)) is not None]
        return rows[0] if "symbol" in asked.query and rows else rows

    def _day(self, symbol: str, now_ms: int) -> dict[str, object] | None:
        bars = self.bars(symbol, "1m", now_ms - _DAY_MS, now_ms, now_ms)
        day = next(roll_up(bars, 10 * _DAY_MS), None) if bars else None
        if day is None:
            return None
        change = day.close - day.open
        return {
            "symbol": symbol,
            "priceChange": ("-" if change < 0 else "") + text(abs(change)),
            "priceChangePercent": f"{100 * change / day.open:.3f}",
            "weightedAvgPrice": text(day.quote_volume * 10**8 // day.volume if day.volume else day.close),
            "prevClosePrice": text(day.open),
            "lastPrice": text(day.close),
            "lastQty": text(0),
            **{name: text(day.close) for name in ("bidPrice", "askPrice")},
            **{name: text(0) for name in ("bidQty", "askQty")},
            "openPrice": text(day.open),
            "highPrice": text(day.high),
            "lowPrice": text(day.low),
            "volume": text(day.volume),
            "quoteVolume": text(day.quote_volume),
            "openTime": now_ms - _DAY_MS,
            "closeTime": now_ms,
            "firstId": day.first_id,
            "lastId": day.last_id,
            "count": day.trades,
        }

    def _symbol(self, asked: Asked) -> str:
        symbol = _text(asked, "symbol")
        if not re.fullmatch(r"[A-Z0-9\-_.]{1,20}", symbol):
            raise Refused(
                -1100, "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'."
            )
        if symbol not in self.tape.symbols:
            raise Refused(-1121)
        return symbol

    def _wanted(self, asked: Asked) -> list[str]:
        if "symbol" in asked.query:
            return [self._symbol(asked)]
        if "symbols" not in asked.query:
            return list(self.tape.symbols)
        try:
            wanted = json.loads(asked.query["symbols"])
        except json.JSONDecodeError:
            wanted = None
        if not isinstance(wanted, list) or not wanted:
            raise Refused(-1100, "Illegal characters found in parameter 'symbols'; legal range is '[\"A\",\"B\"]'.")
        return [self._symbol(Asked({"symbol": str(symbol)}, asked.now_ms)) for symbol in wanted]


def _rows(body: Any) -> list[Any]:
    if isinstance(body, dict):
        found: list[Any] = body["symbols"] if isinstance(body.get("symbols"), list) else [body]
        return found
    return body if isinstance(body, list) else []


def so_far(tape: Tape, symbol: str, bar: Bar, now_ms: int) -> list[Bar]:
    """Return a kline as it stands at a moment before its close.

    Before its first trade it stands at the price before; of a recording that holds no trades, at its opening price.
    """
    trades = tape.trades(symbol, bar.open_ms, now_ms)
    if trades:
        parts = list(bars_of(trades, bar.close_ms - bar.open_ms))
        return parts[:1]
    before = last_price(tape, symbol, bar.open_ms) if bar.first_id >= 0 else None
    price = bar.open if before is None else before
    flat = {"open": price, "high": price, "low": price, "close": price, "volume": 0, "quote_volume": 0, "trades": 0}
    return [bar._replace(**flat, taker_volume=0, taker_quote_volume=0, first_id=-1, last_id=-1)]


def kline_row(bar: Bar) -> list[object]:
    """Write a kline as REST and the archives do."""
    return [
        bar.open_ms,
        *(text(value) for value in (bar.open, bar.high, bar.low, bar.close, bar.volume)),
        bar.close_ms - 1,
        text(bar.quote_volume),
        bar.trades,
        text(bar.taker_volume),
        text(bar.taker_quote_volume),
        "0",
    ]


def trade_row(trade: Trade) -> dict[str, object]:
    """Write an aggregate trade as REST does."""
    return {
        "a": trade.id,
        "p": text(trade.price),
        "q": text(trade.quantity),
        "f": trade.first_id,
        "l": trade.last_id,
        "T": trade.ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def _listing(symbol: str, base: str, quote: str) -> dict[str, object]:
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": text(1), "maxPrice": text(10**16), "tickSize": text(1)},
            {"filterType": "LOT_SIZE", "minQty": text(1), "maxQty": text(10**16), "stepSize": text(1)},
        ],
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
    }


def _text(asked: Asked, name: str) -> str:
    value = asked.query.get(name, "")
    if not value:
        raise Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def _number(asked: Asked, name: str) -> int | None:
    value = asked.query.get(name)
    if value is None:
        return None
    if not value.isdecimal():
        raise Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(value)


def _limit(asked: Asked) -> int:
    value = _number(asked, "limit")
    if value is None:
        return 500
    if value < 1:
        raise Refused(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(value, 1_000)


def epoch_ms(moment: dt.datetime) -> int:
    """Return milliseconds since 1970, rounded down."""
    return int(moment.timestamp() * 1000 // 1)
