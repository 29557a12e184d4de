"""The wire of docs/live.md: points, frames, and what a client may say."""

import datetime as dt
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import RecordError
from contracts.records import encode, replace
from serve.live.messages import (
    Hello,
    Painted,
    Sample,
    Subscribe,
    error,
    heartbeat,
    hello,
    history_frame,
    join_points,
    points_frame,
    read_message,
)
from serve.live.points import point_of
from tests.unit.serve.live.fakes import NOON_MS, average, point


def test_a_point_has_the_fields_of_the_contract_with_prices_in_digits_and_times_in_ms() -> None:
    record = replace(average(window=3, count=7), mean=Decimal("1E-8"), vwap=Decimal("0.10"))
    read = point_of(encode(record), offset=41233, timestamp_ms=NOON_MS + 1450)
    assert json.loads(read.encoded) == {
        "symbol": "BTCUSDT",
        "end": NOON_MS + 1500,
        "mean": "0.00000001",
        "vwap": "0.10",
        "last": "67000.5",
        "count": 7,
        "sequence": 41233,
        "event": NOON_MS + 1400,
        "broker": NOON_MS + 1420,
        "result": NOON_MS + 1450,
    }
    assert (read.symbol, read.base, read.quote) == ("BTCUSDT", "BTC", "USDT")


@pytest.mark.parametrize("field", ["mean", "last", "vwap"])
@pytest.mark.parametrize("price", ["NaN", "Infinity", "1E+999999", "1E-999999"])
def test_a_price_that_cannot_be_is_no_record(field: str, price: str) -> None:
    payload = json.loads(encode(average())) | {field: price}
    with pytest.raises(RecordError):
        point_of(json.dumps(payload).encode(), offset=1, timestamp_ms=1)


@pytest.mark.parametrize("payload", [b"", b"null", b"{", b"[]", b'{"symbol":"BTCUSDT"}', b"\xff\xfe"])
def test_what_is_no_record_is_named_so(payload: bytes) -> None:
    with pytest.raises(RecordError):
        point_of(payload, offset=1, timestamp_ms=1)


def test_a_time_without_a_zone_is_no_record() -> None:
    payload = json.loads(encode(average())) | {"window_end": "2024-03-19T12:00:00"}
    with pytest.raises(RecordError, match="time zone"):
        point_of(json.dumps(payload).encode(), offset=1, timestamp_ms=1)


@given(st.integers(0, 4_000_000_000_000))
def test_times_are_whole_milliseconds(milliseconds: int) -> None:
    moment = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=milliseconds)
    read = point_of(encode(replace(average(), window_end=moment)), offset=1, timestamp_ms=1)
    assert read.end == milliseconds


def test_frames_are_the_messages_of_the_contract() -> None:
    two = [point(1), point(2, window=1)]
    texts = [json.loads(each.encoded) for each in two]
    assert json.loads(points_frame(join_points(two), 9)) == {"type": "points", "points": texts, "sent": 9}
    assert json.loads(history_frame('A"B', join_points([]), reset=True, sent_ms=9)) == {
        "type": "history",
        "symbol": 'A"B',
        "points": [],
        "reset": True,
        "sent": 9,
    }
    assert json.loads(history_frame("X", join_points(two), reset=False, sent_ms=9))["reset"] is False
    assert json.loads(heartbeat(5)) == {"type": "heartbeat", "time": 5}
    assert json.loads(error("no")) == {"type": "error", "reason": "no"}
    said = hello(Hello(window_ms=3000, slide_ms=500, history_ms=120_000, heartbeat_ms=5000, time=1))
    assert json.loads(said) == {
        "type": "hello",
        "window_ms": 3000,
        "slide_ms": 500,
        "history_ms": 120_000,
        "heartbeat_ms": 5000,
        "time": 1,
    }


def test_clients_messages_are_read() -> None:
    assert read_message(b'{"type": "subscribe", "symbols": {"BTCUSDT": null, "ETHUSDT": 41233}}') == Subscribe(
        {"BTCUSDT": None, "ETHUSDT": 41233}
    )
    sample = b'{"event": 1, "broker": 2.5, "result": 3, "sent": 4, "painted": 5.25}'
    assert read_message(b'{"type": "painted", "samples": [%b]}' % sample) == Painted([Sample(1, 2.5, 3, 4, 5.25)])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"type": "order"}',
        b'{"type": "subscribe"}',
        b'{"type": "subscribe", "symbols": ["BTCUSDT"]}',
        b'{"type": "subscribe", "symbols": {"BTCUSDT": "7"}}',
        b'{"type": "subscribe", "symbols": {"BTCUSDT": -1}}',
        b'{"type": "subscribe", "symbols": {"BTCUSDT": 1.5}}',
        b'{"type": "subscribe", "symbols": {"%b": null}}' % (b"X" * 41),
        b'{"type": "painted", "samples": [{"event": 1}]}',
        b'{"type": "painted", "samples": [{"event": 1, "broker": 1, "result": 1, "sent": 1, "painted": null}]}',
        b'{"type": "painted", "samples": [%b]}'
        % b",".join([b'{"event": 1, "broker": 1, "result": 1, "sent": 1, "painted": 1}'] * 101),
        b'{"type": "subscribe", "symbols": {"\xff": null}}',
    ],
)
def test_any_other_message_is_refused_by_name(payload: bytes) -> None:
    with pytest.raises(RecordError, match=r"docs/live\.md"):
        read_message(payload)


@given(st.binary(max_size=200))
def test_reading_is_total(payload: bytes) -> None:
    try:
        read_message(payload)
    except RecordError as wrong:
        assert len(msgspec.json.encode(str(wrong))) < 500
