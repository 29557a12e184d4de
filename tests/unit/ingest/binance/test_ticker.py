"""Polled prices."""

from decimal import Decimal

import pytest

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import PriceTicker, Rejected
from contracts.settings import IngestSettings
from ingest.sources.binance.ticker import BinanceTicker
from tests.unit.ingest.binance.venue import FakeBinance
from tests.unit.ingest.fakes import NOON, FakeTime, answer, at, drain, surroundings


def source(venue: FakeBinance, *symbols: str) -> BinanceTicker:
    settings = IngestSettings(_env_file=None, binance_url="http://venue", binance_symbols=symbols)
    return BinanceTicker(settings, surroundings(venue, venue.time))


async def test_a_poll_is_one_request_for_all_symbols_and_they_are_listed_once() -> None:
    venue = FakeBinance(FakeTime())
    ticker = source(venue, "BTCUSDT", "ETHUSDT")
    first = await drain(ticker.records())
    venue.time.seconds = 60
    second = await drain(ticker.records())
    assert first[0] == PriceTicker(
        venue="binance",
        event_time=NOON,
        ingest_time=NOON,
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        price=Decimal("1.50"),
    )
    assert [(row.event_time, getattr(row, "symbol", "")) for row in second] == [
        (at(60), "BTCUSDT"),
        (at(60), "ETHUSDT"),
    ]
    assert [path for path, _ in venue.requests] == ["exchangeInfo", "ticker/price", "ticker/price"]
    assert venue.requests[1][1] == {"symbols": '["BTCUSDT","ETHUSDT"]'}


async def test_an_older_answer_is_left_out() -> None:
    venue = FakeBinance(FakeTime())
    ticker = source(venue, "BTCUSDT")
    await drain(ticker.records())
    venue.skew = -10
    with pytest.raises(TransientSourceError) as caught:
        await drain(ticker.records())
    assert caught.value.kind == "stale"


async def test_a_bad_price_is_rejected_and_a_missing_symbol_fails_the_poll() -> None:
    venue = FakeBinance(FakeTime())
    ticker = source(venue, "BTCUSDT", "ETHUSDT")
    await drain(ticker.records())
    venue.failures = [answer([{"symbol": "BTCUSDT", "price": "-"}, {"symbol": "ETHUSDT", "price": "2", "new": 1}])]
    bad, good = await drain(ticker.records())
    assert isinstance(bad, Rejected)
    assert bad.reason == 'price: expected a number, found "-"'
    assert isinstance(good, PriceTicker)
    venue.failures = [answer([{"symbol": "BTCUSDT", "price": "2"}])]
    twice = [{"symbol": "BTCUSDT", "price": "2"}] * 2
    for lacking in ([{"symbol": "BTCUSDT", "price": "2"}], twice):
        venue.failures = [answer(lacking)]
        with pytest.raises(TransientSourceError, match="expected prices of 2 symbols, found none of ETHUSDT"):
            await drain(ticker.records())


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": -1121, "msg": "Invalid symbol."}, None),
        (400, {"code": -1102, "msg": "Mandatory parameter"}, None),
        (200, {"code": -1121, "msg": "Invalid symbol."}, None),
        (401, "no", None),
        (400, {"code": -1003, "msg": "Too many"}, "rate_limited"),
        (429, {"code": -1003, "msg": "Too many"}, "rate_limited"),
        (418, {"code": -1003, "msg": "Way too many"}, "banned"),
        (503, {"code": -1008, "msg": "Server is currently overloaded"}, "http_5xx"),
        (502, "<html>", "http_5xx"),
        (403, "<html>", "firewall"),
        (200, "<html>", "html"),
        (200, '[{"symbol": "BTC', "json"),
        (200, {"symbols": []}, "missing"),
    ],
)
async def test_errors_are_told_apart(status: int, body: object, kind: str | None) -> None:
    venue = FakeBinance(FakeTime())
    ticker = source(venue, "BTCUSDT", "ETHUSDT")
    await drain(ticker.records())
    venue.failures = [answer(body, status=status)]
    with pytest.raises(FatalSourceError if kind is None else TransientSourceError) as caught:
        await drain(ticker.records())
    assert kind is None or getattr(caught.value, "kind", None) == kind


async def test_nothing_is_asked_while_the_venue_asks_to_pause() -> None:
    venue = FakeBinance(FakeTime())
    ticker = source(venue, "BTCUSDT")
    await drain(ticker.records())
    venue.failures = [answer({"code": -1003, "msg": "Too many"}, status=418, retry_after=300)]
    with pytest.raises(TransientSourceError):
        await drain(ticker.records())
    asked = len(venue.requests)
    venue.time.seconds += 100
    with pytest.raises(TransientSourceError) as caught:
        await drain(ticker.records())
    assert caught.value.retry_after == pytest.approx(200)
    assert len(venue.requests) == asked
