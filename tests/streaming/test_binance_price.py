"""The look-up of Binance's price against `pandas.merge_asof(direction="nearest", tolerance=30 s)`."""

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from contracts.settings import JobSettings
from contracts.tables import BRONZE_BINANCE_TICKER, MARKET_SNAPSHOTS
from spark_jobs.join_markets import plan, with_binance
from tests.streaming.rows import Row, at, exactly, polled, quote, quotes_of, rows_of, ticker, tickers_of

RULES = JobSettings()


def joined(
    spark: SparkSession, folder: Path, quotes: Sequence[Row], tickers: Sequence[Row], polls: Sequence[Row] | None
) -> list[Row]:
    rows = plan(quotes_of(spark, folder, quotes).read(), tickers_of(spark, folder, tickers).read(), RULES)
    given = None if polls is None else rows_of(spark, BRONZE_BINANCE_TICKER, polls)
    found = with_binance(rows, given, RULES)
    assert set(found.schema.names) == set(MARKET_SNAPSHOTS.schema.names)
    return [row.asDict() for row in found.collect()]


# A quote at noon + 60 s; each case says when polls are there and which one is taken.
EDGES = {
    "exactly_30_s_before_is_taken": ([30.0], 30.0),
    "exactly_30_s_after_is_taken": ([90.0], 90.0),
    "a_millisecond_beyond_30_s_before_is_not": ([29.999], None),
    "a_millisecond_beyond_30_s_after_is_not": ([90.001], None),
    "the_nearer_one_is_taken_though_it_is_later": ([50.0, 65.0], 65.0),
    "of_two_equally_near_the_earlier_one_is_taken": ([65.0, 55.0], 55.0),
    "none_is_there": ([], None),
}


@pytest.mark.parametrize(("seconds", "expected"), EDGES.values(), ids=EDGES.keys())
def test_at_the_edges(spark: SparkSession, tmp_path: Path, seconds: list[float], expected: float | None) -> None:
    polls = [polled(second, "2", number) for number, second in enumerate(seconds)]
    (row,) = joined(spark, tmp_path, [quote(60, "2", 1)], [ticker(60, "5", 1)], polls)
    time = row["binance_time"]
    assert (time and time.astimezone(dt.UTC)) == (None if expected is None else at(expected))
    assert row["binance_price"] == (None if expected is None else 2)


def test_a_poll_near_the_edge_of_a_bucket_meets_quotes_on_both_sides_once(spark: SparkSession, tmp_path: Path) -> None:
    quotes = [quote(299, "2", 1), quote(301, "2", 2)]
    tickers = [ticker(300, "5", 1), ticker(300, "6", 2, symbol="BTCUSDT", quote="USDT")]
    rows = joined(spark, tmp_path, quotes, tickers, [polled(300, "2", 1), polled(300, "2", 2, repeat=True)])
    assert len(rows) == 4
    assert {row["binance_price"] for row in rows} == {2}


def test_repeats_and_other_quotes_are_not_looked_up(spark: SparkSession, tmp_path: Path) -> None:
    polls = [
        polled(60, "7", 1, repeat=True),
        polled(60, "8", 2, symbol="BTCEUR", base="BTC", quote="EUR"),
        polled(60, "9", 3, symbol="ETHUSDT"),
        polled(70, "6", 4),
    ]
    (row,) = joined(spark, tmp_path, [quote(60, "2", 1)], [ticker(60, "5", 1)], polls)
    assert row["binance_price"] == 6


def test_prices_computed_by_hand(spark: SparkSession, tmp_path: Path) -> None:
    # 80,000 USDT abroad; 8,080,000,000 TMN at home: 101,000 toman a USDT, 1 % over the 100,000 of USDTTMN.
    rows = joined(spark, tmp_path, [quote(60, "1", 1)], [ticker(60, "8080000000", 1)], [polled(61, "80000", 1)])
    assert [(row["implied_usdt_tmn"], row["premium_binance"]) for row in rows] == [(Decimal(101_000), Decimal("0.01"))]


def test_without_polls_or_prices_the_columns_are_null_and_nothing_stops(spark: SparkSession, tmp_path: Path) -> None:
    names = ("binance_time", "binance_price", "premium_binance", "implied_usdt_tmn")
    quotes, tickers = [quote(60, "2", 1)], [ticker(60, "3", 3, symbol="BTCETH", quote="ETH")]
    (row,) = joined(spark, tmp_path / "none", quotes, tickers, None)
    assert [row[name] for name in names] == [None] * 4
    (row,) = joined(spark, tmp_path / "eth", quotes, tickers, [polled(60, "0", 1)])
    assert [row[name] for name in names[1:]] == [0, None, None]
    (row,) = joined(spark, tmp_path / "zero", quotes, [ticker(60, "3", 3)], [polled(60, "0", 1)])
    assert [row[name] for name in names[1:]] == [0, None, None]


def test_random_polls_equal_the_oracle_row_for_row(spark: SparkSession, tmp_path: Path) -> None:
    draw = random.Random(20261124)

    def moments(count: int) -> list[float]:
        times = (
            draw.randrange(3600) if draw.random() < 0.5 else draw.randrange(3_600_000) / 1000 for _ in range(count)
        )
        return sorted(set(times))

    quotes, tickers, polls = [], [], []
    for coin in ("BTC", "ETH"):
        quotes += [quote(second, "3", number, coin=coin) for number, second in enumerate(moments(150))]
        for unit in ("TMN", "USDT"):
            tickers += [
                ticker(second, f"{draw.randrange(1, 10**12)}e-3", number, symbol=coin + unit, quote=unit)
                for number, second in enumerate(moments(200))
            ]
        polls += [
            polled(second, f"{draw.randrange(1, 10**12)}e-7", number, symbol=f"{coin}USDT")
            for number, second in enumerate(moments(60))
        ]
    rows = joined(spark, tmp_path, quotes, tickers, draw.sample(polls, len(polls)))
    asked = pd.DataFrame(rows).assign(event_time=lambda frame: pd.to_datetime(frame["event_time"], utc=True))
    given = pd.DataFrame(polls)[["event_time", "base", "price"]].rename(
        columns={"event_time": "time", "base": "coin", "price": "abroad"}
    )
    merged = pd.merge_asof(
        asked.sort_values("event_time")[["coin", "event_time", "market"]],
        given.sort_values("time"),
        left_on="event_time",
        right_on="time",
        by="coin",
        direction="nearest",
        tolerance=pd.Timedelta(seconds=30),
    )
    due = {
        (coin, time.to_pydatetime(), market): None if pd.isna(near) else (near.to_pydatetime(), abroad)
        for coin, time, market, near, abroad in merged.itertuples(index=False, name=None)
    }
    found = {
        (row["coin"], row["event_time"].astimezone(dt.UTC), row["market"]): (
            None if row["binance_time"] is None else (row["binance_time"].astimezone(dt.UTC), row["binance_price"])
        )
        for row in rows
    }
    assert found == due
    assert len(rows) == len(found)
    assert 100 < sum(near is not None for near in found.values()) < len(found)
    for row in rows:
        if row["binance_price"] is not None:
            home, abroad, rate = row["price_tmn"], row["binance_price"], row["usdt_tmn"]
            base = exactly(lambda a=abroad, b=rate: a * b)  # type: ignore[misc]
            assert row["premium_binance"] == exactly(lambda a=home, b=base: a / b) - 1  # type: ignore[misc]
            assert row["implied_usdt_tmn"] == exactly(lambda a=home, b=abroad: a / b)  # type: ignore[misc]
