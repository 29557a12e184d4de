"""The market join against `pandas.merge_asof(direction="nearest", tolerance=30 s)`, streamed and in batch."""

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from contracts.settings import JobSettings
from spark_jobs.join_markets import plan
from tests.streaming.rows import Row, at, drain, exactly, quote, quotes_of, ticker, tickers_of

RULES = JobSettings()
HOUR = 3600.0
CLOSING_QUOTES = [quote(24 * HOUR, "1", 900_000, coin="CLOSE")]
CLOSING_TICKERS = [ticker(24 * HOUR, "1", 900_000, symbol="OTHERTMN")]
"""A day later, and of different coins: they join nothing and close everything before them."""

Chosen = dict[tuple[str, dt.datetime, str], tuple[dt.datetime, Decimal]]
"""Ticker time and price, by coin, quote time and market."""


def oracle(quotes: Sequence[Row], tickers: Sequence[Row]) -> Chosen:
    """Say, by pandas alone, which ticker each quote of each market gets."""
    asked = pd.DataFrame([row for row in quotes if not row["repeat"]]).sort_values("event_time", kind="stable")
    given = pd.DataFrame([row for row in tickers if not row["repeat"] and row["price"] is not None])
    joined: Chosen = {}
    for market, rows in given.groupby("symbol"):
        near = rows.sort_values("event_time", kind="stable")[["event_time", "base", "price"]]
        found = pd.merge_asof(
            asked[["coin", "event_time"]],
            near.rename(columns={"event_time": "ticker_time", "base": "coin"}),
            left_on="event_time",
            right_on="ticker_time",
            by="coin",
            direction="nearest",
            tolerance=pd.Timedelta(seconds=30),
        ).dropna(subset="ticker_time")
        for coin, time, ticker_time, price in found.itertuples(index=False, name=None):
            joined[coin, time.to_pydatetime(), str(market)] = (ticker_time.to_pydatetime(), price)
    return joined


def chosen(rows: Sequence[Row]) -> Chosen:
    """Bring snapshots into the form of the oracle; no two may share their identity."""
    found = {
        (row["coin"], row["event_time"].astimezone(dt.UTC), row["market"]): (
            row["ticker_time"].astimezone(dt.UTC),
            row["price"],
        )
        for row in rows
    }
    assert len(found) == len(rows)
    return found


def batch(spark: SparkSession, folder: Path, quotes: Sequence[Row], tickers: Sequence[Row]) -> list[Row]:
    frame = plan(quotes_of(spark, folder, quotes).read(), tickers_of(spark, folder, tickers).read(), RULES)
    return [row.asDict() for row in frame.collect()]


def streamed(
    spark: SparkSession, folder: Path, quotes: Sequence[Sequence[Row]], tickers: Sequence[Sequence[Row]]
) -> list[Row]:
    """Run the stream batch by batch, then push closing records twice: the watermark moves after a batch."""
    asked = quotes_of(spark, folder, *quotes, CLOSING_QUOTES, CLOSING_QUOTES)
    given = tickers_of(spark, folder, *tickers, CLOSING_TICKERS, CLOSING_TICKERS)
    return drain(plan(asked.read_stream(), given.read_stream(), RULES), f"join_{folder.name}".replace("-", "_"))


def test_random_markets_streamed_and_in_batch_equal_the_oracle_row_for_row(spark: SparkSession, tmp_path: Path) -> None:
    """Four coins, two markets each, an hour: out of order within lateness, repeats, nulls, equal times."""
    draw = random.Random(20261122)
    arrivals: list[tuple[float, str, Row]] = []
    for number in range(1200):
        coin = draw.choice(["BTC", "ETH", "SOL", "1INCH"])
        second = float(draw.randrange(3600)) if draw.random() < 0.5 else draw.randrange(3_600_000) / 1000
        row = quote(second, f"{draw.randrange(1, 10**9)}e-4", number, coin=coin, repeat=draw.random() < 0.1)
        arrivals.append((second + draw.uniform(0, 890), "quote", row))
    for number in range(1200):
        unit = draw.choice(["TMN", "USDT"])
        second = float(draw.randrange(3600)) if draw.random() < 0.5 else draw.randrange(3_600_000) / 1000
        price = None if draw.random() < 0.1 else f"{draw.randrange(1, 10**9)}e-3"
        symbol = draw.choice(["BTC", "ETH", "SOL", "1INCH"]) + unit
        row = ticker(second, price, number, symbol=symbol, quote=unit, repeat=draw.random() < 0.1)
        arrivals.append((second + draw.uniform(0, 110), "ticker", row))
    quotes, tickers = _once_per_event(arrivals, "quote", "coin"), _once_per_event(arrivals, "ticker", "symbol")
    expected = oracle([row for _, row in quotes], [row for _, row in tickers])
    assert len(expected) > 500
    in_batch = batch(spark, tmp_path / "batch", [row for _, row in quotes], [row for _, row in tickers])
    assert chosen(in_batch) == expected
    by_stream = streamed(spark, tmp_path / "stream", _in_batches(quotes), _in_batches(tickers))
    assert chosen(by_stream) == expected
    key = ("coin", "event_time", "market")
    assert sorted(by_stream, key=lambda row: [str(row[name]) for name in key]) == sorted(
        in_batch, key=lambda row: [str(row[name]) for name in key]
    )


def _once_per_event(arrivals: list[tuple[float, str, Row]], kind: str, name: str) -> list[tuple[float, Row]]:
    """Keep one row per event that is no repeat, as landing does."""
    seen: set[tuple[str, dt.datetime]] = set()
    kept = []
    for arrival, row in [(arrival, row) for arrival, found, row in arrivals if found == kind]:
        event = (row[name], row["event_time"])
        if row["repeat"] or event not in seen:
            kept.append((arrival, row))
        if not row["repeat"]:
            seen.add(event)
    return kept


def _in_batches(arrivals: list[tuple[float, Row]]) -> list[list[Row]]:
    """Cut into batches of ten minutes of arrival, each in a random order."""
    batches: list[list[Row]] = [[] for _ in range(8)]
    for arrival, row in arrivals:
        batches[int(arrival // 600)].append(row)
    for rows in batches:
        random.Random(len(rows)).shuffle(rows)
    return batches


# A quote at noon + 60 s; each case says when tickers are there and which one is taken.
EDGES = {
    "exactly_30_s_before_is_taken": ([30.0], 30.0),
    "exactly_30_s_after_is_taken": ([90.0], 90.0),
    "a_millisecond_beyond_30_s_before_is_not": ([29.999], None),
    "a_millisecond_beyond_30_s_after_is_not": ([90.001], None),
    "the_nearer_one_is_taken_though_it_is_later": ([50.0, 65.0], 65.0),
    "of_two_equally_near_the_earlier_one_is_taken": ([55.0, 65.0], 55.0),
    "of_two_equally_near_the_earlier_one_is_taken_in_any_order": ([65.0, 55.0], 55.0),
    "one_of_the_same_time_is_taken": ([60.0, 60.001, 59.999], 60.0),
}


@pytest.mark.parametrize(("seconds", "expected"), EDGES.values(), ids=EDGES.keys())
def test_at_the_edges(spark: SparkSession, tmp_path: Path, seconds: list[float], expected: float | None) -> None:
    tickers = [ticker(second, str(number + 1), number) for number, second in enumerate(seconds)]
    rows = batch(spark, tmp_path, [quote(60, "2", 1)], tickers)
    assert [row["ticker_time"].astimezone(dt.UTC) for row in rows] == ([] if expected is None else [at(expected)])
    assert chosen(rows) == oracle([quote(60, "2", 1)], tickers)


def test_the_edges_hold_in_the_stream_too(spark: SparkSession, tmp_path: Path) -> None:
    """Each edge as a coin of its own: BTC0, BTC1, and so on."""
    quotes = [quote(60, "2", number, coin=f"BTC{number}") for number in range(len(EDGES))]
    tickers = [
        ticker(second, "1", number * 10 + at_most, symbol=f"BTC{number}TMN")
        for number, (seconds, _) in enumerate(EDGES.values())
        for at_most, second in enumerate(seconds)
    ]
    found = {
        row["coin"]: row["ticker_time"].astimezone(dt.UTC) for row in streamed(spark, tmp_path, [quotes], [tickers])
    }
    taken = {f"BTC{number}": second for number, (_, second) in enumerate(EDGES.values())}
    assert found == {coin: at(second) for coin, second in taken.items() if second is not None}


def test_a_quote_later_than_lateness_is_joined_in_batch_and_not_by_the_stream(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Spark refuses a row by the watermark of the batch before, so two batches have to move it first."""
    far_quotes = [[quote(second, "9", 8, coin="ETH")] for second in (2 * HOUR, 2 * HOUR + 1)]
    far_tickers = [[ticker(second, "9", 8, symbol="SOLTMN")] for second in (2 * HOUR, 2 * HOUR + 1)]
    quote_batches = [[quote(60, "2", 1)], *far_quotes, [quote(120, "3", 2)]]
    ticker_batches = [[ticker(60, "5", 1), ticker(120, "6", 2)], *far_tickers, []]
    by_stream = streamed(spark, tmp_path / "stream", quote_batches, ticker_batches)
    assert [row["event_time"].astimezone(dt.UTC) for row in by_stream] == [at(60)]
    in_batch = batch(spark, tmp_path / "batch", [*chain(*quote_batches)], [*chain(*ticker_batches)])
    assert sorted(row["event_time"].astimezone(dt.UTC) for row in in_batch) == [at(60), at(120)]


def test_repeats_and_tickers_without_a_price_never_join(spark: SparkSession, tmp_path: Path) -> None:
    quotes = [quote(60, "2", 1), quote(60, "2", 2, repeat=True)]
    tickers = [ticker(60, None, 1), ticker(61, "7", 2, repeat=True), ticker(70, "5", 3)]
    rows = batch(spark, tmp_path, quotes, tickers)
    assert [(row["quote_offset"], row["ticker_offset"], row["price"]) for row in rows] == [(1, 3, Decimal(5))]


def test_a_quote_gets_one_row_per_market_of_its_coin_and_none_of_another(spark: SparkSession, tmp_path: Path) -> None:
    tickers = [
        ticker(60, "1", 1),
        ticker(61, "2", 2, symbol="BTCUSDT", quote="USDT"),
        ticker(60, "3", 3, symbol="BTC2TMN"),
        ticker(60, "4", 4, symbol="ETHTMN"),
    ]
    rows = batch(spark, tmp_path, [quote(60, "2", 1)], tickers)
    assert {row["market"]: row["market_quote"] for row in rows} == {"BTCTMN": "TMN", "BTCUSDT": "USDT"}


def test_toman_prices_and_premium_equal_pythons_decimal_to_the_last_of_18_places(
    spark: SparkSession, tmp_path: Path
) -> None:
    draw = random.Random(7)
    quotes, tickers = [], []
    for number in range(200):
        coin, unit = f"C{number}", draw.choice(["TMN", "USDT"])
        quotes.append(quote(60, _price(draw), number, coin=coin))
        rate = Decimal(_price(draw, whole=6))
        tickers.append(ticker(60, _price(draw), number, symbol=coin + unit, quote=unit, usdt_tmn=rate))
    rows = batch(spark, tmp_path, quotes, tickers)
    assert len(rows) == 200
    for row in rows:
        usd, rate, price = row["price_usd"], row["usdt_tmn"], row["price"]
        base = exactly(lambda usd=usd, rate=rate: usd * rate)  # type: ignore[misc]
        price_tmn = price if row["market_quote"] == "TMN" else exactly(lambda a=price, b=rate: a * b)  # type: ignore[misc]
        premium = exactly(lambda a=price_tmn, b=base: a / b) - 1  # type: ignore[misc]
        assert (row["base_tmn"], row["price_tmn"], row["premium"]) == (base, price_tmn, premium)


def _price(draw: random.Random, whole: int = 5) -> str:
    return f"{draw.randrange(1, 10**whole)}.{draw.randrange(10**18):018}"


def test_toman_prices_computed_by_hand(spark: SparkSession, tmp_path: Path) -> None:
    # 80,000 USD at 100,000 TMN: 8,000,000,000. 80,800 USDT there: 8,080,000,000, one percent more.
    tickers = [
        ticker(60, "8080000000", 1),
        ticker(60, "80800", 2, symbol="BTCUSDT", quote="USDT"),
        ticker(60, "3", 3, symbol="BTCETH", quote="ETH"),
    ]
    rows = batch(spark, tmp_path, [quote(60, "80000", 1)], tickers)
    assert {row["market"]: (row["base_tmn"], row["price_tmn"], row["premium"]) for row in rows} == {
        "BTCTMN": (Decimal(8_000_000_000), Decimal(8_080_000_000), Decimal("0.01")),
        "BTCUSDT": (Decimal(8_000_000_000), Decimal(8_080_000_000), Decimal("0.01")),
        "BTCETH": (Decimal(8_000_000_000), None, None),
    }


def test_without_a_usdt_rate_a_toman_market_has_its_price_and_no_premium(spark: SparkSession, tmp_path: Path) -> None:
    tickers = [ticker(60, "5", 1, usdt_tmn=None), ticker(60, "5", 2, symbol="BTCUSDT", quote="USDT", usdt_tmn=None)]
    rows = batch(spark, tmp_path, [quote(60, "2", 1)], tickers)
    assert {row["market"]: (row["base_tmn"], row["price_tmn"], row["premium"]) for row in rows} == {
        "BTCTMN": (None, Decimal(5), None),
        "BTCUSDT": (None, None, None),
    }


def test_a_price_of_nothing_has_no_premium_and_stops_nothing(spark: SparkSession, tmp_path: Path) -> None:
    rows = batch(spark, tmp_path, [quote(60, "0", 1)], [ticker(60, "5", 1)])
    assert [(row["base_tmn"], row["premium"]) for row in rows] == [(Decimal(0), None)]
