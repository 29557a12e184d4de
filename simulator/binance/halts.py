"""Halts: spans in which the venue stood still. Nothing traded then, so ids run on over a halt without a hole."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from simulator.binance.tape import INTERVALS_MS, MINUTE_MS, Bar, Tape, Trade, bars_of, roll_up
from simulator.faults import Fault, FaultKind

Span = tuple[int, int]
"""From (inclusive) and to (exclusive), in ms."""


class Halts:
    """The halts of a run: given ones, and those placed as faults. One that was placed stays: the past never changes."""

    def __init__(self, spans: Sequence[Span] = ()) -> None:
        self._given = list(spans)
        self._placed: list[tuple[Fault, dt.datetime]] = []
        self.started: Callable[[], dt.datetime | None] = lambda: None

    def place(self, fault: Fault, at: dt.datetime) -> None:
        """Stand still for the fault's `for_seconds`; every other kind of fault is none of ours."""
        if fault.kind is FaultKind.HALT:
            self._placed.append((fault, at))

    def spans(self) -> Sequence[Span]:
        """Return the halts in order, none touching another."""
        return list(_joined([*self._given, *(self._span(*placed) for placed in self._placed)]))

    def _span(self, fault: Fault, at: dt.datetime) -> Span:
        begin = round((max(at, self.started() or at).timestamp() + fault.after_seconds) * 1000)
        return begin, begin + round((fault.for_seconds or 0) * 1000)


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Join what overlaps or touches.

    >>> list(_joined([(5, 9), (1, 3), (8, 12), (3, 4)]))
    [(1, 4), (5, 12)]
    """
    open_span: Span | None = None
    for begin, end in sorted(spans):
        if open_span is not None and begin <= open_span[1]:
            open_span = (open_span[0], max(open_span[1], end))
            continue
        if open_span is not None:
            yield open_span
        open_span = (begin, end)
    if open_span is not None:
        yield open_span


class _Removed(NamedTuple):
    """What a halt takes out of the tape under it: how many aggregate trades from which id on, and how many trades."""

    first: int
    aggregates: int
    trades: int


class Halted:
    """A tape with halts: without the trades that the tape under it has there, later ids moved up."""

    def __init__(self, tape: Tape, spans: Callable[[], Sequence[Span]]) -> None:
        self._tape = tape
        self._spans = spans
        self._removed = lru_cache(maxsize=4096)(self._count_removed)

    @property
    def symbols(self) -> Mapping[str, tuple[str, str]]:
        """Map every symbol to its base and quote asset."""
        return self._tape.symbols

    @property
    def begin_ms(self) -> int:
        """Return when the tape begins."""
        return self._tape.begin_ms

    def bars(self, symbol: str, interval: str, begin_ms: int, end_ms: int) -> Sequence[Bar]:
        """Return the klines of what is left: none where a halt fills it, of a halt's first and last minute a part."""
        spans, length = self._spans(), INTERVALS_MS[interval]
        begin, end = -(-begin_ms // length) * length, -(-end_ms // length) * length
        if not any(_overlap(span, begin, end) for span in spans):
            return [self._moved_bar(symbol, bar, spans) for bar in self._tape.bars(symbol, interval, begin_ms, end_ms)]
        if length < MINUTE_MS:
            return list(bars_of(self.trades(symbol, begin, end), length))
        minutes: list[Bar] = []
        for bar in self._tape.bars(symbol, "1m", begin, end):
            if any(_overlap(span, bar.open_ms, bar.close_ms) for span in spans):
                minutes += bars_of(self.trades(symbol, bar.open_ms, bar.close_ms), MINUTE_MS)
            else:
                minutes.append(self._moved_bar(symbol, bar, spans))
        return minutes if length == MINUTE_MS else list(roll_up(minutes, length))

    def trades(self, symbol: str, begin_ms: int, end_ms: int) -> Sequence[Trade]:
        """Return the trades outside of every halt."""
        return self._open(symbol, self._tape.trades(symbol, begin_ms, end_ms), self._spans())

    def trades_from(self, symbol: str, first: int, count: int) -> Sequence[Trade]:
        """Return trades outside of every halt, by the ids they have then."""
        spans, below = self._spans(), first
        for span in spans:
            removed = self._removed(symbol, span)
            if removed.aggregates and below >= removed.first:
                below += removed.aggregates
        found: list[Trade] = []
        while len(found) < count and (page := self._tape.trades_from(symbol, below, count)):
            found += self._open(symbol, page, spans)
            below = page[-1].id + 1
        return found[:count]

    def _open(self, symbol: str, trades: Sequence[Trade], spans: Sequence[Span]) -> Sequence[Trade]:
        if not spans:
            return trades
        left = [trade for trade in trades if not any(begin <= trade.ms < end for begin, end in spans)]
        return [self._moved(symbol, trade, spans) for trade in left]

    def _moved(self, symbol: str, trade: Trade, spans: Sequence[Span]) -> Trade:
        aggregates, trades = self._before(symbol, trade.ms, spans)
        return trade._replace(
            id=trade.id - aggregates, first_id=trade.first_id - trades, last_id=trade.last_id - trades
        )

    def _moved_bar(self, symbol: str, bar: Bar, spans: Sequence[Span]) -> Bar:
        _, trades = self._before(symbol, bar.open_ms, spans)
        if not trades or bar.first_id < 0:
            return bar
        return bar._replace(first_id=bar.first_id - trades, last_id=bar.last_id - trades)

    def _before(self, symbol: str, ms: int, spans: Sequence[Span]) -> tuple[int, int]:
        """Return how many aggregate trades and trades halts have taken out before a moment."""
        removed = [self._removed(symbol, span) for span in spans if span[1] <= ms]
        return sum(one.aggregates for one in removed), sum(one.trades for one in removed)

    def _count_removed(self, symbol: str, span: Span) -> _Removed:
        trades = self._tape.trades(symbol, *span)
        first = trades[0].id if trades else 0
        return _Removed(first, len(trades), sum(trade.last_id - trade.first_id + 1 for trade in trades))


def _overlap(span: Span, begin_ms: int, end_ms: int) -> bool:
    return span[0] < end_ms and begin_ms < span[1]
