"""Which of several states of a kline, and of a hole, stands."""

import datetime as dt
import itertools
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from contracts.tables import BRONZE_CRYPTO_KLINE_DATA, BRONZE_INGEST_GAPS, GAPS, IMPORTED_KLINES, KLINES
from spark_jobs import build_gaps, build_klines
from tests.streaming.rows import Row, at, gap, imported, kline, rows_of


def built(spark: SparkSession, landed: Sequence[Row], files: Sequence[Row] = ()) -> list[Row]:
    plan = build_klines.plan(rows_of(spark, BRONZE_CRYPTO_KLINE_DATA, landed), rows_of(spark, IMPORTED_KLINES, files))
    assert plan.schema.names == KLINES.schema.names
    return [row.asDict() for row in plan.orderBy(*KLINES.identity).collect()]


OPEN = kline(0, "1 1 1 1", 5, pushed=30, closed=False)
NEWER_OPEN = kline(0, "2 2 2 2", 6, pushed=32, closed=False)
CLOSED = kline(0, "3 3 3 3", 7)
CLOSED_AGAIN = kline(0, "4 4 4 4", 8)
REFILLED = kline(0, "5 5 5 5", 9, pushed=59.999)
FILED = imported(kline(0, "6 6 6 6", 0), "b", 4)
FILED_TWICE = imported(kline(0, "7 7 7 7", 0), "c", 1)
FEW_COLUMNS = imported(kline(0, "8 8 8 8", 0), "a", 0, quote_volume=None)

# What is there, landed and of files, and the price that stands.
CASES = {
    "the_newest_of_open_ones": ([OPEN, NEWER_OPEN], [], 2),
    "the_closed_one_though_an_open_one_is_newer": ([{**NEWER_OPEN, "event_time": at(90)}, CLOSED], [], 3),
    "of_closed_ones_the_newest": ([REFILLED, CLOSED], [], 3),
    "of_equals_the_lowest_offset": ([CLOSED_AGAIN, CLOSED], [], 3),
    "a_repeat_never": ([{**CLOSED, "repeat": True}, CLOSED_AGAIN], [], 4),
    "an_imported_one_counts_as_closed": ([OPEN, NEWER_OPEN], [{**FILED, "closed": False}], 6),
    "a_pushed_one_before_an_imported_one_of_the_same_time": ([REFILLED], [FILED], 5),
    "the_first_file_of_several": ([], [FILED_TWICE, FILED], 6),
    "one_that_says_its_quote_volume": ([], [FEW_COLUMNS, FILED], 6),
}


@pytest.mark.parametrize(("landed", "files", "expected"), CASES.values(), ids=CASES.keys())
def test_the_kline_that_stands_is(spark: SparkSession, landed: list[Row], files: list[Row], expected: int) -> None:
    (row,) = built(spark, landed[::-1], files[::-1])
    assert row["close"] == expected
    assert row["closed"] is (expected not in (1, 2))
    assert row["imported"] is (expected in (6, 7, 8))


def test_no_two_klines_share_their_identity_whatever_the_order(spark: SparkSession) -> None:
    """Brute force: sort by the rule, take the first of each identity."""
    draw = random.Random(5)
    landed = [
        kline(minute, "1 1 1 1", number, pushed=60 * minute + draw.randrange(3) * 30, closed=draw.random() < 0.3,
              close=Decimal(number), interval=interval, symbol=symbol)
        for number, (minute, interval, symbol, _) in enumerate(
            itertools.product(range(3), ("1m", "1h"), ("BTCUSDT", "ETHUSDT"), range(4))
        )
    ]  # fmt: skip
    files = [imported(row, draw.choice("ab"), number) for number, row in enumerate(draw.sample(landed, 12))]

    def rank(row: Row) -> tuple[Any, ...]:
        file = "file_row" in row
        place = ("", row["kafka_offset"]) if not file else (row["file_sha256"], row["file_row"])
        return (not (row["closed"] or file), -row["event_time"].timestamp(), file, *place)

    expected: dict[tuple[Any, ...], Decimal] = {}
    for row in sorted([*landed, *files], key=rank):
        expected.setdefault((row["symbol"], row["interval"], row["open_time"]), row["close"])
    draw.shuffle(landed)
    rows = built(spark, landed, files)
    found = {(row["symbol"], row["interval"], row["open_time"].astimezone(dt.UTC)): row["close"] for row in rows}
    assert len(found) == len(rows)
    assert found == expected


def test_a_kline_is_filed_under_the_date_of_its_open_time(spark: SparkSession) -> None:
    (row,) = built(spark, [kline(12 * 60 - 1, "1 1 1 1", 1)])
    assert at(12 * 3600 + 0.05).date() == dt.date(2024, 3, 20)
    assert row["date"] == dt.date(2024, 3, 19)


def test_a_hole_stands_as_its_highest_offset_says(spark: SparkSession) -> None:
    states = [
        gap(0, "late", 3, to_time=at(60), repaired_at=at(90)),
        gap(0, "early", 1),
        gap(0, "middle", 2, to_time=at(60)),
        gap(0, "other symbol", 4, symbol="BTCUSDT"),
        gap(12 * 3600, "other time", 0),
    ]
    plan = build_gaps.plan(rows_of(spark, BRONZE_INGEST_GAPS, states))
    assert plan.schema.names == GAPS.schema.names
    found = {row["cause"]: (row["repaired_at"], row["date"].day) for row in plan.collect()}
    assert found.keys() == {"late", "other symbol", "other time"}
    assert found["late"][0].astimezone(dt.UTC) == at(90)
    assert (found["late"][1], found["other time"][1]) == (19, 20)
