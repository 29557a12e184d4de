"""Candlesticks, compared with charts drawn by hand."""

from decimal import Decimal
from typing import Any

import msgspec

from serve.chart import draw
from serve.coin_report import Candle
from tests.unit.serve.rows import candle


def bars(*rows: dict[str, Any]) -> list[Candle]:
    return [msgspec.convert(row, Candle) for row in rows]


def drawn(candles: list[Candle], width: int = 80, height: int = 4) -> list[str]:
    return [line.rstrip() for line in draw(candles, width, height).plain.splitlines()]


def test_body_and_wick_stand_at_their_prices() -> None:
    # Eight levels from 100 to 107. The first candle has its wick over all of them and its body from 101 to 104.
    candles = bars(candle(0, "101 107 100 104 102"), candle(10, "107 107 104 105 106"))
    assert drawn(candles) == [
        "107.0000 ┤│  ┃",
        "         │╽  ╿",
        "         │┃",
        "101.0000 ┤╿",
        "          12:00",
    ]


def test_an_interval_without_a_candle_stays_open() -> None:
    candles = bars(candle(0, "1 8 1 8 4"), candle(30, "1 8 1 8 4"))
    assert drawn(candles)[0].endswith("┤┃        ┃")


def test_only_the_newest_intervals_that_fit_are_drawn() -> None:
    candles = bars(*(candle(10 * number, f"{1 + number} 100 1 5 5") for number in range(60)))
    lines = drawn(candles, width=40)
    assert max(map(len, lines)) <= 40
    # 30 columns are left, and the newest candle is that of 21:50.
    assert lines[-1].split() == ["17:00", "18:30", "20:00"]


def test_green_closes_at_or_above_its_open_and_red_below() -> None:
    for prices, colour in (("1 8 1 8 4", "green"), ("4 8 1 4 4", "green"), ("8 8 1 1 4", "red")):
        assert {str(span.style) for span in draw(bars(candle(0, prices)), 80, 4).spans} == {"dim", colour}


def test_prices_that_are_all_one_are_drawn_in_the_middle_and_nothing_gives_nothing() -> None:
    assert drawn(bars(candle(0, "5 5 5 5 5"))) == [
        "5.000000 ┤",
        "         │╻",
        "         │",
        "5.000000 ┤",
        "          12:00",
    ]
    assert draw([], 80, 4).plain == ""


def test_prices_beyond_what_a_float_tells_apart_are_told_apart() -> None:
    low, high = "9007199254740992.1", "9007199254740992.2"
    assert float(low) == float(high)
    line = drawn(bars(candle(0, f"{low} {high} {low} {high} {low}"), candle(10, f"{low} {low} {low} {low} {low}")))
    assert Decimal(low) < Decimal(high)
    assert line[0].endswith("┃")
    assert line[3].endswith("┃  ╻")
