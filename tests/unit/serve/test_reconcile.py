"""Reconciling: the score of literal candles, their holes with causes, and the page."""

import datetime as dt
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.tables import CANDLES, GAPS
from serve.gaps import Gap, read_gaps
from serve.reconcile.causes import UNKNOWN, with_causes
from serve.reconcile.compare import Compared, Hole, Period, Score, compare
from serve.reconcile.ours import our_candles
from serve.reconcile.page import page
from tests.unit.serve.rows import NOON, Row, at, lake_in, write

PRICE = pa.decimal128(38, 18)
TYPES = {
    "symbol": pa.string(),
    "interval": pa.string(),
    "open_time": pa.timestamp("us", "UTC"),
    **dict.fromkeys(("open", "high", "low", "close", "volume"), PRICE),
    "quote_volume": pa.decimal128(38, 8),
    "trades": pa.int64(),
}
FIVE = ("1 3 1 2 10", "2 4 2 3 20.5")
"""Two klines of 5 minutes: open, high, low, close, volume."""
TEN = "1 4 1 3 30.5"


def row(minute: int, values: str, interval: str, **more: object) -> Row:
    names = ("open", "high", "low", "close", "volume")
    numbers = dict(zip(names, map(Decimal, values.split()), strict=True))
    return {"symbol": "BTCUSDT", "interval": interval, "open_time": at(minute), **numbers, **more}


def klines(*minutes: int, **more: object) -> pa.Table:
    rows = [row(minute, FIVE[minute // 5 % 2], "5m", **more) for minute in minutes]
    return pa.Table.from_pylist(rows, pa.schema(TYPES))


def candles(*minutes: int, values: str = TEN, complete: bool = True, **more: object) -> pa.Table:
    rows = [row(minute, values, "10m", complete=complete, **more) for minute in minutes]
    return pa.Table.from_pylist(rows, pa.schema({**TYPES, "complete": pa.bool_()}))


def score(compared: Compared) -> tuple[int, ...]:
    (found,) = compared.scores
    return found.equal, found.different, found.missing_here, found.missing_there, found.neither


def test_two_aligned_klines_equal_one_candle() -> None:
    compared = compare(candles(0, 10), klines(0, 5, 10, 15), ["10m"])
    assert compared.scores == [Score("BTCUSDT", "10m", "2024-03", 2, 0, 0, 0, 0)]
    assert compared.is_equal and not compared.holes and not compared.differences


def test_a_bucket_that_the_klines_cover_in_part_is_not_compared() -> None:
    ours = pa.concat_tables([candles(0, complete=False), candles(10), candles(20, complete=False)])
    assert score(compare(ours, klines(5, 10, 15, 20), ["10m"])) == (1, 0, 0, 0, 0)


@pytest.mark.parametrize("values", ["1.00000001 4 1 3 30.5", "1 4.1 1 3 30.5", "1 4 0.9 3 30.5", "1 4 1 3.1 30.5",
                                    "1 4 1 3 30.50000001"])  # fmt: skip
def test_a_last_digit_is_a_difference(values: str) -> None:
    compared = compare(candles(0, values=values), klines(0, 5), ["10m"])
    assert score(compared) == (0, 1, 0, 0, 0) and not compared.is_equal
    (found,) = compared.differences
    assert Decimal(found.ours) != Decimal(found.theirs)


def test_a_candle_that_is_there_twice_differs_and_one_that_is_there_alone_is_missing_at_the_exchange() -> None:
    doubled = compare(pa.concat_tables([candles(0, 10), candles(10)]), klines(0, 5, 10, 15), ["10m"])
    assert score(doubled) == (1, 2, 0, 0, 0) and not doubled.is_equal
    assert {(found.column, found.ours, found.theirs) for found in doubled.differences} == {("copies", "2", "1")}
    invented = compare(candles(0, 10, 20), klines(0, 5, 20, 25), ["10m"])
    assert score(invented) == (2, 0, 0, 1, 0) and not invented.is_equal


def test_quote_volume_and_trades_count_where_both_give_them() -> None:
    theirs = klines(0, 5, quote_volume=Decimal("1.5"), trades=2)
    assert score(compare(candles(0), theirs, ["10m"])) == (1, 0, 0, 0, 0)
    assert score(compare(candles(0, quote_volume=Decimal(3), trades=4), theirs, ["10m"])) == (1, 0, 0, 0, 0)
    wrong = compare(candles(0, quote_volume=Decimal(3), trades=5), theirs, ["10m"])
    assert [(found.column, found.ours, found.theirs) for found in wrong.differences] == [("trades", "5", "4")]


def test_what_either_side_lacks_is_told_apart() -> None:
    compared = compare(candles(0, 20, 50), klines(0, 5, 10, 15, 50, 55), ["10m"])
    assert score(compared) == (2, 0, 1, 1, 2)
    assert [(hole.lacks, hole.from_time, hole.to_time, hole.candles) for hole in compared.holes] == [
        ("here", at(10), at(20), 1),
        ("exchange", at(20), at(30), 1),
        ("both", at(30), at(50), 2),
    ]
    assert not compared.is_equal


def test_a_half_bucket_beside_an_incomplete_candle_is_in_neither() -> None:
    ours = pa.concat_tables([candles(0, 20), candles(10, complete=False)])
    assert score(compare(ours, klines(0, 5, 10, 20, 25), ["10m"])) == (2, 0, 0, 0, 1)


def test_only_the_period_is_compared() -> None:
    compared = compare(candles(0, 10, 20), klines(*range(0, 60, 5)), ["10m"], Period(at(5), at(25)))
    assert score(compared) == (1, 0, 0, 0, 0)


def test_a_float_that_was_written_out_is_rounded_to_the_venues_places_and_said() -> None:
    theirs = klines(0, 5).to_pylist()
    theirs[0]["volume"] = Decimal("9.9999999999")
    compared = compare(candles(0), pa.Table.from_pylist(theirs, pa.schema(TYPES)), ["10m"])
    assert compared.is_equal and compared.rounded == 1


def test_nothing_compared_is_not_equal() -> None:
    assert not compare(candles(0), klines(), ["10m"]).is_equal


def gap(start: int, end: int | None, **changes: object) -> Row:
    return {
        "venue": "binance",
        "stream": "crypto_kline_data",
        "symbol": "BTCUSDT",
        "from_time": at(start),
        "event_time": at(start),
        "to_time": None if end is None else at(end),
        "cause": "halt",
        "recoverable": False,
        "ingest_time": NOON,
        "date": NOON.date(),
        **changes,
    }


def test_a_hole_has_the_causes_of_the_gaps_that_meet_it(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    rows = [
        gap(29, 41),
        gap(35, 36, cause="silence", symbol="*", recoverable=True),
        gap(10, 20, cause="before"),
        gap(31, 39, cause="another", symbol="ETHUSDT"),
        gap(32, 39, cause="trades", stream="binance_agg_trades"),
    ]
    write(lake, GAPS, rows)
    holes = [Hole("BTCUSDT", "10m", at(30), at(40), "both", 1), Hole("BTCUSDT", "10m", at(60), at(70), "both", 1)]
    found = with_causes(Compared([], [], holes), read_gaps(lake))
    assert [hole.cause for hole in found.holes] == [
        "halt (not recoverable); silence (recoverable by backfill)",
        UNKNOWN,
    ]


@pytest.mark.parametrize(
    ("end", "recoverable", "repaired", "state"),
    [
        (None, True, None, "open"),
        (at(5), True, None, "recoverable by backfill"),
        (at(5), False, None, "not recoverable"),
        (at(5), True, at(9), "repaired at 2024-03-19 12:09"),
    ],
)
def test_a_gap_says_what_can_be_done(
    end: dt.datetime | None, recoverable: bool, repaired: dt.datetime | None, state: str
) -> None:
    assert Gap("binance", "s", "BTCUSDT", NOON, end, "cause", recoverable, repaired).state == state


def test_our_candles_are_found_under_the_exchanges_symbols(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    prices = {name: Decimal(1) for name in ("open", "high", "low", "close", "volume")}
    counts = {"samples": 10, "expected": 10, "complete": True}
    keys = [
        ("binance", "BTC", "USDT"),
        ("binance", "BTC", "EUR"),
        ("wallex", "BTC", "USDT"),
        ("binance", "ETH", "USDT"),
    ]
    rows = [
        {"venue": venue, "coin": coin, "quote": quote, "interval": "10m", "open_time": at(0), "close_time": at(10)}
        for venue, coin, quote in keys
    ]
    write(lake, CANDLES, [{**row, **prices, **counts} for row in rows])
    theirs = pa.table({"symbol": ["BTCUSDT"] * 2, "base": ["BTC"] * 2, "quote": ["USDT"] * 2})
    found = our_candles(lake, theirs, ["10m"]).to_pylist()
    assert [(row["symbol"], row["venue"], row["quote"]) for row in found] == [("BTCUSDT", "binance", "USDT")]


class Reader(HTMLParser):
    """Collects tags, what they point to, and text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links.extend(value or "" for name, value in attrs if name in {"src", "href"})

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_escapes_what_it_shows() -> None:
    hole = Hole("BTCUSDT", "10m", at(30), at(40), "both", 1, "<script>alert(1)</script>")
    reader = Reader()
    text = page(Compared([Score("BTCUSDT", "10m", "2024-03", 5, 0, 0, 0, 1)], [], [hole]), NOON)
    reader.feed(text)
    assert reader.links == [] and not reader.tags & {"script", "link", "img"} and "url(" not in text
    assert "5 of 5 candles equal to the last digit: all equal" in reader.text
    assert "<script>alert(1)</script>" in reader.text
    assert "prefers-color-scheme: dark" in text
