"""Recorded posts through the plans of `posts_scored` and `hourly_sentiment`, against VADER, brute force and Decimal."""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyspark.sql.functions as F
import pytest
from pyspark.sql import DataFrame, SparkSession

from contracts.tables import POSTS_SCORED
from sentiment.spam import spam_of
from spark_jobs import build_hourly_sentiment, score_posts
from spark_jobs.transforms.post_scores import symbol_of
from tests.integration import posts_oracle
from tests.streaming.rows import CANDLE, half_up

DATA = Path(__file__).parents[3] / "shared" / "data" / "x"
FILES = ("bitcoin_2021-11-10.jsonl", "account_timeline_bitcoin_to_2018-06.jsonl")
COLUMNS = {
    **dict.fromkeys(("venue", "coin", "post_id"), "string"),
    "event_time": "timestamp",
    **{"author_id": "string", "followers": "bigint", "lang": "string", "text": "string"},
}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded posts are not at {DATA}")


@pytest.fixture(scope="module")
def posts() -> list[dict[str, Any]]:
    """Read the recorded posts with json alone: one row each, as bronze holds it."""
    rows = [json.loads(line) for name in FILES for line in (DATA / name).read_text().splitlines()]
    return [
        {
            "venue": "x",
            "coin": "bitcoin",
            "post_id": row["id"],
            "event_time": dt.datetime.fromisoformat(row["created_at"]),
            "author_id": row.get("author_id"),
            "followers": row.get("author_followers"),
            "lang": row.get("lang"),
            "text": row["text"],
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def scored(spark: SparkSession, posts: list[dict[str, Any]]) -> Iterator[DataFrame]:
    """Score all but the first hundred, then those beside what was scored: what a second batch does."""
    schema = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    frame = spark.createDataFrame([tuple(row[name] for name in COLUMNS) for row in posts], schema)
    named = frame.withColumn("coin", symbol_of(F.col("coin")))
    late = F.col("post_id").isin([row["post_id"] for row in posts[:100]])
    nothing = spark.createDataFrame([], POSTS_SCORED.schema)
    with score_posts.plan(named.where(~late), nothing) as first, score_posts.plan(named.where(late), first) as both:
        yield both


@pytest.fixture(scope="module")
def rows(scored: DataFrame) -> list[dict[str, Any]]:
    found = [row.asDict() for row in scored.collect()]
    return [{**row, "event_time": row["event_time"].astimezone(dt.UTC)} for row in found]


def test_every_post_is_there_once_with_its_text(posts: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    assert len(rows) == len(posts) == 5370
    assert list(rows[0]) == POSTS_SCORED.schema.names
    assert {row["post_id"]: (row["text"], row["event_time"], row["coin"]) for row in rows} == {
        row["post_id"]: (row["text"], row["event_time"], "BTC") for row in posts
    }


def test_sentiment_is_what_vader_says_with_the_same_words(rows: list[dict[str, Any]]) -> None:
    read = posts_oracle.vader()
    known = [row for row in rows if row["compound"] is not None]
    assert len(known) > 5300
    for row in known:
        assert (row["negative"], row["neutral"], row["positive"], row["compound"]) == read(row["clean_text"])
    assert {row["language"] for row in known} == {"en", "und"}
    assert not {row["language"] for row in rows if row["compound"] is None} & {"en", "und"}


def test_near_duplicates_are_those_that_comparing_all_with_all_finds(rows: list[dict[str, Any]]) -> None:
    due = posts_oracle.near_duplicates(rows)
    assert {row["post_id"]: row["near_duplicate_of"] for row in rows} == due
    assert sum(found is not None for found in due.values()) > 700


def test_hours_are_exact_and_stand_beside_the_candle_that_comes_first(
    spark: SparkSession, scored: DataFrame, rows: list[dict[str, Any]]
) -> None:
    due = posts_oracle.hours(rows)
    closes = {hour: Decimal(place + 100) / 7 for place, (_, hour) in enumerate(sorted(due)[::2])}
    series = (("coin_market_cap", "USD"), ("wallex", "TMN"), ("binance", "USDT"))
    candles = [
        (*names, "BTC", "1h", hour, Decimal(100), half_up(close + place), Decimal(place), True)
        for hour, close in closes.items()
        for place, names in enumerate(series)
    ]
    hours = build_hourly_sentiment.plan(scored, spark.createDataFrame(candles, CANDLE)).collect()
    found = {(row["coin"], row["open_time"].astimezone(dt.UTC)): row.asDict() for row in hours}
    assert len(found) == len(hours) > 1500
    assert {key: {**row, "close_time": row["close_time"].astimezone(dt.UTC)} for key, row in found.items()} == {
        key: {**found[key], **row, **beside(closes.get(key[1]))} for key, row in due.items()
    }


def beside(close: Decimal | None) -> dict[str, Any]:
    """Return what the candle says, of Binance's, which is the third of those made up."""
    if close is None:
        return dict.fromkeys(("venue", "quote", "open", "close", "price_return", "volume", "complete"))
    return {
        **{"venue": "binance", "quote": "USDT", "open": Decimal(100), "close": half_up(close + 2)},
        **{"price_return": half_up(half_up(close + 2) / 100 - 1), "volume": Decimal(2), "complete": True},
    }


def test_signs_of_spam_agree_with_those_who_labelled_by_hand() -> None:
    """The thresholds were chosen with these posts in sight: what they do here, not how they would do elsewhere."""
    lines = [json.loads(line) for line in (DATA / "spam_labelled_2019.jsonl").read_text().splitlines()]
    labelled = pd.DataFrame(lines).query("answer != 'ignore'").reset_index(drop=True)
    found = spam_of(labelled["text"])["spam"]
    hits = (found & labelled["is_spam"]).sum()
    assert hits / found.sum() > 0.8, "precision"
    assert hits / labelled["is_spam"].sum() > 0.7, "recall"
