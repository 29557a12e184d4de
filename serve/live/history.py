"""What the live chart remembers: the newest point of each window of the last minutes, in bounded memory. No I/O.

The same records make the same history in any order, as long as no symbol is refused.
"""

from collections.abc import Iterator
from typing import NamedTuple

from serve.live.points import Point


class Answer(NamedTuple):
    """What a client has to be sent of a symbol, in order of window ends; `reset`: it has to forget what it has."""

    points: list[Point]
    reset: bool


class SymbolState(NamedTuple):
    """A symbol, the point of its newest record that counted, and how many windows are remembered."""

    newest: Point
    points: int


class _Series:
    """The points of one symbol by window end.

    `heard` is the greatest sequence of any record; no point with a sequence above `forgotten` was left out or dropped.
    """

    def __init__(self, first: Point) -> None:
        self.points: dict[int, Point] = {}
        self.newest = first
        self.newest_end = first.end
        self.heard = first.sequence
        self.forgotten = first.sequence - 1


class History:
    """The newest point of each (symbol, window end).

    Remembered are the windows that end less than `length_ms` before the newest of their symbol, at most `max_points` of
    them; and at most `max_symbols` symbols.
    """

    def __init__(self, *, length_ms: int, max_points: int, max_symbols: int) -> None:
        self._length_ms = length_ms
        self._max_points = max_points
        self._max_symbols = max_symbols
        self._series: dict[str, _Series] = {}

    def add(self, point: Point) -> bool:
        """Take a point in; say whether it changed anything that a client should know.

        A window's point is replaced by one of a greater count, and by a later one of the same count. A record of a
        smaller count was told again by a job that lost what it had told.
        """
        series = self._series.get(point.symbol) or self._new_series(point)
        if series is None:
            return False
        series.heard = max(series.heard, point.sequence)
        known = series.points.get(point.end)
        if known is not None and (point.count, point.sequence) <= (known.count, known.sequence):
            return False
        if point.end <= series.newest_end - self._length_ms:
            return False
        series.points[point.end] = point
        if point.sequence > series.newest.sequence:
            series.newest = point
        self._forget_old(series, point.end)
        return point.end in series.points

    def since(self, symbol: str, sequence: int | None) -> Answer:
        """Return what came after a sequence; the whole with `reset` where that is not known for sure, or for None."""
        series = self._series.get(symbol)
        if series is None:
            return Answer([], reset=True)
        points = [series.points[end] for end in sorted(series.points)]
        if sequence is None or not series.forgotten <= sequence <= series.heard:
            return Answer(points, reset=True)
        return Answer([point for point in points if point.sequence > sequence], reset=False)

    def heard(self, symbol: str) -> int:
        """Return the greatest sequence of any record of a symbol, -1 where there is none."""
        series = self._series.get(symbol)
        return -1 if series is None else series.heard

    def symbols(self) -> Iterator[SymbolState]:
        """List the symbols by name."""
        for symbol in sorted(self._series):
            series = self._series[symbol]
            yield SymbolState(series.newest, len(series.points))

    def clear(self) -> None:
        """Forget everything: sequences start anew."""
        self._series.clear()

    def _new_series(self, first: Point) -> _Series | None:
        """Begin a symbol; where there are too many, in place of one that was silent for longer than the history."""
        if len(self._series) >= self._max_symbols:
            stalest = min(self._series, key=lambda symbol: self._series[symbol].newest_end)
            if self._series[stalest].newest_end > first.end - self._length_ms:
                return None
            del self._series[stalest]
        series = self._series[first.symbol] = _Series(first)
        return series

    def _forget_old(self, series: _Series, end: int) -> None:
        if end > series.newest_end:
            series.newest_end = end
            for old in [known for known in series.points if known <= end - self._length_ms]:
                series.forgotten = max(series.forgotten, series.points.pop(old).sequence)
        while len(series.points) > self._max_points:
            series.forgotten = max(series.forgotten, series.points.pop(min(series.points)).sequence)
