import datetime as dt
from typing import Any

import msgspec
import pytest

from simulator import coinmarketcap, coinmarketcap_generated
from simulator.accounts import Plan
from simulator.coinmarketcap import CoinMarketCap
from simulator.market import Market
from simulator.wire import Request
from tests.unit.simulator.fakes import NOON

MARKET = Market(seed=7)
V1, V3 = "/v1/cryptocurrency/listings/latest", "/v3/cryptocurrency/listings/latest"
KEY = {"x-cmc_pro_api_key": "k"}


class Client:
    def __init__(self, plan: Plan | None = None) -> None:
        self.venue = CoinMarketCap(coinmarketcap_generated.generated(MARKET), plan or Plan())
        self.now = NOON
        self.status = 0

    def get(self, path: str, headers: dict[str, str] = KEY, /, **query: str) -> Any:
        answer = self.venue.answer(Request(path, query, headers), self.now, self.now)
        self.status = answer.status
        return msgspec.json.decode(answer.body)

    def code(self, path: str = V1, headers: dict[str, str] = KEY, /, **query: str) -> tuple[int, int]:
        code = self.get(path, headers, **query)["status"]["error_code"]
        return self.status, code


def test_v1_gives_quotes_by_currency_and_v3_an_array_with_the_same_price() -> None:
    old = Client().get(V1, limit="3")["data"]
    new = Client().get(V3, limit="3")["data"]
    assert [coin["id"] for coin in old] == [coin["id"] for coin in new]
    assert isinstance(new[0]["quote"], list)
    assert new[0]["quote"][0]["symbol"] == "USD"
    assert new[0]["quote"][0]["price"] == old[0]["quote"]["USD"]["price"]


def test_listing_pages_by_start_and_limit_in_rank_order() -> None:
    client = Client()
    whole = client.get(V1)
    page = client.get(V1, start="11", limit="5")["data"]
    assert len(whole["data"]) == 100
    assert whole["status"]["total_count"] == len(MARKET.coins)
    assert [coin["cmc_rank"] for coin in page] == [11, 12, 13, 14, 15]
    assert page == whole["data"][10:15]


@pytest.mark.parametrize("sort", ["market_cap", "price", "volume_24h", "percent_change_24h", "name", "max_supply"])
def test_listing_sorts_by_the_asked_key(sort: str) -> None:
    rows = Client().get(V1, limit="5000", sort=sort)["data"]
    values = [row["quote"]["USD"].get(sort, row.get(sort)) for row in rows]
    present = [value for value in values if value is not None]
    assert values[: len(present)] == present
    assert present == sorted(present, reverse=sort != "name")


def test_converted_price_is_worth_the_same_and_costs_a_credit_more() -> None:
    body = Client().get(V1, limit="2", convert="USD,ETH")
    btc, eth = (row["quote"] for row in body["data"])
    assert btc["ETH"]["price"] == pytest.approx(btc["USD"]["price"] / eth["USD"]["price"], rel=1e-12)
    assert body["status"]["credit_count"] == 2


def test_body_and_its_timestamp_repeat_for_the_60_seconds_of_the_cache() -> None:
    client = Client()
    client.now = NOON + dt.timedelta(seconds=8)
    first = client.get(V3)
    client.now = NOON + dt.timedelta(seconds=67)
    assert client.get(V3) == first
    client.now = NOON + dt.timedelta(seconds=68)
    later = client.get(V3)
    assert later["status"]["timestamp"] == "2026-11-22T12:01:07.314Z"
    assert later["data"] != first["data"]


def test_quotes_are_keyed_by_what_was_asked_in_v1_grouped_in_v2_and_listed_in_v3() -> None:
    client = Client()
    path = "/{}/cryptocurrency/quotes/latest"
    by_id = client.get(path.format("v1"), id="1,1027")["data"]
    assert {key: coin["symbol"] for key, coin in by_id.items()} == {"1": "BTC", "1027": "ETH"}
    beams = client.get(path.format("v2"), symbol="BEAM")["data"]["BEAM"]
    assert [coin["id"] for coin in beams] == [28298, 3702]
    assert client.get(path.format("v1"), symbol="BEAM")["data"]["BEAM"]["id"] == 28298
    assert [coin["id"] for coin in client.get(path.format("v3"), symbol="BEAM,BTC")["data"]] == [28298, 3702, 1]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "0"}, '"limit" must be larger than or equal to 1'),
        ({"limit": "5001"}, '"limit" must be less than or equal to 5000'),
        ({"limit": "x"}, '"limit" must be a number'),
        ({"start": "-1"}, '"start" must be a number'),
        ({"convert": "NOPE"}, 'Invalid value for "convert": "NOPE"'),
        ({"sort": "luck"}, '"sort" must be one of'),
        ({"foo": "1"}, '"foo" is not allowed'),
    ],
)
def test_bad_parameters_are_refused_with_400(query: dict[str, str], message: str) -> None:
    client = Client()
    body = client.get(V1, **query)
    assert (client.status, body["status"]["error_code"]) == (400, 400)
    assert message in body["status"]["error_message"]
    assert "data" not in body
    assert body["status"]["credit_count"] == 0


def test_unknown_symbol_in_quotes_is_refused_with_400() -> None:
    assert Client().code("/v2/cryptocurrency/quotes/latest", symbol="NOPE") == (400, 400)


def test_missing_key_is_1002_and_a_wrong_one_1001() -> None:
    client = Client(Plan(key="right"))
    assert client.code(V1, {}) == (401, 1002)
    assert client.code(V1, {"x-cmc_pro_api_key": "wrong"}) == (401, 1001)
    assert client.code(V1, {"x-cmc_pro_api_key": "right"}) == (200, 0)
    assert client.code(V1, {}, CMC_PRO_API_KEY="right") == (200, 0)


def test_minute_limit_refuses_with_1008_until_the_next_simulated_minute() -> None:
    client = Client(Plan(requests_per_minute=2))
    assert [client.code() for _ in range(3)] == [(200, 0), (200, 0), (429, 1008)]
    client.now = NOON + dt.timedelta(seconds=59)
    assert client.code() == (429, 1008)
    client.now = NOON + dt.timedelta(seconds=60)
    assert client.code() == (200, 0)


def test_day_and_month_credits_run_out_with_1009_and_1010_and_come_back() -> None:
    client = Client(Plan(credits_per_day=1, credits_per_month=2))
    assert client.code() == (200, 0)
    assert client.code() == (429, 1009)
    client.now = NOON + dt.timedelta(days=1)
    assert client.code() == (200, 0)
    client.now = NOON + dt.timedelta(days=2)
    assert client.code() == (429, 1010)
    client.now = NOON + dt.timedelta(days=10)
    assert client.code() == (200, 0)


def test_a_refused_request_costs_no_credit() -> None:
    client = Client(Plan(credits_per_month=1))
    assert client.code(V1, limit="0") == (400, 400)
    assert client.code() == (200, 0)


def test_unknown_path_is_404() -> None:
    client = Client()
    client.get("/v1/cryptocurrency/map")
    assert client.status == 404


def test_shifting_a_body_moves_quotes_and_status_and_nothing_else() -> None:
    body = b'{"status":{"timestamp":"2024-03-19T22:06:29.658Z"},"data":[{"date_added":"2010-07-13T00:00:00.000Z",'
    body += b'"last_updated":"2024-03-19T22:05:00.000Z"}]}'
    moved = coinmarketcap.shift_body(body, dt.timedelta(hours=2))
    assert moved == body.replace(b"T22:06", b"T00:06").replace(b"T22:05", b"T00:05").replace(b"-19T", b"-20T")
