"""What landing makes of messages: good rows to the last digit, and the exact reason of every refusal."""

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from contracts.records import CoinQuote, Rejected, encode
from contracts.spark_schema import struct_type
from contracts.streams import COIN_MARKET_CAP, INGEST_REJECTED, Stream
from contracts.tables import BRONZE_COIN_MARKET_CAP, REJECTED
from spark_jobs.land import plan
from spark_jobs.transforms.parse import good_rows, refused_rows, rejected_at_ingest
from spark_jobs.transforms.repeats import late, late_before, mark_repeats, without
from tests.streaming.rows import Row, at, frame, quote

MESSAGES = "value binary, topic string, partition int, offset bigint, timestamp timestamp"
NOON_TEXT = "2024-03-19T12:00:00.000Z"


def wire(**changes: object) -> bytes:
    """Build a good message with some fields changed; Ellipsis leaves a field out."""
    fields = {
        "venue": "coin_market_cap",
        "event_time": NOON_TEXT,
        "ingest_time": "2024-03-19T12:01:00.250Z",
        "poll_time": NOON_TEXT,
        "cmc_id": 1,
        "coin": "BTC",
        "symbol": "BTC",
        "name": "Bitcoin",
        "quote": "USD",
        "price": "83434.4",
        "market_cap": "1255369550893.08",
        **changes,
    }
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def landed(
    spark: SparkSession, values: Sequence[bytes | None], stream: Stream = COIN_MARKET_CAP
) -> tuple[dict[int, Row], dict[int, Row]]:
    """Parse messages at offsets 0, 1, ...; return the good and the refused rows by offset."""
    rows = [(value, stream.topic, 0, offset, at(90)) for offset, value in enumerate(values)]
    parsed = plan(frame(spark, rows, MESSAGES), stream, 60).cache()
    good = good_rows(parsed, struct_type(stream.record).names).collect()
    refused = refused_rows(parsed).collect()
    parsed.unpersist()
    by_offset = ({row["kafka_offset"]: row.asDict() for row in found} for found in (good, refused))
    return next(by_offset), next(by_offset)


NUMBER = "price: expected a number with at most 20 digits before the point, found "
TIME = "expected a UTC time from 1970 on, such as 2024-03-19T22:05:00.000Z, found "
NOT_JSON = "expected a JSON object, found text that is none"
BAD: dict[str, tuple[bytes | None, str]] = {
    "no value (a tombstone)": (None, "expected a JSON object, found an empty message"),
    "text that is no JSON": (b"<html>502 Bad Gateway</html>", NOT_JSON),
    "truncated JSON": (wire()[:-20], NOT_JSON),
    "a JSON number": (b"12", NOT_JSON),
    "a JSON text": (b'"BTC"', NOT_JSON),
    "a JSON list": (b"[" + wire() + b"]", NOT_JSON),
    "JSON null": (b"null", NOT_JSON),
    "no text at all": (b"", NOT_JSON),
    "text after the object": (wire() + b" x", NOT_JSON),
    "two objects": (wire() + wire(), NOT_JSON),
    "a bare NaN": (wire(price=float("nan")), NUMBER + '"NaN"'),
    "bytes that are no text": (b"\x00\xff\xfe\x80", NOT_JSON),
    "a missing price": (wire(price=...), "price: expected a value, found none"),
    "a price of null": (wire(price=None), "price: expected a value, found none"),
    "two missing fields": (
        wire(coin=..., cmc_id=...),
        "cmc_id: expected a value, found none; coin: expected a value, found none",
    ),
    "NaN as text": (wire(price="NaN"), NUMBER + "NaN"),
    "Infinity as text": (wire(price="Infinity"), NUMBER + "Infinity"),
    "a dash": (wire(price="-"), NUMBER + "-"),
    "1e40": (wire(price="1e40"), NUMBER + "1e40"),
    "20 digits and one": (wire(price="1" + "0" * 20), NUMBER + "1" + "0" * 20),
    "an optional value that overflows": (
        wire(market_cap="1e30"),
        "market_cap: expected a number with at most 30 digits before the point, found 1e30",
    ),
    "a long text, cut": (wire(price="x" * 100), NUMBER + "x" * 60),
    "an id that is no number": (wire(cmc_id="abc"), "cmc_id: expected a whole number, found abc"),
    "a time that is none": (wire(event_time="yesterday"), f"event_time: {TIME}yesterday"),
    "a day that is none": (wire(event_time="2024-02-30T12:00:00.000Z"), f"event_time: {TIME}2024-02-30T12:00:00.000Z"),
    "a time of another zone": (
        wire(event_time="2024-03-19T15:30:00.000+03:30"),
        f"event_time: {TIME}2024-03-19T15:30:00.000+03:30",
    ),
    "a time in seconds": (wire(event_time=1710849600), f"event_time: {TIME}1710849600"),
    "a year that Python has not": (
        wire(event_time="0000-01-01T00:00:00.000Z"),
        f"event_time: {TIME}0000-01-01T00:00:00.000Z",
    ),
    "a time with one digit too few": (
        wire(event_time="2024-03-19T1:00:00.0000Z"),
        f"event_time: {TIME}2024-03-19T1:00:00.0000Z",
    ),
    "a time more than 60 s ahead": (
        wire(event_time="2024-03-19T12:02:00.251Z"),
        "event_time: expected at most 60 s ahead of ingest_time, found 2024-03-19T12:02:00.251Z",
    ),
}


@pytest.fixture(scope="module")
def refused(spark: SparkSession) -> dict[int, Row]:
    good, refused = landed(spark, [value for value, _ in BAD.values()])
    assert good == {}
    return refused


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_reason_and_kept_byte_for_byte(refused: dict[int, Row], case: str) -> None:
    value, reason = BAD[case]
    row = refused[list(BAD).index(case)]
    assert row["reason"] == reason
    assert (None if row["payload"] is None else bytes(row["payload"])) == value
    assert (row["stage"], row["venue"], row["stream"]) == ("landing", None, "coin_market_cap")
    assert set(row) == set(REJECTED.schema.names)


GOOD: dict[str, tuple[bytes, str, object]] = {
    "a tiny price": (wire(price="1e-12"), "price", Decimal("0.000000000001")),
    "a huge price": (wire(price="1e12"), "price", Decimal(1_000_000_000_000)),
    "the largest price": (wire(price="9" * 20 + "." + "9" * 18), "price", Decimal("9" * 20 + "." + "9" * 18)),
    "half a unit of the last place": (wire(price="0.0000000000000000005"), "price", Decimal("1e-18")),
    "less than half a unit": (wire(price="0.00000000000000000049"), "price", Decimal(0)),
    "a number instead of text": (wire(price=83434.5), "price", Decimal("83434.5")),
    "a price no float can hold": (wire(price="0.1000000000000000055"), "price", Decimal("0.100000000000000006")),
    "no optional value": (wire(market_cap=None), "market_cap", None),
    "a field of a later version": (wire(new_field="x"), "price", Decimal("83434.4")),
    "a time exactly 60 s ahead": (wire(event_time="2024-03-19T12:02:00.250Z"), "coin", "BTC"),
    "a name outside ASCII": (wire(name="والکس €"), "name", "والکس €"),
}


@pytest.fixture(scope="module")
def good(spark: SparkSession) -> dict[int, Row]:
    good, refused = landed(spark, [value for value, _, _ in GOOD.values()])
    assert {offset: row["reason"] for offset, row in refused.items()} == {}
    return good


@pytest.mark.parametrize("case", GOOD)
def test_odd_but_good_input_is_landed_to_the_last_digit(good: dict[int, Row], case: str) -> None:
    _, name, expected = GOOD[case]
    value = good[list(GOOD).index(case)][name]
    assert (value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else value) == expected


def test_what_ingest_writes_is_what_bronze_holds(spark: SparkSession) -> None:
    record = CoinQuote(
        venue="coin_market_cap",
        event_time=at(0.001),
        ingest_time=at(61.002),
        poll_time=at(61),
        cmc_id=1,
        coin="BTC",
        symbol="BTC",
        name="Bitcoin",
        quote="USD",
        price=Decimal("83434.123456789012345678"),
        cmc_rank=1,
        market_cap=Decimal("1255369550893.08"),
    )
    good, refused = landed(spark, [encode(record)])
    assert refused == {}
    for name in record.__struct_fields__:
        value = good[0][name]
        assert (value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else value) == getattr(record, name), name
    assert (good[0]["kafka_offset"], good[0]["date"]) == (0, dt.date(2024, 3, 19))


def test_what_ingest_refused_keeps_its_reason_and_its_bytes(spark: SparkSession) -> None:
    raw = b"<html>\xff</html>"
    record = Rejected(
        venue="wallex", event_time=at(0), ingest_time=at(1), stream="wallex", reason="expected JSON", payload=raw
    )
    message = encode(record)
    bad = json.dumps({**json.loads(message), "payload": "???"}).encode()
    rows = [(value, "ingest_rejected", 0, offset, at(90)) for offset, value in enumerate([message, bad])]
    parsed = plan(frame(spark, rows, MESSAGES), INGEST_REJECTED, 60)
    (kept,) = rejected_at_ingest(good_rows(parsed, struct_type(Rejected).names)).collect()
    assert (kept["stage"], kept["venue"], kept["stream"]) == ("ingest", "wallex", "wallex")
    assert (kept["reason"], bytes(kept["payload"])) == ("expected JSON", raw)
    (refused,) = refused_rows(parsed).collect()
    assert refused["reason"] == "payload: expected base64, found ???"
    assert bytes(refused["payload"]) == bad


def bronze(spark: SparkSession, rows: Sequence[Row]) -> DataFrame:
    return frame(spark, rows, BRONZE_COIN_MARKET_CAP.schema)


def test_a_repeat_is_what_an_earlier_offset_said_in_the_batch_or_in_the_table(spark: SparkSession) -> None:
    table = [quote(0, "1", 0), quote(60, "1", 1, cmc_id=2), quote(60, "1", 2, cmc_id=2, repeat=True)]
    batch = [
        quote(0, "1", 10),
        quote(60, "1", 12),
        quote(60, "1", 11),
        quote(60, "1", 13, cmc_id=2),
        quote(120, "1", 14, cmc_id=2),
    ]
    rows = mark_repeats(bronze(spark, batch).drop("repeat"), bronze(spark, table), COIN_MARKET_CAP.identity)
    assert sorted((row["kafka_offset"], row["repeat"]) for row in rows.collect()) == [
        (10, True),
        (11, False),
        (12, True),
        (13, True),
        (14, False),
    ]
    assert len(rows.columns) == len(BRONZE_COIN_MARKET_CAP.schema.names)


def test_without_leaves_out_what_a_table_holds_nulls_included(spark: SparkSession) -> None:
    schema = "a string, b bigint"
    rows = spark.createDataFrame([("x", 1), (None, 2), ("y", None), ("z", 3)], schema)
    there = spark.createDataFrame([(None, 2), ("y", None)], schema)
    assert sorted(map(tuple, without(rows, there, ("a", "b")).collect())) == [("x", 1), ("z", 3)]


def test_late_is_new_and_older_than_the_newest_before_by_more_than_lateness(spark: SparkSession) -> None:
    rows = [quote(0, "1", 1), quote(-0.001, "1", 2), quote(-5, "1", 3, repeat=True), quote(500, "1", 4)]
    landed_now = bronze(spark, rows)

    cut_off = late_before(at(120), 120)
    assert cut_off is not None
    assert sorted(row["kafka_offset"] for row in landed_now.where(late(cut_off)).collect()) == [2]
    assert late_before(None, 120) is None
    assert late_before(at(120), float("inf")) is None
