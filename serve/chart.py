"""Candlesticks in a terminal: two levels of price per line, one column per interval, holes left open."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from rich.text import Text

from serve.amounts import grouped, places_of

_GLYPHS = {
    ("", ""): " ",
    ("wick", "wick"): "│",
    ("body", "body"): "┃",
    ("wick", "body"): "╽",
    ("body", "wick"): "╿",
    ("", "wick"): "╷",
    ("wick", ""): "╵",
    ("", "body"): "╻",
    ("body", ""): "╹",
}
"""What fills the upper and the lower half of a cell."""
_LABEL_EVERY = 3
_TIME = "%H:%M"


class Bar(Protocol):
    """A candle, as far as it can be seen."""

    @property
    def open_time(self) -> dt.datetime:
        """Start of the interval."""

    @property
    def close_time(self) -> dt.datetime:
        """End of the interval, exclusive."""

    @property
    def open(self) -> Decimal:
        """First price."""

    @property
    def high(self) -> Decimal:
        """Highest price."""

    @property
    def low(self) -> Decimal:
        """Lowest price."""

    @property
    def close(self) -> Decimal:
        """Last price."""


class Scale(NamedTuple):
    """Which price stands at which level: `levels` of them, from `low` at 0 to `high` at the top."""

    low: Decimal
    high: Decimal
    levels: int

    def level(self, price: Decimal) -> int:
        """Return the level nearest to a price; the middle where all prices are one."""
        if self.high == self.low:
            return self.levels // 2
        return round((price - self.low) * (self.levels - 1) / (self.high - self.low))

    def price(self, level: int) -> Decimal:
        """Return the price at a level."""
        return self.low + (self.high - self.low) * level / (self.levels - 1)


def draw(bars: Sequence[Bar], width: int, height: int) -> Text:
    """Draw candles, in time order, in at most `width` columns and `height` lines besides the times below.

    Green closes at or above its open, red below. Only the newest intervals that fit are drawn; an interval
    without a candle stays empty. Nothing to draw gives an empty text.
    """
    if not bars:
        return Text()
    places = places_of(bar.high for bar in bars)
    margin = max(len(grouped(bar.high, places)) for bar in bars) + 2
    length = bars[-1].close_time - bars[-1].open_time
    room = max(1, width - margin)
    step = 3 if len(bars) * 3 <= room else 2 if len(bars) * 2 <= room else 1
    columns = _columns(bars, length, room // step)
    shown = [bar for bar in columns if bar is not None]
    scale = Scale(min(bar.low for bar in shown), max(bar.high for bar in shown), height * 2)
    lines: list[Text] = []
    for line in range(height - 1, -1, -1):
        labelled = (height - 1 - line) % _LABEL_EVERY == 0
        label = grouped(scale.price(line * 2 + 1), places) if labelled else ""
        drawn = Text(no_wrap=True)
        drawn.append(label.rjust(margin - 2) + (" ┤" if labelled else " │"), style="dim")
        for bar in columns:
            glyph = " " if bar is None else _glyph(bar, scale, line)
            drawn.append(glyph.ljust(step), style="green" if bar is not None and bar.close >= bar.open else "red")
        drawn.rstrip()
        lines.append(drawn)
    lines.append(Text(" " * margin + _times(bars[-1].open_time, length, len(columns), step), style="dim"))
    return Text("\n").join(lines)


def _columns(bars: Sequence[Bar], length: dt.timedelta, most: int) -> list[Bar | None]:
    """Give every interval from the first to the last its column."""
    by_time = {bar.open_time: bar for bar in bars}
    intervals = (bars[-1].open_time - bars[0].open_time) // length + 1
    count = min(intervals, max(1, most))
    return [by_time.get(bars[-1].open_time - length * back) for back in range(count - 1, -1, -1)]


def _glyph(bar: Bar, scale: Scale, line: int) -> str:
    body = sorted((scale.level(bar.open), scale.level(bar.close)))
    wick = scale.level(bar.low), scale.level(bar.high)

    def part(level: int) -> str:
        if body[0] <= level <= body[1]:
            return "body"
        return "wick" if wick[0] <= level <= wick[1] else ""

    return _GLYPHS[part(line * 2 + 1), part(line * 2)]


def _times(last: dt.datetime, length: dt.timedelta, columns: int, step: int) -> str:
    """Write the hour under every third column or so; none that would stand out beyond the last."""
    every = -(-9 // step)
    text = ""
    for column in range(0, columns, every):
        if column == 0 or (columns - column) * step >= len("hh:mm"):
            moment = last - length * (columns - 1 - column)
            text = text.ljust(column * step) + f"{moment.astimezone(dt.UTC):{_TIME}}"
    return text
