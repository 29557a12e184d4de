"""Comparing what two plans wrote."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa

from benchmarks.same_results import Agreement, agreement, in_utc

SCHEMA = pa.schema([("coin", pa.string()), ("open_time", pa.timestamp("us", "UTC")), ("open", pa.decimal128(38, 18))])
ROUGH = pa.schema([("coin", pa.string()), ("open_time", pa.timestamp("us", "UTC")), ("open", pa.decimal128(38, 6))])


def rows(*found: tuple[str, int, str], schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"coin": coin, "open_time": dt.datetime(2024, 3, 19, 12, minute, tzinfo=dt.UTC), "open": Decimal(price)}
            for coin, minute, price in found
        ],
        schema,
    )


def compared(ours: pa.Table, plain: pa.Table, places: int = 18) -> Agreement:
    return agreement("plain", "wallex", ours, plain, ("coin", "open_time"), {"open": places})


def test_what_plain_has_not_written_yet_is_no_difference() -> None:
    found = compared(rows(("BTC", 0, "1"), ("BTC", 10, "2"), ("BTC", 20, "3")), rows(("BTC", 0, "1"), ("BTC", 10, "2")))
    assert found == Agreement(plan="plain", what="wallex", equal=2, different=0, only_ours=0, only_other=0)
    assert found.holds


def test_missing_and_different_rows_are_counted() -> None:
    ours = rows(("BTC", 0, "1"), ("ETH", 0, "5"), ("BTC", 10, "2.000000000000000001"))
    plain = rows(("BTC", 0, "1"), ("XRP", 0, "7"), ("BTC", 10, "2"))
    found = compared(ours, plain)
    assert found == Agreement(plan="plain", what="wallex", equal=1, different=1, only_ours=1, only_other=1)
    assert not found.holds


def test_values_are_compared_at_the_places_that_plain_keeps_rounded_half_up() -> None:
    ours = rows(("BTC", 0, "58000.0000005"), ("ETH", 0, "1.2345674"))
    plain = rows(("BTC", 0, "58000.000001"), ("ETH", 0, "1.234567"), schema=ROUGH)
    assert compared(ours, plain, places=6).equal == 2


def test_nothing_to_compare_does_not_hold() -> None:
    assert not compared(rows(), rows()).holds


def test_times_without_a_zone_are_utc() -> None:
    schema = pa.schema([("coin", pa.string()), ("open_time", pa.timestamp("ns")), ("open", pa.decimal128(38, 18))])
    naive = pa.table([["BTC"], [dt.datetime(2024, 3, 19, 12)], [Decimal(1)]], schema=schema)  # noqa: DTZ001
    assert compared(rows(("BTC", 0, "1")), in_utc(naive, "open_time")).holds
