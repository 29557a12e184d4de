"""A tape out of a recording: what cannot be read of an answer is left out, and never stops a recording from playing."""

import datetime as dt

import pytest

from simulator.binance.recorded import recorded_tape
from simulator.recording import Played, RecordedRequest
from simulator.wire import Answer

NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "body",
    [
        b'{"code": -1003, "msg": "Too many requests."}',
        b"<html>maintenance</html>",
        b'"maintenance"',
        b'[{"price": "1"}, 7]',
        b'[{"symbol": "ABCXYZ", "price": "1"}]',
    ],
)
def test_an_answer_without_prices_is_played_and_lists_nothing(body: bytes) -> None:
    prices = RecordedRequest("GET", "/api/v3/ticker/price")
    good = Played(NOON, prices, Answer(b'[{"symbol": "BTCUSDT", "price": "1"}]'))
    tape = recorded_tape([good, Played(NOON, prices, Answer(body))])
    assert tape.symbols == {"BTCUSDT": ("BTC", "USDT")}
