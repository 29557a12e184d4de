"""Near-duplicates and hours of posts, row by row and against comparing all with all."""

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from contracts.tables import HOURLY_SENTIMENT
from spark_jobs.transforms.hourly_sentiment import beside_candles, by_hour
from spark_jobs.transforms.near_duplicates import marked
from tests.integration import posts_oracle
from tests.streaming.rows import CANDLE, NOON, exactly

POST = (
    "coin string, venue string, post_id string, event_time timestamp, clean_text string, compound double,"
    " followers bigint, spam boolean, near_duplicate_of string"
)
FIVE = "alpha beta gamma delta epsilon"
FOUR_OF_FIVE = "alpha beta gamma delta"
DAY = 24 * 3600

Row = dict[str, Any]


def post(name: str, seconds: float, text: str = "", **changes: object) -> Row:
    return {
        **{"coin": "BTC", "venue": "x", "post_id": name, "event_time": NOON + dt.timedelta(seconds=seconds)},
        **{"clean_text": text, "compound": 0.5, "followers": None, "spam": False, "near_duplicate_of": None, **changes},
    }


def frame(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return spark.createDataFrame([tuple(row.values()) for row in rows], POST)


def found(spark: SparkSession, rows: list[Row]) -> dict[str, str | None]:
    kept = marked(frame(spark, rows).drop("near_duplicate_of")).collect()
    assert len(kept) == len(rows)
    return {row["post_id"]: row["near_duplicate_of"] for row in kept}


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        (FIVE, FOUR_OF_FIVE, True),
        (FIVE, "alpha beta gamma delta zeta", False),
        (FIVE, "Epsilon, DELTA gamma: beta 77 alpha 🚀", True),
        ("to the moon", "to the moon", False),
        ("a b c d e f alpha beta", "a b c d e f alpha beta", False),
        (f"{FIVE} {FIVE}", FIVE, True),
        ("слава биткоину сегодня снова", "Слава биткоину, сегодня снова!", True),
        ("", "", False),
    ],
)
def test_four_fifths_of_all_words_make_a_near_duplicate(
    spark: SparkSession, first: str, second: str, alike: bool
) -> None:
    assert found(spark, [post("a", 0, first), post("b", 1, second)]) == {"a": None, "b": "a" if alike else None}


def test_a_repetition_counts_within_a_day_of_the_same_coin(spark: SparkSession) -> None:
    rows = [
        post("a", 0, FIVE),
        post("b", DAY, FIVE),
        post("c", 2 * DAY + 0.001, FIVE),
        post("d", 2 * DAY + 1, FIVE, coin="ETH"),
    ]
    assert found(spark, rows) == {"a": None, "b": "a", "c": None, "d": None}


def test_the_newest_before_it_is_named_and_ties_go_by_venue_and_id(spark: SparkSession) -> None:
    rows = [post("b", 5, FIVE), post("a", 5, FIVE), post("z", 5, FIVE, venue="file"), post("y", 9, FOUR_OF_FIVE)]
    assert found(spark, rows) == {"z": None, "a": "z", "b": "a", "y": "b"}


def test_repetition_is_what_comparing_all_with_all_finds(spark: SparkSession) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    words = [f"{letter}{letter}" for letter in "abcdefghi"]
    rows = [
        post(
            f"p{number}",
            chance.randrange(5 * DAY),
            " ".join(chance.sample(words, chance.randint(2, 8))),
            coin=chance.choice(("BTC", "ETH")),
        )
        for number in range(300)
    ]
    due = posts_oracle.near_duplicates(rows)
    assert found(spark, rows) == due
    # Between 76 and 124 of 300 seeds: enough of both kinds, whatever the seed.
    assert 20 < sum(other is not None for other in due.values()) < 280


def test_hours_count_and_average_what_was_said(spark: SparkSession) -> None:
    rows = [
        post("a", 0, compound=0.05, followers=99),
        post("b", 1, compound=-0.05, followers=None),
        post("c", 2, compound=0.04, followers=9),
        post("d", 3, compound=None, followers=10**6),
        post("e", 4, compound=-0.04, spam=True),
        post("f", 3599.999, compound=1.0, near_duplicate_of="a"),
        post("g", 3600, compound=None),
        post("h", 0, compound=0.3, coin="ETH"),
    ]
    hours = {
        (row["coin"], row["open_time"].astimezone(dt.UTC)): row.asDict()
        for row in by_hour(frame(spark, rows)).collect()
    }
    due = posts_oracle.hours(rows)
    assert {key: {name: row[name] for name in row if name in due[key]} for key, row in hours.items()} == {
        key: {name: value for name, value in row.items() if name != "close_time"} for key, row in due.items()
    }
    first = hours["BTC", NOON]
    assert (first["posts"], first["spam"], first["near_duplicates"], first["scored"], first["originals"]) == (
        6,
        1,
        1,
        5,
        3,
    )
    assert first["mean_sentiment"] == Decimal("0.2")
    assert first["share_positive"] == Decimal("0.4")
    assert first["share_negative"] == Decimal("0.2")
    assert first["weighted_sentiment"] == exactly(lambda: Decimal("1.14") / Decimal(8))
    empty = hours["BTC", NOON + dt.timedelta(hours=1)]
    assert (empty["posts"], empty["scored"], empty["mean_sentiment"], empty["share_positive"]) == (1, 0, None, None)


def test_an_hour_stands_beside_the_candle_that_is_asked_for_first(spark: SparkSession) -> None:
    def candle(
        venue: str, quote: str, hour: int, close: str, coin: str = "BTC", interval: str = "1h"
    ) -> tuple[Any, ...]:
        time = NOON + dt.timedelta(hours=hour)
        return venue, quote, coin, interval, time, Decimal(3), Decimal(close), Decimal(5), True

    candles = [
        candle("coin_market_cap", "USD", 0, "1"),
        candle("binance", "USDT", 0, "4"),
        candle("binance", "EUR", 0, "5"),
        candle("binance", "USDT", 0, "6", interval="10m"),
        candle("coin_market_cap", "USD", 1, "2"),
        candle("wallex", "TMN", 2, "7"),
        candle("binance", "USDT", 2, "8", coin="ETH"),
    ]
    hours = by_hour(frame(spark, [post(str(hour), 3600 * hour) for hour in range(3)]))
    rows = beside_candles(hours, spark.createDataFrame(candles, CANDLE)).orderBy("open_time").collect()
    assert list(rows[0].asDict()) == HOURLY_SENTIMENT.schema.names
    assert [(row["venue"], row["quote"], row["close"]) for row in rows] == [
        ("binance", "USDT", 4),
        ("coin_market_cap", "USD", 2),
        (None, None, None),
    ]
    third = Decimal(1).scaleb(-18) * 333333333333333333
    assert [row["price_return"] for row in rows] == [third, -third, None]
    assert [row["close_time"] - row["open_time"] for row in rows] == [dt.timedelta(hours=1)] * 3
