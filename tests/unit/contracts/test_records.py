"""The wire format: what other programs rely on."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import RecordError
from contracts.records import CoinQuote, Gap, MarketTicker, Rejected, decode, encode, wire_time
from contracts.spark_schema import struct_type
from contracts.streams import (
    ALT_LIQUIDATIONS_DEAD_LETTERS,
    COIN_MARKET_CAP,
    INGEST_GAPS,
    STREAMS,
    WALLEX,
    key_of,
    symbol_of,
)
from contracts.topics import parse_topics

NOON = dt.datetime(2024, 3, 19, 12, 0, 0, 123456, tzinfo=dt.UTC)
GOLDEN = Path(__file__).parents[2] / "golden"
TOPICS = parse_topics((Path(__file__).parents[3] / "infra" / "kafka" / "topics.toml").read_text())


def quote(**changes: object) -> CoinQuote:
    values: dict[str, object] = {
        **{"venue": "coin_market_cap", "event_time": NOON, "ingest_time": NOON, "poll_time": NOON, "cmc_id": 1},
        **{"coin": "BTC", "symbol": "BTC", "name": "Bitcoin", "quote": "USD", "price": Decimal("63857.73")},
    }
    return CoinQuote(**{**values, **changes})  # type: ignore[arg-type]


def test_decimals_are_json_strings_and_times_have_milliseconds() -> None:
    wire = json.loads(encode(quote(price=Decimal("1.2E-12"))))
    assert wire["price"] == "0.0000000000012"
    assert wire["event_time"] == "2024-03-19T12:00:00.123Z"
    assert wire["market_cap"] is None


def test_bytes_are_base64() -> None:
    refused = Rejected(
        venue="wallex", event_time=NOON, ingest_time=NOON, stream="wallex", reason="no JSON", payload=b"<html>"
    )
    assert json.loads(encode(refused))["payload"] == "PGh0bWw+"


finite = st.decimals(min_value=Decimal("-1e19"), max_value=Decimal("1e19"), places=18, allow_nan=False)
moments = st.datetimes(min_value=dt.datetime(2000, 1, 1), max_value=dt.datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=dt.UTC)
)


@given(price=finite, cap=st.none() | finite, moment=moments, coin=st.text(max_size=12))
def test_decoding_undoes_encoding(price: Decimal, cap: Decimal | None, moment: dt.datetime, coin: str) -> None:
    record = quote(price=price, market_cap=cap, event_time=moment, ingest_time=moment, poll_time=moment, coin=coin)
    assert decode(encode(record), CoinQuote) == record


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"venue": 1}', b"\xff", b'{"venue": "\xff"}'])
def test_what_is_no_record_is_refused_by_name(payload: bytes) -> None:
    with pytest.raises(RecordError, match="expected a CoinQuote, found"):
        decode(payload, CoinQuote)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(RecordError, match="expected a time with a time zone, found 2024-03-19T12:00:00"):
        wire_time(dt.datetime(2024, 3, 19, 12))  # noqa: DTZ001


def test_keys_and_partition_symbols() -> None:
    ticker = MarketTicker(venue="wallex", event_time=NOON, ingest_time=NOON, symbol="BTCTMN", base="BTC", quote="TMN")
    gap = Gap(
        **{"venue": "wallex", "event_time": NOON, "ingest_time": NOON, "symbol": "*", "stream": "wallex"},
        **{"from_time": NOON, "cause": "HTTP 500", "recoverable": False},
    )
    assert key_of(COIN_MARKET_CAP, quote()) == b"1:2024-03-19T12:00:00.123Z"
    assert key_of(WALLEX, ticker) == symbol_of(WALLEX, ticker) == b"BTCTMN"
    assert key_of(INGEST_GAPS, gap) == b"wallex:*:wallex:2024-03-19T12:00:00.123Z"


def test_every_stream_has_its_topic_and_every_topic_its_stream() -> None:
    assert set(TOPICS) == {ALT_LIQUIDATIONS_DEAD_LETTERS, *(stream.topic for stream in STREAMS)}


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.topic)
def test_the_schema_of_a_record_is_the_golden_one(stream: object) -> None:
    """Golden files change only with the reason in the commit: a wire change is a new field with a default."""
    name, record = stream.topic, stream.record  # type: ignore[attr-defined]
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert json.loads(struct_type(record).json()) == golden
