"""Binance USD-M futures: the streams of the market route, old routes that push nothing, and next to no REST.

Source of the rules: the venue's public documents of 2026, and frames quoted as live. Streams have routes since 2026-03:
`/market` (orders that were forced, mark prices and more), `/public` (books) and `/private`. The routes without a name
are off since 2026-04: they connect and acknowledge, and push nothing of the market route. Of the public route's streams
none is simulated.
"""

import bisect
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from contracts.errors import SettingsError
from simulator.binance.frames import Frame, Payload, Push
from simulator.binance.limits import FUTURES_MESSAGES_PER_SECOND, Tally
from simulator.binance.liquidations_generated import GeneratedOrders
from simulator.binance.rest import NOT_FOUND, epoch_ms, error_answer
from simulator.binance.streams import Pushing
from simulator.binance.tape import UNIT, text
from simulator.market import Market
from simulator.recording import Pushed, Recorded
from simulator.wire import Answer, Request

VENUE = "binance_futures"
ALL_ORDERS = "!forceOrder@arr"
_HEARTBEATS_MS = {"markPrice": 3_000, "markPrice@1s": 1_000}
_FUNDING_MS = 8 * 3_600_000

MarkPrice = Callable[[str, int], str | None]
"""Return the mark price of a symbol at a moment, None where there is no such symbol."""


class Orders(Protocol):
    """The orders that are pushed, by when they are."""

    def between(self, begin_ms: int, end_ms: int) -> Iterator[tuple[int, Payload]]:
        """Give the frames that are pushed in (begin, end], in the order of that time, with the time."""


class RecordedOrders:
    """Orders as they were pushed and recorded."""

    def __init__(self, frames: Sequence[tuple[int, Payload]]) -> None:
        self._frames = sorted(frames, key=lambda frame: frame[0])

    def between(self, begin_ms: int, end_ms: int) -> Iterator[tuple[int, Payload]]:
        """Give the recorded frames of (begin, end]."""
        first = _after(self._frames, begin_ms)
        yield from self._frames[first : _after(self._frames, end_ms)]


def _after(frames: Sequence[tuple[int, Payload]], ms: int) -> int:
    return bisect.bisect_right(frames, ms, key=lambda frame: frame[0])


class BinanceFutures:
    """The venue: what it pushes, and its clock over REST."""

    def __init__(self, orders: Orders, mark_price: MarkPrice) -> None:
        self.tally = Tally()
        self._orders = orders
        self._mark_price = mark_price

    def pushing(self) -> Pushing:
        """Show the venue to its streams: a ping every 3 minutes, 10 to answer it."""
        return Pushing(
            venue=VENUE,
            tally=self.tally,
            routes={"": _nothing, "/public": _nothing, "/private": _nothing, "/market": self._pushes_of},
            ping_seconds=3 * 60,
            pong_seconds=10 * 60,
            messages_per_second=FUTURES_MESSAGES_PER_SECOND,
        )

    def _pushes_of(self, name: str, _: int) -> Push | None:
        if name == ALL_ORDERS:
            return lambda begin, end: self._forced(name, begin, end, None)
        symbol, _at, kind = name.partition("@")
        if symbol != symbol.lower() or self._mark_price(symbol.upper(), 0) is None:
            return None
        if kind == "forceOrder":
            return lambda begin, end: self._forced(name, begin, end, symbol.upper())
        if kind in _HEARTBEATS_MS:
            return lambda begin, end: self._marked(name, symbol.upper(), _HEARTBEATS_MS[kind], begin, end)
        return None

    def _forced(self, name: str, begin: int, end: int, symbol: str | None) -> Iterator[Frame]:
        for ms, payload in self._orders.between(begin, end):
            order = payload["o"]
            if symbol is None or (isinstance(order, dict) and order["s"] == symbol):
                yield Frame(ms, name, payload)

    def _marked(self, name: str, symbol: str, step: int, begin: int, end: int) -> Iterator[Frame]:
        for ms in range((begin // step + 1) * step, end + 1, step):
            price = self._mark_price(symbol, ms)
            rest = {"i": price, "P": price, "r": "0.00010000", "T": (ms // _FUNDING_MS + 1) * _FUNDING_MS}
            yield Frame(ms, name, {"e": "markPriceUpdate", "E": ms, "s": symbol, "p": price, **rest})

    def answer(self, request: Request, now: dt.datetime, content_at: dt.datetime) -> Answer:
        """Answer with the clock; liquidations are not told over REST (`allForceOrders` is gone)."""
        bodies: dict[str, object] = {"/fapi/v1/ping": {}, "/fapi/v1/time": {"serverTime": epoch_ms(now)}}
        if request.path not in bodies:
            return NOT_FOUND
        return Answer(msgspec.json.encode(bodies[request.path]))

    def error(self, status: int | None, code: int | None, now: dt.datetime) -> Answer:
        """Answer with the venue's error body."""
        return error_answer(status, code)

    def override(self, body: Any, row: str, fields: Mapping[str, Any]) -> bool:
        """Overwrite nothing: there are no rows."""
        return False

    def duplicate(self, body: Any, row: str) -> bool:
        """Repeat nothing: there are no rows."""
        return False


def _nothing(name: str, updates: int) -> Push | None:
    return None


def generated(market: Market, liquidations_a_minute: int) -> BinanceFutures:
    """Open the venue on a generated market: the symbols of its spot market."""
    symbols = {f"{base}USDT": row for row, base in GeneratedOrders.listed(market)}

    def mark_price(symbol: str, ms: int) -> str | None:
        if symbol not in symbols:
            return None
        row, second = np.asarray([symbols[symbol]], dtype=np.int64), np.asarray([ms // 1000], dtype=np.int64)
        return text(round(market.usd(row, second).item() * UNIT))

    return BinanceFutures(GeneratedOrders(market, liquidations_a_minute), mark_price)


def recorded(lines: Sequence[Recorded]) -> BinanceFutures:
    """Open the venue on recorded orders. A recording holds no mark prices: those pushed are 0, which is no fact.

    Raises:
        SettingsError: a frame is not of its stream's shape.
    """
    frames: list[tuple[int, Payload]] = []
    for line in (one for one in lines if isinstance(one, Pushed)):
        frame = msgspec.json.decode(line.frame)
        try:
            if frame["e"] == "forceOrder" and frame["o"]["s"]:
                frames.append((int(frame["E"]), frame))
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsError(f"recording: expected a frame of {line.stream}, found one without {error}") from error
    return BinanceFutures(RecordedOrders(frames), lambda symbol, ms: "0.00000000")
