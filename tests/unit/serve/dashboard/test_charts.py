"""The charts: what of a frame is drawn, and where."""

from decimal import Decimal

from serve.dashboard import charts
from serve.dashboard.ask import frame
from tests.unit.serve.dashboard.stores import NOON, answers


def test_longs_are_drawn_below_zero_and_shorts_above() -> None:
    chart = charts.per_minute(frame(answers()["liquidations_per_minute"], drawn=["notional"]))
    drawn = {row["side"]: row["drawn"] for row in chart.data.to_dict("records")}
    assert drawn == {"long": -1500.5, "short": 20.0}


def test_the_symbols_of_the_greatest_notional_come_first_and_small_ones_not_at_all() -> None:
    rows = [
        {"symbol": f"C{number}USDT", "side": "long", "notional": Decimal(number), "liquidations": 1}
        for number in range(20)
    ]
    chart = charts.by_symbol(frame(rows, drawn=["notional"]), most=3)
    assert sorted(chart.data["symbol"]) == ["C17USDT", "C18USDT", "C19USDT"]
    assert chart.to_dict()["encoding"]["y"]["sort"] == ["C19USDT", "C18USDT", "C17USDT"]


def test_times_are_drawn_in_utc() -> None:
    rows = frame(answers()["candles"], drawn=["open", "high", "low", "close", "volume"])
    layers = charts.candles(rows).to_dict()["layer"]
    assert {layer["encoding"]["x"]["scale"]["type"] for layer in layers} == {"utc"}
    area = charts.area(rows, "open_time", "close", "x").to_dict()
    assert area["encoding"]["x"]["scale"]["type"] == "utc"
    minutes = charts.per_minute(frame(answers()["liquidations_per_minute"], drawn=["notional"])).to_dict()
    # A tooltip has no scale: without a unit of UTC it would tell the time of whoever looks.
    told = [
        one for chart in (*layers, area, minutes) for one in chart["encoding"]["tooltip"] if one["type"] == "temporal"
    ]
    assert len(told) == 4
    assert {one["timeUnit"] for one in told} == {"utcyearmonthdatehoursminutes"}


def test_a_wick_goes_from_low_to_high_and_a_body_from_open_to_close() -> None:
    rows = frame(answers()["candles"], drawn=["open", "high", "low", "close", "volume"])
    wick, body = charts.candles(rows).to_dict()["layer"]
    assert (wick["encoding"]["y"]["field"], wick["encoding"]["y2"]["field"]) == ("low", "high")
    assert (body["encoding"]["y"]["field"], body["encoding"]["y2"]["field"]) == ("open", "close")


def test_sentiment_and_price_are_drawn_to_scales_of_their_own() -> None:
    rows = frame(answers()["hourly_sentiment"], drawn=["original_sentiment", "close", "price_return"])
    chart = charts.sentiment(rows).to_dict()
    bars, line = chart["layer"]
    assert bars["encoding"]["y"]["field"] == "original_sentiment"
    low, high = bars["encoding"]["y"]["scale"]["domain"]
    assert low == -high
    assert 0.5 < high < 0.6
    assert line["encoding"]["y"]["field"] == "close"
    assert chart["resolve"]["scale"]["y"] == "independent"


def test_a_frame_keeps_decimals_that_are_not_drawn() -> None:
    made = frame([{"price": Decimal("0.10"), "at": NOON}, {"price": None, "at": NOON}], drawn=["nothing"])
    assert str(made["price"][0]) == "0.10"
    assert made["price"][1] is None
