"""CoinMarketCap's parser, error codes, credits and requests."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import CoinQuote, Rejected, decode, encode
from contracts.settings import IngestSettings
from ingest.credits import CreditBudget
from ingest.sources.coin_market_cap import CoinMarketCap, check_status, parse
from ingest.wire_json import load
from tests.unit.ingest.fakes import NOON, FakeHttp, FakeTime, answer, at, drain, surroundings

SECRET = "b1946ac9-not-to-be-seen"


def coin(cmc_id: int = 1, symbol: str = "BTC", rank: int | None = 1, **quote: Any) -> dict[str, Any]:
    return {
        "id": cmc_id,
        "name": f"Coin {cmc_id}",
        "symbol": symbol,
        "cmc_rank": rank,
        "circulating_supply": 19658850,
        "last_updated": "2024-03-19T11:59:00.000Z",
        "quote": {"USD": {"price": 63857.73, "market_cap": 1255369550893.08, **quote}},
    }


def body(data: Any, code: Any = 0) -> str:
    return json.dumps({"status": {"error_code": code, "error_message": None}, "data": data})


def rows(data: Any) -> list[CoinQuote | Rejected]:
    return parse(body(data), NOON, at(1))


def only(data: Any) -> CoinQuote:
    [row] = rows(data)
    assert isinstance(row, CoinQuote)
    return row


def reasons(text: str) -> list[str]:
    return [row.reason for row in parse(text, NOON, at(1)) if isinstance(row, Rejected)]


def test_a_v1_listing_becomes_a_quote() -> None:
    assert only([coin(volume_24h=1, percent_change_24h=-5.43)]) == CoinQuote(
        venue="coin_market_cap",
        event_time=dt.datetime(2024, 3, 19, 11, 59, tzinfo=dt.UTC),
        ingest_time=at(1),
        poll_time=NOON,
        cmc_id=1,
        coin="BTC",
        symbol="BTC",
        name="Coin 1",
        quote="USD",
        price=Decimal("63857.73"),
        cmc_rank=1,
        market_cap=Decimal("1255369550893.08"),
        volume_24h=Decimal(1),
        circulating_supply=Decimal(19658850),
        percent_change_24h=Decimal("-5.43"),
    )


def as_v3(row: dict[str, Any]) -> dict[str, Any]:
    others = [{"id": 1, "symbol": "BTC", "price": 1}]
    return {**row, "quote": [*others, {"id": 2781, "symbol": "USD", **row["quote"]["USD"]}]}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param([as_v3(coin())], id="v3: quote is an array"),
        pytest.param({"1": coin()}, id="v1 quotes: an object by id"),
        pytest.param({"BTC": [coin()]}, id="v2 quotes: an object of arrays by symbol"),
        pytest.param({"1": as_v3(coin())}, id="v3 quotes: an object by id"),
    ],
)
def test_every_shape_of_the_venue_becomes_the_same_quote(data: Any) -> None:
    assert only(data) == only([coin()])


def test_digits_are_read_from_the_text_of_the_number() -> None:
    text = body([coin()]).replace("63857.73", "0.1000000000000000055511151231257827021181583404541015625")
    [row] = parse(text, NOON, at(1))
    assert isinstance(row, CoinQuote)
    assert str(row.price) == "0.1000000000000000055511151231257827021181583404541015625"
    assert decode(encode(row), CoinQuote) == row


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("1e-12", "0.000000000001"),
        ("1e12", "1000000000000"),
        ("99999999999999999999", "99999999999999999999"),
        ("0e30", "0"),
    ],
)
def test_tiny_and_huge_prices_are_kept_and_written_without_an_exponent(written: str, price: str) -> None:
    [row] = parse(body([coin()]).replace("63857.73", written), NOON, at(1))
    assert json.loads(encode(row))["price"] == price


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("null", "price: expected a number, found null"),
        ("NaN", "price: expected a finite number, found NaN"),
        ("-Infinity", "price: expected a finite number, found -Infinity"),
        ("true", "price: expected a number, found true"),
        ('"-"', 'price: expected a number, found "-"'),
        ('"1_000"', 'price: expected a number, found "1_000"'),
        ("{}", "price: expected a number, found {}"),
        ("1e20", "price: expected at most 20 digits before the point, found 1e20"),
        ("1e999999999999", "price: expected a number, found 1e999999999999"),
        ("1e-999999", "price: expected at most 200 digits after the point, found 1e-999999"),
    ],
)
def test_a_bad_price_rejects_its_row_only(price: str, reason: str) -> None:
    text = body([coin(), coin(2, "ETH", 2, price=1)]).replace("63857.73", price)
    found = parse(text, NOON, at(1))
    assert [row.reason if isinstance(row, Rejected) else row.coin for row in found] == [reason, "ETH"]
    rejected = found[0]
    assert isinstance(rejected, Rejected)
    assert rejected.payload.decode() == json.dumps(coin()).replace("63857.73", price)
    assert (rejected.venue, rejected.stream, rejected.event_time) == ("coin_market_cap", "coin_market_cap", NOON)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "id: expected a whole number of at least 1, found null"),
        ({"id": 0}, "id: expected a whole number of at least 1, found 0"),
        ({"symbol": ""}, 'symbol: expected a text, found ""'),
        ({"symbol": "\ud800"}, 'symbol: expected a text, found "\\ud800"'),
        ({"name": 5}, "name: expected a text, found 5"),
        ({"cmc_rank": "first"}, 'cmc_rank: expected a whole number of at least 0, found "first"'),
        ({"last_updated": None}, "last_updated: expected an RFC 3339 time, found null"),
        (
            {"last_updated": "2024-03-19T11:59:00"},
            'last_updated: expected an RFC 3339 time, found "2024-03-19T11:59:00"',
        ),
        (
            {"last_updated": "2024-03-19T12:01:02.000Z"},
            "last_updated: expected at most 60 s ahead of the ingest time 2024-03-19T12:00:01.000Z, "
            "found 2024-03-19T12:01:02.000Z",
        ),
        ({"quote": {"EUR": {}}}, "quote.USD: expected an object, found nothing"),
        ({"quote": []}, "quote: expected one in USD, found none"),
        ({"quote": None}, "quote: expected an object or an array, found null"),
        (
            {"circulating_supply": 10**30},
            "circulating_supply: expected at most 30 digits before the point, found 1000000000000000000000000000000",
        ),
    ],
)
def test_a_bad_field_rejects_its_row_with_the_reason(change: dict[str, Any], reason: str) -> None:
    assert reasons(body([{**coin(), **change}, coin(2, "ETH", 2)])) == [reason]


def test_a_row_that_is_no_object_and_a_repeated_coin_are_rejected() -> None:
    assert reasons(body(["BTC", coin(), coin()])) == [
        'coin: expected an object, found "BTC"',
        "id: expected once per answer, found 1 again",
    ]


def test_a_symbol_belongs_to_its_best_ranked_coin() -> None:
    data = [coin(7, "X", None), coin(3, "X", 900), coin(2, "X", 12), coin(9, "Y", None), coin(8, "Y", None)]
    assert [row.coin for row in rows(data) if isinstance(row, CoinQuote)] == ["X-7", "X-3", "X", "Y-9", "Y"]


def test_a_rejected_row_keeps_its_symbol_from_a_lesser_coin() -> None:
    found = rows([coin(1, "BTC", 1, price=None), coin(99, "BTC", 3000)])
    assert [row.coin for row in found if isinstance(row, CoinQuote)] == ["BTC-99"]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ('{"status": {"error_code": 0}, "data": [{"id"', "json", "expected JSON, found Expecting ':' delimiter"),
        ("[" * 100_000, "json", "expected JSON, found too many nested values"),
        ("[]", "shape", "answer: expected an object, found []"),
        ("{}", "shape", "status: expected an object, found nothing"),
        ('{"status": {}}', "shape", "status.error_code: expected a whole number, found nothing"),
        ('{"status": {"error_code": 0}}', "shape", "data: expected an array or an object, found nothing"),
        ('{"status": {"error_code": 0}, "data": []}', "empty", "expected at least one coin, found none"),
    ],
)
def test_a_body_that_is_no_answer_is_a_named_error(text: str, kind: str, message: str) -> None:
    with pytest.raises(TransientSourceError) as caught:
        parse(text, NOON, at(1))
    assert caught.value.kind == kind
    assert message in str(caught.value)


@pytest.mark.parametrize("code", [*range(1001, 1008), 400])
def test_codes_that_every_try_would_meet_are_fatal(code: int) -> None:
    with pytest.raises(FatalSourceError, match=rf"^coin_market_cap: .*\(code {code}\)$"):
        parse(body(None, code), NOON, at(1))


@pytest.mark.parametrize(
    ("code", "now", "asked", "expected"),
    [
        (1008, dt.datetime(2024, 3, 19, 12, 0, 17, 500_000, tzinfo=dt.UTC), None, 42.5),
        (1008, dt.datetime(2024, 3, 19, 12, 0, 17, tzinfo=dt.UTC), 5, 43),
        (1008, dt.datetime(2024, 3, 19, 12, 0, 17, tzinfo=dt.UTC), 90, 90),
        (1009, dt.datetime(2024, 3, 19, 23, 0, tzinfo=dt.UTC), None, 3600),
        (1010, dt.datetime(2024, 2, 28, 0, 0, tzinfo=dt.UTC), None, 2 * 86_400),
        (1011, NOON, None, None),
        (1011, NOON, 9, 9),
        (500, NOON, None, None),
        (4242, NOON, None, None),
    ],
)
def test_codes_that_may_pass_wait_for_their_period(
    code: int, now: dt.datetime, asked: float | None, expected: float | None
) -> None:
    with pytest.raises(TransientSourceError) as caught:
        check_status(load(body(None, code)), now, asked)
    assert caught.value.retry_after == expected


def source(
    http: FakeHttp, time: FakeTime, stale: list[tuple[str, int]] | None = None, **settings: Any
) -> CoinMarketCap:
    chosen = IngestSettings(coinmarketcap_api_key=SecretStr(SECRET), _env_file=None, **settings)
    return CoinMarketCap(chosen, surroundings(http, time, stale))


async def test_the_key_travels_in_the_header_only() -> None:
    http = FakeHttp(answer(body([coin()])))
    await drain(source(http, FakeTime(), coinmarketcap_url="http://venue/cmc/", coinmarketcap_coins=250).records())
    assert http.requests == [
        (
            "http://venue/cmc/v3/cryptocurrency/listings/latest",
            {"start": "1", "limit": "250", "convert": "USD"},
            {"Accept": "application/json", "X-CMC_PRO_API_KEY": SECRET},
        )
    ]


@pytest.mark.parametrize("status", [200, 401])
async def test_a_wrong_key_is_one_clear_line_without_the_key(status: int) -> None:
    wrong = body(None, 1001).replace("null", f'"This API Key {SECRET} is invalid."', 1)
    with pytest.raises(FatalSourceError) as caught:
        await drain(source(FakeHttp(answer(wrong, status=status)), FakeTime()).records())
    assert str(caught.value) == (
        "coin_market_cap: the API key is invalid: check COINLAKE_COINMARKETCAP_API_KEY (code 1001)"
    )


async def test_a_missing_key_is_one_clear_line_and_no_empty_header_is_sent() -> None:
    http = FakeHttp(answer(body(None, 1002), status=401))
    made = CoinMarketCap(IngestSettings(_env_file=None), surroundings(http, FakeTime()))
    with pytest.raises(FatalSourceError) as caught:
        await drain(made.records())
    assert (
        str(caught.value) == "coin_market_cap: the API key is missing: set COINLAKE_COINMARKETCAP_API_KEY (code 1002)"
    )
    assert http.requests[0][2] == {"Accept": "application/json"}


async def test_an_error_status_without_the_venues_body_is_told_by_its_status() -> None:
    with pytest.raises(TransientSourceError, match="found 502") as caught:
        await drain(source(FakeHttp(answer("<html>", status=502)), FakeTime()).records())
    assert caught.value.kind == "http_5xx"


async def test_a_spent_budget_makes_no_request_and_comes_back_with_the_month() -> None:
    http, time = FakeHttp(*[answer(body([coin()]))] * 3), FakeTime()
    made = source(http, time, coinmarketcap_coins=250, coinmarketcap_credits_per_month=5)
    await drain(made.records())
    await drain(made.records())
    with pytest.raises(TransientSourceError) as caught:
        await drain(made.records())
    assert str(caught.value) == "credit budget spent"
    assert len(http.requests) == 2
    assert caught.value.retry_after == (dt.datetime(2024, 4, 1, tzinfo=dt.UTC) - NOON).total_seconds()
    time.seconds += caught.value.retry_after
    await drain(made.records())
    assert len(http.requests) == 3


async def test_an_answer_with_an_error_costs_no_credit() -> None:
    http = FakeHttp(answer(body(None, 500), status=500), answer(body([coin()])))
    made = source(http, FakeTime(), coinmarketcap_credits_per_month=1)
    with pytest.raises(TransientSourceError):
        await drain(made.records())
    assert len(await drain(made.records())) == 1


def test_a_new_month_has_a_new_budget() -> None:
    budget = CreditBudget(1)
    assert [budget.take(1, dt.datetime(2024, 1, day, tzinfo=dt.UTC)) for day in (1, 31)] == [True, False]
    assert budget.take(1, dt.datetime(2024, 2, 1, tzinfo=dt.UTC))


async def test_quotes_older_than_the_newest_of_their_coin_are_left_out_and_counted() -> None:
    older, newer = "2024-03-19T11:58:00.000Z", "2024-03-19T11:59:30.000Z"
    first = [coin(1, "BTC"), coin(2, "ETH", 2)]
    second = [{**coin(1, "BTC"), "last_updated": older}, {**coin(2, "ETH", 2), "last_updated": newer}]
    stale: list[tuple[str, int]] = []
    http = FakeHttp(*[answer(body(data)) for data in (first, second, first[:1])])
    made = source(http, FakeTime(), stale)
    assert len(await drain(made.records())) == 2
    assert [row.coin for row in await drain(made.records()) if isinstance(row, CoinQuote)] == ["ETH"]
    assert len(await drain(made.records())) == 1, "an equal time is a repeat, not an older quote"
    assert stale == [("coin_market_cap", 1)]


async def test_an_answer_of_only_older_quotes_is_no_served_poll() -> None:
    old = {**coin(), "last_updated": "2024-03-19T11:58:00.000Z"}
    made = source(FakeHttp(answer(body([coin()])), answer(body([old]))), FakeTime())
    await drain(made.records())
    with pytest.raises(TransientSourceError, match="expected newer quotes, found only older ones"):
        await drain(made.records())


async def test_a_body_of_another_shape_is_kept_as_rejected_before_the_error() -> None:
    made = source(FakeHttp(answer('{"status": {"error_code": 0}, "data": 5}')), FakeTime())
    kept = []
    with pytest.raises(TransientSourceError) as caught:
        async for record in made.records():
            kept.append(record)
    [rejected] = kept
    assert isinstance(rejected, Rejected)
    assert rejected.reason == str(caught.value) == "data: expected an array or an object, found 5"
    assert rejected.payload == b'{"status": {"error_code": 0}, "data": 5}'
