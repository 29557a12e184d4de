"""Binance's payloads as records or rejections."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import AggTrade, Kline, Rejected
from ingest.sources.binance.parse import (
    Listing,
    Receipt,
    parse_agg_trade_push,
    parse_agg_trade_row,
    parse_kline_push,
    parse_kline_row,
    parse_listings,
)
from ingest.wire_json import load
from tests.unit.ingest.binance.venue import kline_push, kline_row, ms, trade, trade_push
from tests.unit.ingest.fakes import NOON, at

BITCOIN = Listing("BTCUSDT", "BTC", "USDT")
LISTED = {"BTCUSDT": BITCOIN}
NOW = Receipt(at(600))
LAST_MS = dt.timedelta(milliseconds=1)


def wire(value: Any) -> object:
    return load(json.dumps(value))


def test_a_pushed_kline_has_the_time_of_the_push() -> None:
    found = parse_kline_push(wire({**kline_push(0, closed=False, after=2), "new": 1}), LISTED, NOW)
    assert found == Kline(
        venue="binance",
        event_time=at(2),
        ingest_time=at(600),
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        interval="1m",
        open_time=NOON,
        close_time=at(60),
        open=Decimal("1.50"),
        high=Decimal("2.00"),
        low=Decimal("1.00"),
        close=Decimal("1.50"),
        volume=Decimal("10.5"),
        closed=False,
        quote_volume=Decimal("15.75"),
        trades=3,
        taker_volume=Decimal("4.5"),
        taker_quote_volume=Decimal("6.75"),
    )


def test_a_row_of_rest_is_closed_and_has_its_close_time() -> None:
    pushed = parse_kline_push(wire(kline_push(0)), LISTED, NOW)
    row = parse_kline_row(wire(kline_row(ms(NOON))), BITCOIN, "1m", NOW)
    assert isinstance(row, Kline)
    assert isinstance(pushed, Kline)
    assert (row.event_time, row.closed) == (at(60) - LAST_MS, True)
    fields = [name for name in Kline.__struct_fields__ if name != "event_time"]
    assert [getattr(row, name) for name in fields] == [getattr(pushed, name) for name in fields]


def test_microseconds_are_told_by_magnitude_and_cut() -> None:
    row = kline_row(ms(NOON))
    row[0], row[6] = row[0] * 1000, row[6] * 1000 + 999
    found = parse_kline_row(wire(row), BITCOIN, "1m", NOW)
    assert isinstance(found, Kline)
    assert (found.open_time, found.close_time) == (NOON, at(60))


def test_a_trade_is_the_same_pushed_and_over_rest() -> None:
    pushed = parse_agg_trade_push(wire(trade_push(7)), LISTED, NOW)
    assert pushed == AggTrade(
        venue="binance",
        event_time=at(0.7),
        ingest_time=at(600),
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        agg_trade_id=7,
        price=Decimal("1.5"),
        quantity=Decimal("2"),
        first_trade_id=14,
        last_trade_id=15,
        buyer_is_maker=True,
    )
    assert parse_agg_trade_row(wire(trade(7)), BITCOIN, NOW) == pushed


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"o": "NaN"}, "open: expected a finite number, found NaN"),
        ({"o": "3"}, 'kline: expected low <= open, close <= high, found o "3", h "2.00", l "1.00", c "1.50"'),
        ({"n": -1}, "n: expected a whole number of at least 0, found -1"),
        ({"x": "yes"}, 'x: expected true or false, found "yes"'),
        ({"i": "10m"}, "i: expected one of 1m, 3m"),
        ({"s": "ETHUSDT"}, 'k.s: expected BTCUSDT, found "ETHUSDT"'),
        ({"s": []}, "k.s: expected BTCUSDT, found []"),
        ({"T": 253402300799999999}, "T: expected milliseconds or microseconds since 1970"),
        ({"T": 1}, "T: expected a time after t"),
    ],
)
def test_a_bad_kline_is_rejected_with_its_reason_and_as_it_came(fields: dict[str, Any], reason: str) -> None:
    pushed = kline_push(0, **fields)
    found = parse_kline_push(wire(pushed), LISTED, NOW)
    assert isinstance(found, Rejected)
    assert found.reason.startswith(reason)
    assert json.loads(found.payload) == pushed
    assert (found.venue, found.stream) == ("binance", "crypto_kline_data")


def test_a_push_from_the_future_and_one_of_an_unknown_symbol_are_rejected() -> None:
    late = parse_kline_push(wire(kline_push(20)), LISTED, NOW)
    other = parse_agg_trade_push(wire(trade_push(1, symbol="NOSUCH")), LISTED, NOW)
    assert isinstance(late, Rejected)
    assert late.reason.startswith("E: expected at most 60 s ahead of the ingest time")
    assert isinstance(other, Rejected)
    assert other.reason == 'symbol: expected one that exchangeInfo lists, found "NOSUCH"'


def test_listings_say_what_a_symbol_is_made_of_and_skip_what_does_not() -> None:
    body = {"symbols": [{"symbol": "BTCUSDT", "status": "HALT", "baseAsset": "BTC", "quoteAsset": "USDT"}, {"a": 1}]}
    assert parse_listings(wire(body)) == {"BTCUSDT": Listing("BTCUSDT", "BTC", "USDT")}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.sampled_from("eEskatTopqflmxi"), inner),
    max_leaves=25,
)


@given(JSON)
def test_whatever_comes_is_a_record_or_a_rejection(value: Any) -> None:
    for found in (
        parse_kline_push(wire(value), LISTED, NOW),
        parse_agg_trade_push(wire(value), LISTED, NOW),
        parse_kline_row(wire(value), BITCOIN, "1m", NOW),
        parse_agg_trade_row(wire(value), BITCOIN, NOW),
    ):
        assert isinstance(found, Kline | AggTrade | Rejected)


@given(st.sampled_from(sorted(kline_push(0)["k"])), st.one_of(JSON, st.integers(-(10**30), 10**30)))
def test_a_kline_with_any_field_spoiled_is_a_record_or_a_rejection(name: str, value: Any) -> None:
    found = parse_kline_push(wire(kline_push(0, **{name: value})), LISTED, NOW)
    assert isinstance(found, Kline | Rejected)
