import re
from decimal import Decimal

import msgspec

from simulator import wallex
from simulator.market import Market
from simulator.wallex import Wallex
from simulator.wire import Request
from tests.unit.simulator.fakes import NOON

VENUE = Wallex(wallex.generated(Market(seed=7)))
MARKETS = msgspec.json.decode(VENUE.answer(Request("/v1/markets", {}, {}), NOON, NOON).body)["result"]["symbols"]


def test_prices_are_strings_of_16_decimals_or_a_dash() -> None:
    texts = [
        market["stats"][name]
        for market in MARKETS.values()
        for name in ("lastPrice", "bidPrice", "askPrice", "24h_volume", "24h_highPrice")
    ]
    plain = re.compile(r"[0-9]+\.[0-9]{16}|[0-9]\.[0-9]+E-[0-9]+|-|0")
    assert all(plain.fullmatch(text) for text in texts)
    assert sum(bool(re.fullmatch(r"[0-9]+\.[0-9]{16}", text)) for text in texts) > 500


def test_last_quantity_repeats_the_last_price_as_the_real_feed_does() -> None:
    assert all(market["stats"]["lastQty"] == market["stats"]["lastPrice"] for market in MARKETS.values())


def test_prices_keep_to_the_decimals_of_their_market() -> None:
    for market in MARKETS.values():
        price = market["stats"]["lastPrice"]
        if price != "-":
            assert Decimal(price) == round(Decimal(price), market["tickSize"])


def test_market_never_traded_has_dashes_where_the_real_feed_has_them() -> None:
    never = next(market["stats"] for market in MARKETS.values() if market["stats"]["lastPrice"] == "-")
    dashes = {name for name, value in never.items() if value == "-"}
    assert dashes >= {"lastPrice", "lastQty", "lastTradeSide", "7d_ch", "24h_volume", "7d_volume", "24h_quoteVolume"}
    assert never["24h_ch"] == 0


def test_body_carries_no_time_of_the_poll() -> None:
    answer = VENUE.answer(Request("/v1/markets", {}, {}), NOON, NOON)
    assert b"2026-11" not in answer.body
