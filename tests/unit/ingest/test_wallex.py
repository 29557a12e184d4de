"""Wallex's parser and requests."""

import json
from decimal import Decimal
from typing import Any

import pytest

from contracts.errors import TransientSourceError
from contracts.records import MarketTicker, Rejected
from contracts.settings import IngestSettings
from ingest.sources.wallex import Wallex, parse
from tests.unit.ingest.fakes import NOON, FakeHttp, FakeTime, answer, at, drain, surroundings


def market(symbol: str = "BTCTMN", base: str = "BTC", quote: str = "TMN", **stats: Any) -> dict[str, Any]:
    return {"symbol": symbol, "baseAsset": base, "quoteAsset": quote, "stats": {"lastPrice": "1.5", **stats}}


def body(*markets: Any) -> str:
    symbols = ", ".join(f"{json.dumps(str(row['symbol']))}: {json.dumps(row)}" for row in markets)
    return f'{{"success": true, "result": {{"symbols": {{{symbols}}}}}}}'


def tickers(text: str) -> list[MarketTicker]:
    return [row for row in parse(text, NOON, at(1)) if isinstance(row, MarketTicker)]


def reasons(text: str) -> list[str]:
    return [row.reason for row in parse(text, NOON, at(1)) if isinstance(row, Rejected)]


def test_a_market_becomes_a_ticker_with_the_toman_rate_of_its_own_answer() -> None:
    text = body(
        market(
            lastPrice="2074000000.0000000000000000",
            bidPrice=2073999999.5,
            askPrice="2074000001",
            **{"24h_volume": "3.25", "24h_quoteVolume": "6740500000", "lastQty": "2074000000"},
        ),
        market("USDTTMN", "USDT", lastPrice="32487.0000000000000000"),
    )
    [btc, usdt] = tickers(text)
    assert btc == MarketTicker(
        venue="wallex",
        event_time=NOON,
        ingest_time=at(1),
        symbol="BTCTMN",
        base="BTC",
        quote="TMN",
        price=Decimal("2074000000"),
        usdt_tmn=Decimal("32487"),
        bid_price=Decimal("2073999999.5"),
        ask_price=Decimal("2074000001"),
        volume_24h=Decimal("3.25"),
        quote_volume_24h=Decimal("6740500000"),
    )
    assert usdt.price == usdt.usdt_tmn == Decimal("32487")


@pytest.mark.parametrize("stats", [{"lastPrice": "-"}, {"lastPrice": None}, {}, None])
def test_a_market_without_a_price_is_kept_with_null(stats: Any) -> None:
    row = {**market(), "stats": stats}
    [found] = tickers(body(row))
    assert found.price is None
    assert found.usdt_tmn is None


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        ("NaN", "price: expected a finite number, found NaN"),
        ("abc", 'price: expected a number, found "abc"'),
        ("١٢", 'price: expected a number, found "١٢"'),
        ("123456789012345678901", "price: expected at most 20 digits before the point, found 123456789012345678901"),
        (False, "price: expected a number, found false"),
    ],
)
def test_a_bad_price_rejects_its_row_only(price: Any, reason: str) -> None:
    text = body(market(lastPrice=price), market("ETHTMN", "ETH"))
    assert reasons(text) == [reason]
    assert [row.symbol for row in tickers(text)] == ["ETHTMN"]


def test_a_rejected_rate_leaves_the_other_markets_without_one() -> None:
    text = body(market(), market("USDTTMN", "USDT", lastPrice="NaN"))
    assert [(row.symbol, row.usdt_tmn) for row in tickers(text)] == [("BTCTMN", None)]


def test_the_second_of_a_repeated_symbol_is_rejected() -> None:
    text = body(market(lastPrice="1"), market(lastPrice="2"))
    assert [row.price for row in tickers(text)] == [Decimal(1)]
    assert reasons(text) == ['symbol: expected once per answer, found "BTCTMN" again']


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"symbol": 5}, "symbol: expected a text, found 5"),
        ({"baseAsset": None}, "baseAsset: expected a text, found null"),
        ({"stats": "none"}, 'stats: expected an object, found "none"'),
    ],
)
def test_a_bad_field_rejects_its_row_with_the_reason(change: dict[str, Any], reason: str) -> None:
    assert reasons(body({**market(), **change})) == [reason]


def test_an_answer_whose_date_is_ahead_is_rejected_as_a_whole() -> None:
    text = body(market(), market("ETHTMN"))
    [row] = parse(text, at(62), at(1))
    assert isinstance(row, Rejected)
    assert row.reason == (
        "Date: expected at most 60 s ahead of the ingest time 2024-03-19T12:00:01.000Z, found 2024-03-19T12:01:02.000Z"
    )
    assert row.payload == text.encode()
    assert row.event_time == at(1), "or it would itself be too far ahead"
    assert len(parse(text, at(61), at(1))) == 2


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", "json", "expected JSON, found Expecting value at character 0 of 0"),
        ("5", "shape", "answer: expected an object, found 5"),
        ('{"success": false, "code": 1201}', "no_success", "expected success true, found false (code 1201)"),
        ('{"success": true}', "shape", "result: expected an object, found nothing"),
        ('{"success": true, "result": {"symbols": []}}', "shape", "result.symbols: expected an object, found []"),
        ('{"success": true, "result": {"symbols": {}}}', "empty", "expected at least one market, found none"),
    ],
)
def test_a_body_that_is_no_answer_is_a_named_error(text: str, kind: str, message: str) -> None:
    with pytest.raises(TransientSourceError) as caught:
        parse(text, NOON, at(1))
    assert caught.value.kind == kind
    assert str(caught.value).removeprefix("wallex: ") == message


async def test_an_answer_with_an_older_date_is_left_out_as_a_whole() -> None:
    stale: list[tuple[str, int]] = []
    http = FakeHttp(*[answer(body(market()), date=date) for date in (at(60), at(30), at(60))])
    settings = IngestSettings(_env_file=None, wallex_url="http://venue/wallex")
    time = FakeTime()
    time.seconds = 60
    made = Wallex(settings, surroundings(http, time, stale))
    assert len(await drain(made.records())) == 1
    with pytest.raises(TransientSourceError) as caught:
        await drain(made.records())
    assert caught.value.kind == "stale"
    assert str(caught.value) == (
        "wallex: expected a Date of 2024-03-19T12:01:00.000Z or later, found 2024-03-19T12:00:30.000Z"
    )
    assert stale == [("wallex", 1)]
    assert len(await drain(made.records())) == 1
    assert http.requests[0][0] == "http://venue/wallex/v1/markets"
