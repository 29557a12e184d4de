"""The parsers on real recorded answers, against the standard library's reading of the same files."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contracts.records import CoinQuote, MarketTicker, Record, decode, encode
from contracts.streams import COIN_MARKET_CAP, WALLEX, key_of
from ingest.sources import coin_market_cap, wallex
from ingest.wire_json import dump, load

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
LISTINGS = ("listings_latest_2024-03-17T103434.793Z.json", "listings_latest_2024-03-19T220629.658Z.json")


def recorded(name: str) -> str:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"recorded data is not there: ../shared/data/{name}")
    return path.read_text(encoding="utf-8")


def exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def survives_the_wire(rows: list[Record]) -> bool:
    return all(decode(encode(row), type(row)) == row for row in rows)


@pytest.mark.parametrize("name", LISTINGS)
def test_a_real_listing_has_every_coin_to_the_last_digit(name: str) -> None:
    text = recorded(f"coinmarketcap/{name}")
    oracle = exact(text)
    poll_time = dt.datetime.fromisoformat(oracle["status"]["timestamp"])
    rows = coin_market_cap.parse(text, poll_time, poll_time)
    assert len(rows) == 100
    for row, coin in zip(rows, oracle["data"], strict=True):
        assert isinstance(row, CoinQuote)
        usd = coin["quote"]["USD"]
        assert (row.cmc_id, row.symbol, row.name, row.cmc_rank) == (
            coin["id"],
            coin["symbol"],
            coin["name"],
            coin["cmc_rank"],
        )
        assert (row.price, row.market_cap, row.volume_24h, row.percent_change_24h, row.circulating_supply) == (
            usd["price"],
            usd["market_cap"],
            usd["volume_24h"],
            usd["percent_change_24h"],
            coin["circulating_supply"],
        )
        assert row.event_time == dt.datetime.fromisoformat(coin["last_updated"])
    assert len({key_of(COIN_MARKET_CAP, row) for row in rows}) == 100
    assert {row.coin for row in rows if isinstance(row, CoinQuote)} == {coin["symbol"] for coin in oracle["data"]}
    assert survives_the_wire(list(rows))


def test_a_real_quote_by_symbol_is_read() -> None:
    text = recorded("coinmarketcap/quotes_latest_symbol_HERO.json")
    poll_time = dt.datetime(2024, 3, 17, 19, 29, 46, tzinfo=dt.UTC)
    [row] = coin_market_cap.parse(text, poll_time, poll_time)
    assert isinstance(row, CoinQuote)
    assert (row.cmc_id, row.coin, row.cmc_rank) == (10778, "HERO", 799)
    assert str(row.price) == "0.005869188154077193"
    assert row.event_time == dt.datetime(2024, 3, 17, 19, 24, tzinfo=dt.UTC)


def test_the_real_markets_are_all_there_and_a_dash_is_null() -> None:
    text = recorded("wallex/markets_2022-07-24.json")
    poll_time = dt.datetime(2022, 7, 24, 17, 38, tzinfo=dt.UTC)
    rows = wallex.parse(text, poll_time, poll_time)
    markets = json.loads(text)["result"]["symbols"]
    assert len(rows) == len(markets) == 134

    def number(value: str) -> Decimal | None:
        return None if value == "-" else Decimal(value)

    for row, market in zip(rows, markets.values(), strict=True):
        assert isinstance(row, MarketTicker)
        stats = market["stats"]
        assert (row.symbol, row.base, row.quote) == (market["symbol"], market["baseAsset"], market["quoteAsset"])
        assert (row.price, row.bid_price, row.ask_price, row.volume_24h, row.quote_volume_24h) == (
            number(stats["lastPrice"]),
            number(stats["bidPrice"]),
            number(stats["askPrice"]),
            number(stats["24h_volume"]),
            number(stats["24h_quoteVolume"]),
        )
        assert row.usdt_tmn == Decimal("32487")
    without = {row.symbol for row in rows if isinstance(row, MarketTicker) and row.price is None}
    assert without == {"1INCHBTC", "APEBTC", "POLSBTC", "YFIBTC"}
    assert {key_of(WALLEX, row).decode() for row in rows} == set(markets)
    assert survives_the_wire(list(rows))


@pytest.mark.parametrize("name", [f"coinmarketcap/{LISTINGS[0]}", "wallex/markets_2022-07-24.json"])
def test_what_is_kept_of_a_row_means_the_same_as_the_venues_text(name: str) -> None:
    text = recorded(name)
    assert exact(dump(load(text))) == exact(text)
