"""Pushed orders of Binance's futures as liquidations or rejections."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Liquidation, Rejected, decode, encode
from ingest.notional import notional_of
from ingest.sources.binance.parse import Receipt
from ingest.sources.binance.parse_liquidation import (
    assets_of,
    parse_liquidation_push,
    parse_mark_price_push,
)
from ingest.wire_json import load
from tests.unit.ingest.binance.venue import ms
from tests.unit.ingest.fakes import NOON, at

NOW = Receipt(at(600))


def force_order(seconds: float = 0, *, symbol: str = "BTCUSDT", **fields: Any) -> dict[str, Any]:
    """Build the frame of an order that was traded so many seconds after noon."""
    traded = ms(at(seconds))
    return {
        "e": "forceOrder",
        "E": traded + 1005,
        "o": {
            **{"s": symbol, "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.014", "p": "64562.50", "ap": "64810.60"},
            **{"X": "FILLED", "l": "0.002", "z": "0.010", "T": traded, "ps": symbol, "st": 1, **fields},
        },
    }


def parsed(**fields: Any) -> Liquidation | Rejected:
    return parse_liquidation_push(load(json.dumps(force_order(**fields))), NOW)


def test_an_order_says_which_position_was_closed_at_which_prices_and_for_how_much() -> None:
    assert parsed() == Liquidation(
        venue="binance_futures",
        event_time=NOON,
        ingest_time=at(600),
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        side="long",
        quantity=Decimal("0.014"),
        filled_quantity=Decimal("0.010"),
        bankruptcy_price=Decimal("64562.50"),
        average_price=Decimal("64810.60"),
        notional=Decimal("648.106"),
        sampled=True,
    )


def test_the_venue_buys_to_close_a_short() -> None:
    found = parsed(S="BUY")
    assert isinstance(found, Liquidation)
    assert found.side == "short"


@pytest.mark.parametrize("told", [{"ap": "0"}, {"ap": "0.00000"}])
def test_an_order_without_an_average_price_is_worth_its_bankruptcy_price(told: dict[str, str]) -> None:
    found = parsed(**told)
    assert isinstance(found, Liquidation)
    assert (found.average_price, found.notional) == (None, Decimal("645.625"))


@pytest.mark.parametrize(
    ("price", "quantity", "notional"),
    [
        ("0.000000015", "1", "0.00000002"),
        ("0.000000025", "1", "0.00000003"),
        ("0.0000000149", "1", "0.00000001"),
        ("99999999999999999999", "1234567890.12345678", "123456789012345677998765432109.87654322"),
        ("3", "0", "0E-8"),
    ],
)
def test_notional_is_exact_to_eight_places_and_rounded_half_up(price: str, quantity: str, notional: str) -> None:
    assert notional_of(Decimal(price), Decimal(quantity)) == Decimal(notional)


def test_a_notional_too_large_for_money_is_rejected() -> None:
    found = parsed(p="9" * 20, ap="9" * 20, q="9" * 20, z="9" * 20)
    assert isinstance(found, Rejected)
    assert found.reason == "notional: expected at most 30 digits before the point, found 40"


@pytest.mark.parametrize(
    ("symbol", "base", "quote"),
    [
        ("ETHBTC", "ETH", "BTC"),
        ("BTCUSDC", "BTC", "USDC"),
        ("BTCUSDT_260327", "BTC", "USDT"),
        ("1000PEPEUSDT", "1000PEPE", "USDT"),
        ("币安人生USDT", "币安人生", "USDT"),
        ("USDT", None, None),
        ("BTCEUR", None, None),
        ("BTCUSDT_26", None, None),
    ],
)
def test_a_symbol_is_split_where_it_says_what_it_is_made_of(symbol: str, base: str | None, quote: str | None) -> None:
    assert assets_of(symbol) == (base, quote)
    found = parsed(symbol=symbol)
    assert isinstance(found, Liquidation)
    assert (found.symbol, found.base, found.quote) == (symbol, base, quote)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"S": "HOLD"}, 'S: expected SELL or BUY, found "HOLD"'),
        ({"S": 1}, "S: expected SELL or BUY, found 1"),
        ({"s": ""}, 's: expected a text, found ""'),
        ({"q": "0"}, 'quantity: expected more than 0, found "0"'),
        ({"q": "NaN"}, "quantity: expected a finite number, found NaN"),
        ({"z": "-1"}, 'filled_quantity: expected at least 0, found "-1"'),
        ({"z": "0.015"}, 'z: expected at most q ("0.014"), found "0.015"'),
        ({"p": None}, "bankruptcy_price: expected a number, found null"),
        ({"p": "1" * 21}, "bankruptcy_price: expected at most 20 digits before the point, found 111111111111111111111"),
        ({"ap": "x"}, 'average_price: expected a number, found "x"'),
        ({"T": "1"}, 'T: expected a whole number of at least 0, found "1"'),
        ({"T": 10**18 - 1}, "T: expected milliseconds or microseconds since 1970, found 999999999999999999"),
        (
            {"seconds": 661},
            "T: expected at most 60 s ahead of the ingest time 2024-03-19T12:10:00.000Z,"
            " found 2024-03-19T12:11:01.000Z",
        ),
    ],
)
def test_what_is_no_liquidation_is_kept_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    found = parsed(**fields)
    assert isinstance(found, Rejected)
    assert (found.reason, found.venue, found.stream) == (reason, "binance_futures", "alt_liquidations")
    assert json.loads(found.payload) == force_order(**fields)


@pytest.mark.parametrize("frame", ["[]", "{}", '{"o": []}', '{"o": {}}', "7", "null", '[{"o": {}}]'])
def test_any_other_shape_is_rejected(frame: str) -> None:
    assert isinstance(parse_liquidation_push(load(frame), NOW), Rejected)
    assert isinstance(parse_mark_price_push(load(frame), NOW), Rejected)


def test_a_mark_price_tells_the_time_of_the_venue_unless_it_is_far_ahead() -> None:
    told = {"e": "markPriceUpdate", "E": ms(at(7)), "s": "BTCUSDT", "p": "64000.1", "T": 0}
    assert parse_mark_price_push(load(json.dumps(told)), NOW) == at(7)
    ahead = parse_mark_price_push(load(json.dumps(told | {"E": ms(at(661))})), NOW)
    assert isinstance(ahead, Rejected)
    assert ahead.reason.startswith("E: expected at most 60 s ahead")


amounts = st.decimals(min_value="0.00000001", max_value=10**9, places=8, allow_nan=False)


@given(price=amounts, quantity=amounts)
def test_what_is_parsed_survives_the_wire(price: Decimal, quantity: Decimal) -> None:
    found = parsed(ap=f"{price:f}", q=f"{quantity:f}", z=f"{quantity:f}")
    assert isinstance(found, Liquidation)
    assert decode(encode(found), Liquidation) == found
    assert abs(found.notional - price * quantity) <= Decimal("0.000000005") + Decimal("1e-9")
