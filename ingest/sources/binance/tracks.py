"""One pushed stream of one symbol: what came of it, what is emitted, and how REST tells of the rest."""

import datetime as dt
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from contracts.records import AggTrade, Gap, Kline, Record, Rejected
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_KLINE_DATA, Stream
from ingest.reject import reject
from ingest.sources.binance import VENUE
from ingest.sources.binance.continuity import Continuity, Hole
from ingest.sources.binance.intervals import number_of, open_at_or_after, open_of
from ingest.sources.binance.parse import (
    Listing,
    Receipt,
    parse_agg_trade_push,
    parse_agg_trade_row,
    parse_kline_push,
    parse_kline_row,
)
from ingest.sources.binance.rest import BinanceRest

_ANY_AGE = dt.timedelta(days=36500)
"""For a kline that is still open, whose close time is ahead of its receipt."""

_MOST_AT_ONCE = 100
"""Trades of one millisecond."""


@dataclass(frozen=True)
class Judged:
    """What a payload came to: a record to emit, or none and whether that is because it is older than another."""

    record: Record | None
    stale: bool = False


@dataclass(frozen=True)
class Refill:
    """Rows of a hole that REST has, and the number from which on to ask next.

    `beyond` says that REST knows what comes after the hole as well.
    """

    rows: list[Record]
    next_number: int
    beyond: bool


class Track(Protocol):
    """One stream of one symbol."""

    name: str
    symbol: str
    continuity: Continuity

    def resume(self, records: Iterable[Record], now: float, cause: str) -> None:
        """Take up from the newest records of the topic."""

    def pushed(self, data: object, receipt: Receipt, now: float, cause: str) -> Judged:
        """Judge a pushed payload."""

    def refilled(self, record: Record, now: float) -> bool:
        """Take a record of REST and say whether it is new."""

    def refill(self, rest: BinanceRest, hole: Hole, now: "Now") -> AsyncIterator[Refill]:
        """Ask REST for a hole, page by page."""

    async def probe(self, rest: BinanceRest) -> tuple[int, dt.datetime] | None:
        """Ask REST how far the sequence goes: every number before the one returned exists; None where it is empty."""

    async def number_at(self, rest: BinanceRest, moment: dt.datetime, hole: Hole) -> tuple[int, dt.datetime]:
        """Return the first number of a hole that is not before a moment, and the moment of that number."""

    async def hole_of(self, rest: BinanceRest, gap: Gap, now: float) -> Hole | None:
        """Return the hole that a Gap tells of, or a little more than it; None where there is no number in its time."""


class Now(Protocol):
    """Says when something is received."""

    def __call__(self) -> Receipt:
        """Return the receipt of this moment."""


class KlineTrack:
    """The klines of one symbol and interval. A closed kline is final: nothing of it is emitted after it."""

    def __init__(self, symbol: str, interval: str, listings: Mapping[str, Listing]) -> None:
        self.name = f"{symbol.lower()}@kline_{interval}"
        self.symbol = symbol
        self.interval = interval
        self.continuity = Continuity()
        self._listings = listings
        self._updates: dict[int, dt.datetime] = {}

    def resume(self, records: Iterable[Record], now: float, cause: str) -> None:
        """Take up from the newest records of the topic: closed klines, and the open one that tells where we were."""
        mine = [r for r in records if isinstance(r, Kline) and (r.symbol, r.interval) == (self.symbol, self.interval)]
        numbered = [(number_of(kline.open_time, self.interval), kline) for kline in mine]
        self.continuity.resume(
            {(number, kline.open_time, kline.close_time) for number, kline in numbered if kline.closed}, now, cause
        )
        for number, kline in sorted(numbered, key=lambda pair: pair[0]):
            if not kline.closed:
                self.continuity.expect(number, kline.open_time, now, cause)
                self._updates[number] = max(kline.event_time, self._updates.get(number, kline.event_time))
        self._forget_updates()

    def pushed(self, data: object, receipt: Receipt, now: float, cause: str) -> Judged:
        """Judge a pushed kline: an update that is older than another of its kline is stale, an equal one a repeat."""
        kline = parse_kline_push(data, self._listings, receipt)
        if isinstance(kline, Rejected):
            return Judged(kline)
        if (kline.symbol, kline.interval) != (self.symbol, self.interval):
            return Judged(_of_another(CRYPTO_KLINE_DATA, self.name, data, receipt))
        number = number_of(kline.open_time, self.interval)
        if kline.closed:
            return Judged(kline if self._take(kline, number, now, cause) else None)
        self.continuity.expect(number, kline.open_time, now, cause)
        newest = self._updates.get(number)
        if self.continuity.has(number) or (newest is not None and kline.event_time < newest):
            return Judged(None, stale=True)
        if kline.event_time == newest:
            return Judged(None)
        self._updates[number] = kline.event_time
        self._forget_updates()
        return Judged(kline)

    def refilled(self, record: Record, now: float) -> bool:
        """Take a closed kline of REST and say whether it is new."""
        assert isinstance(record, Kline)
        return self._take(record, number_of(record.open_time, self.interval), now, "")

    async def refill(self, rest: BinanceRest, hole: Hole, now: Now) -> AsyncIterator[Refill]:
        """Ask for the klines of a hole and the one after it, which shows that the others would be there.

        A kline is taken when a later one stands behind it in the same answer: what an answer holds may be older than
        its `Date` (a cache, a replica that lags), and its last kline then half made.
        """
        number = hole.first
        while number <= hole.last:
            start, end = open_of(number, self.interval), open_of(hole.last + 2, self.interval)
            page = await rest.patiently(lambda a=start, b=end: rest.klines(self.symbol, self.interval, a, b))  # type: ignore[misc]
            receipt = Receipt(now().ingest_time, _ANY_AGE)
            rows = [parse_kline_row(row, self._listings[self.symbol], self.interval, receipt) for row in page.rows]
            numbers = [number_of(row.open_time, self.interval) for row in rows if isinstance(row, Kline)]
            newest = max(numbers, default=number)
            wanted = [
                row
                for row in rows
                if isinstance(row, Rejected) or number_of(row.open_time, self.interval) < min(newest, hole.last + 1)
            ]
            yield Refill([*wanted], newest, beyond=newest > hole.last)
            if newest <= number:
                return
            number = newest

    async def probe(self, rest: BinanceRest) -> tuple[int, dt.datetime] | None:
        """Ask for the newest kline, which is still open."""
        page = await rest.klines(self.symbol, self.interval, limit=1)
        receipt = Receipt(page.venue_time, _ANY_AGE)
        kline = None
        if page.rows:
            kline = parse_kline_row(page.rows[-1], self._listings[self.symbol], self.interval, receipt)
        if not isinstance(kline, Kline):
            return None
        return number_of(kline.open_time, self.interval), kline.open_time

    async def number_at(self, rest: BinanceRest, moment: dt.datetime, hole: Hole) -> tuple[int, dt.datetime]:
        """Return the first kline of a hole that opens at a moment or after it."""
        number = number_of(open_at_or_after(moment, self.interval), self.interval)
        number = min(max(number, hole.first), hole.last + 1)
        return number, open_of(number, self.interval)

    async def hole_of(self, rest: BinanceRest, gap: Gap, now: float) -> Hole | None:
        """Return the klines that open within a Gap: of every interval, as it does not say of which it tells."""
        assert gap.to_time is not None
        ends = (open_at_or_after(moment, self.interval) for moment in (gap.from_time, gap.to_time))
        first, after = (number_of(moment, self.interval) for moment in ends)
        return Hole(first, after - 1, gap.from_time, gap.to_time, now, gap.cause) if first < after else None

    def _take(self, kline: Kline, number: int, now: float, cause: str) -> bool:
        self._updates.pop(number, None)
        return self.continuity.take(number, kline.open_time, kline.close_time, now, cause)

    def _forget_updates(self) -> None:
        while len(self._updates) > 8:
            self._updates.pop(min(self._updates))


class AggTradeTrack:
    """The aggregate trades of one symbol, told apart by their ids."""

    def __init__(self, symbol: str, listings: Mapping[str, Listing]) -> None:
        self.name = f"{symbol.lower()}@aggTrade"
        self.symbol = symbol
        self.continuity = Continuity()
        self._listings = listings

    def resume(self, records: Iterable[Record], now: float, cause: str) -> None:
        """Take up from the newest records of the topic."""
        mine = [record for record in records if isinstance(record, AggTrade) and record.symbol == self.symbol]
        self.continuity.resume({(t.agg_trade_id, t.event_time, t.event_time) for t in mine}, now, cause)

    def pushed(self, data: object, receipt: Receipt, now: float, cause: str) -> Judged:
        """Judge a pushed trade: one whose id came before is a repeat."""
        trade = parse_agg_trade_push(data, self._listings, receipt)
        if isinstance(trade, Rejected):
            return Judged(trade)
        if trade.symbol != self.symbol:
            return Judged(_of_another(BINANCE_AGG_TRADES, self.name, data, receipt))
        return Judged(trade if self._take(trade, now, cause) else None)

    def refilled(self, record: Record, now: float) -> bool:
        """Take a trade of REST and say whether it is new."""
        assert isinstance(record, AggTrade)
        return self._take(record, now, "")

    async def refill(self, rest: BinanceRest, hole: Hole, now: Now) -> AsyncIterator[Refill]:
        """Ask for the trades of a hole and the one after it."""
        number = hole.first
        while number <= hole.last:
            limit = min(1000, hole.last + 2 - number)
            page = await rest.patiently(lambda a=number, n=limit: rest.agg_trades(self.symbol, from_id=a, limit=n))  # type: ignore[misc]
            rows = [parse_agg_trade_row(row, self._listings[self.symbol], now()) for row in page.rows]
            ids = [row.agg_trade_id for row in rows if isinstance(row, AggTrade)]
            wanted = [row for row in rows if isinstance(row, Rejected) or row.agg_trade_id <= hole.last]
            newest = max(ids, default=number - 1)
            yield Refill([*wanted], newest + 1, beyond=newest >= hole.last)
            if newest < number:
                return
            number = newest + 1

    async def probe(self, rest: BinanceRest) -> tuple[int, dt.datetime] | None:
        """Ask for the newest trade."""
        page = await rest.agg_trades(self.symbol, limit=1)
        receipt = Receipt(page.venue_time, _ANY_AGE)
        trade = parse_agg_trade_row(page.rows[-1], self._listings[self.symbol], receipt) if page.rows else None
        return (trade.agg_trade_id + 1, trade.event_time) if isinstance(trade, AggTrade) else None

    async def number_at(self, rest: BinanceRest, moment: dt.datetime, hole: Hole) -> tuple[int, dt.datetime]:
        """Ask for the first trade at a moment or after it."""
        page = await rest.patiently(lambda: rest.agg_trades(self.symbol, start=moment, limit=1))
        receipt = Receipt(page.venue_time, _ANY_AGE)
        trade = parse_agg_trade_row(page.rows[0], self._listings[self.symbol], receipt) if page.rows else None
        if not isinstance(trade, AggTrade) or trade.agg_trade_id <= hole.first:
            return hole.first, hole.from_time
        if trade.agg_trade_id > hole.last:
            return hole.last + 1, hole.to_time
        return trade.agg_trade_id, trade.event_time

    async def hole_of(self, rest: BinanceRest, gap: Gap, now: float) -> Hole | None:
        """Ask for the trades at both ends of a Gap, which stands between two that came.

        Of trades of one millisecond REST names the first: so many as are missing may follow it.
        """
        assert gap.to_time is not None
        before = await self._first_at(rest, gap.from_time)
        after = await self._first_at(rest, gap.to_time)
        if before is None or after is None:
            return None
        last = after + min(gap.missed or 0, _MOST_AT_ONCE)
        return Hole(before + 1, last, gap.from_time, gap.to_time, now, gap.cause) if before < last else None

    async def _first_at(self, rest: BinanceRest, moment: dt.datetime) -> int | None:
        page = await rest.patiently(lambda: rest.agg_trades(self.symbol, start=moment, limit=1))
        receipt = Receipt(page.venue_time, _ANY_AGE)
        trade = parse_agg_trade_row(page.rows[0], self._listings[self.symbol], receipt) if page.rows else None
        return trade.agg_trade_id if isinstance(trade, AggTrade) else None

    def _take(self, trade: AggTrade, now: float, cause: str) -> bool:
        return self.continuity.take(trade.agg_trade_id, trade.event_time, trade.event_time, now, cause)


def _of_another(stream: Stream, name: str, data: object, receipt: Receipt) -> Rejected:
    now = receipt.ingest_time
    return reject(
        VENUE, stream, f"expected a push of {name}, found one of another", data, poll_time=now, ingest_time=now
    )
