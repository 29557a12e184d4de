"""Total market cap against a brute-force computation in Python's `decimal`."""

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from math import ceil
from pathlib import Path

from pyspark.sql import SparkSession

from contracts.settings import JobSettings
from contracts.tables import MARKET_CAP
from spark_jobs.build_market_cap import plan, reached
from spark_jobs.transforms.spans import Span
from tests.streaming.rows import Row, at, exactly, quote, quotes_of

RULES = JobSettings()
TEN = dt.timedelta(minutes=10)


def cap(seconds: float, market_cap: str | None, offset: int, *, cmc_id: int = 1, **changes: object) -> Row:
    value = None if market_cap is None else Decimal(market_cap)
    return quote(seconds, "1", offset, coin=f"C{cmc_id}", cmc_id=cmc_id, market_cap=value, **changes)


def built(spark: SparkSession, folder: Path, rows: Sequence[Row], rules: JobSettings = RULES) -> dict[dt.datetime, Row]:
    found = plan(quotes_of(spark, folder, rows).read(), rules).collect()
    if found:
        assert set(found[0].asDict()) == set(MARKET_CAP.schema.names)
    return {row["open_time"].astimezone(dt.UTC): row.asDict() for row in found}


def by_hand(rows: Sequence[Row], minutes: int = 10, max_age_minutes: int = 60) -> dict[dt.datetime, Row]:
    """Walk over every interval with a quote in it and, in each, over all quotes."""
    length, max_age = dt.timedelta(minutes=minutes), dt.timedelta(minutes=max_age_minutes)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    counted = [row for row in rows if not row["repeat"] and row["market_cap"] is not None]
    totals: dict[dt.datetime, Row] = {}
    for open_time in {row["event_time"] - (row["event_time"] - epoch) % length for row in counted}:
        close_time = open_time + length
        newest: dict[int, Row] = {}
        for row in sorted(counted, key=lambda row: (row["event_time"], -row["kafka_offset"])):
            if close_time - max_age <= row["event_time"] < close_time:
                newest[row["cmc_id"]] = row
        if newest:
            totals[open_time] = _total(list(newest.values()), close_time)
    return totals


def _total(newest: list[Row], close_time: dt.datetime) -> Row:
    total = sum((row["market_cap"] for row in newest), Decimal(0))
    largest = min(newest, key=lambda row: (-row["market_cap"], row["cmc_id"]))
    return {
        "close_time": close_time,
        "interval": "10m",
        "market_cap": total,
        "coins": len(newest),
        "oldest_age_seconds": ceil((close_time - min(row["event_time"] for row in newest)).total_seconds()),
        "largest_coin": largest["coin"],
        "dominance": exactly(lambda: largest["market_cap"] / total),
    }


def assert_equal(found: dict[dt.datetime, Row], expected: dict[dt.datetime, Row]) -> None:
    assert found.keys() == expected.keys()
    for time, row in expected.items():
        there = {**found[time], "close_time": found[time]["close_time"].astimezone(dt.UTC)}
        assert {name: there[name] for name in row} == row, time


def test_random_quotes_of_unequal_age_equal_the_brute_force_to_the_last_digit(
    spark: SparkSession, tmp_path: Path
) -> None:
    draw = random.Random(20261122)
    rows = []
    for number in range(900):
        value = None if draw.random() < 0.05 else f"{draw.randrange(1, 10**12)}.{draw.randrange(10**8):08}"
        # Whole minutes: coins have several quotes of one time, and ages of exactly an hour.
        second = 60.0 * draw.randrange(5 * 60) if draw.random() < 0.7 else draw.randrange(5 * 3600) + 0.5
        rows.append(cap(second, value, number, cmc_id=draw.randrange(40), repeat=draw.random() < 0.1))
    # A silence of two hours, then one quote alone.
    rows.append(cap(7 * 3600, "5", 1000))
    expected = by_hand(rows)
    assert len(expected) == 31
    assert_equal(built(spark, tmp_path, rows), expected)


def test_a_quote_counts_until_it_is_exactly_60_minutes_old_at_the_end(spark: SparkSession, tmp_path: Path) -> None:
    others = [cap(600 * number + 1, "1", number, cmc_id=2) for number in range(8)]
    found = built(spark, tmp_path, [cap(600, "100", 50), cap(599.999, "1000", 51, cmc_id=3), *others])
    # The first is of 12:10 sharp: it counts in the intervals from 12:10 to the one that ends at 13:10.
    assert {time for time, row in found.items() if row["market_cap"] % 1000 >= 100} == {
        at(600 * n) for n in range(1, 7)
    }
    assert {time for time, row in found.items() if row["market_cap"] >= 1000} == {at(600 * n) for n in range(6)}


def test_a_quote_at_the_very_end_of_an_interval_belongs_to_the_next(spark: SparkSession, tmp_path: Path) -> None:
    found = built(spark, tmp_path, [cap(0, "1", 1), cap(600, "10", 2, cmc_id=2)])
    assert {time: row["market_cap"] for time, row in found.items()} == {at(0): 1, at(600): 11}


def test_an_interval_without_a_quote_has_no_row(spark: SparkSession, tmp_path: Path) -> None:
    found = built(spark, tmp_path, [cap(0, "1", 1), cap(1800, "1", 2)])
    assert set(found) == {at(0), at(1800)}


def test_of_one_coins_quotes_the_newest_counts_and_of_one_time_the_first_received(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [cap(0, "1", 9), cap(60, "2", 5), cap(60, "4", 6), cap(120, "8", 1, repeat=True), cap(180, None, 2)]
    (row,) = built(spark, tmp_path, rows).values()
    assert (row["market_cap"], row["coins"], row["oldest_age_seconds"]) == (2, 1, 540)


def test_dominance_is_the_share_of_the_largest_and_the_lower_id_of_equals(spark: SparkSession, tmp_path: Path) -> None:
    rows = [cap(0, "2", 1, cmc_id=8), cap(0, "2", 2, cmc_id=7), cap(0, "2", 3, cmc_id=9)]
    (row,) = built(spark, tmp_path, rows).values()
    assert (row["largest_coin"], row["dominance"]) == ("C7", Decimal("0.333333333333333333"))


def test_two_coins_of_one_symbol_both_count(spark: SparkSession, tmp_path: Path) -> None:
    rows = [cap(0, "2", 1, cmc_id=1), cap(0, "3", 2, cmc_id=2)]
    (row,) = built(spark, tmp_path, [{**each, "symbol": "UNI"} for each in rows]).values()
    assert (row["market_cap"], row["coins"]) == (5, 2)


def test_a_total_that_does_not_fit_is_null_and_stops_nothing(spark: SparkSession, tmp_path: Path) -> None:
    huge = "9" * 30
    (row,) = built(spark, tmp_path, [cap(0, huge, number, cmc_id=number) for number in range(12)]).values()
    assert (row["market_cap"], row["dominance"], row["coins"]) == (None, None, 12)


def test_an_age_shorter_than_an_interval_counts_only_the_quotes_that_are_that_young(
    spark: SparkSession, tmp_path: Path
) -> None:
    rules = JobSettings(market_cap_max_age_minutes=5)
    rows = [cap(60, "1", 1), cap(360, "10", 2, cmc_id=2), cap(660, "100", 3)]
    assert_equal(built(spark, tmp_path, rows, rules), by_hand(rows, max_age_minutes=5))


def test_new_quotes_reach_whole_intervals_also_where_the_age_is_no_multiple_of_them() -> None:
    span = Span(at(0), at(600))
    assert reached([span], RULES) == [Span(at(0), at(0) + 7 * TEN)]
    assert reached([span], JobSettings(market_cap_max_age_minutes=65)) == [Span(at(0), at(0) + 8 * TEN)]
