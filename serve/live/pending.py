"""What one client still has to be sent: bounded, and of each window only the newest. No I/O."""

from collections.abc import Collection, Mapping

from serve.live.points import Point


class Pending:
    """Symbols whose history is due, and points that came since.

    Points leave in the order of their sequences: what a client has not received has a greater sequence than what it
    has, so it can go on from there. A symbol whose history is due needs no points, they will be in the history.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._histories: dict[str, int | None] = {}
        self._points: dict[tuple[str, int], Point] = {}

    def __bool__(self) -> bool:
        return bool(self._histories or self._points)

    def __len__(self) -> int:
        return len(self._points)

    def restart(self, symbols: Mapping[str, int | None]) -> None:
        """Drop everything; the histories of these symbols are due, after the sequences given."""
        self._points.clear()
        self._histories = dict(symbols)

    def add(self, points: Collection[Point]) -> int:
        """Take points of subscribed symbols; return how many were replaced by newer ones before they were sent.

        Beyond the limit all points are dropped, and the histories of their symbols are due instead.
        """
        replaced = 0
        for point in points:
            if point.symbol in self._histories:
                continue
            key = (point.symbol, point.end)
            if self._points.pop(key, None) is not None:
                replaced += 1
            self._points[key] = point
        if len(self._points) > self._limit:
            self._histories |= dict.fromkeys(symbol for symbol, _ in self._points)
            self._points.clear()
        return replaced

    def next_history(self) -> tuple[str, int | None] | None:
        """Take out the next symbol whose history is due, and after which sequence."""
        if not self._histories:
            return None
        symbol = next(iter(self._histories))
        return symbol, self._histories.pop(symbol)

    def next_points(self, most: int) -> list[Point]:
        """Take out the points that came first."""
        keys = list(self._points)[:most]
        return [self._points.pop(key) for key in keys]
