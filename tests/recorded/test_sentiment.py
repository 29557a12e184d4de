"""Recorded posts through the plans of `posts_scored` and `hourly_sentiment`, against VADER, brute force and pandas."""

import csv
import datetime as dt
import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pyspark.sql.functions as F
import pytest
from pyspark.sql import DataFrame, SparkSession
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from contracts.tables import POSTS_SCORED
from spark_jobs import score_posts
from spark_jobs.transforms.post_scores import symbol_of

DATA = Path(__file__).parents[3] / "shared" / "data" / "x"
FILES = ("bitcoin_2021-11-10.jsonl", "account_timeline_bitcoin_to_2018-06.jsonl")
SPAM = DATA / "spam_labelled_2019.jsonl"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded posts of ../shared/data are not there")

Row = dict[str, Any]


def recorded() -> list[Row]:
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
def posts() -> list[Row]:
    return recorded()


@pytest.fixture(scope="module")
def scored(spark: SparkSession, posts: list[Row]) -> Iterator[DataFrame]:
    """Score all but the first hundred, then those beside what was scored: what a second batch does."""
    columns = ["venue", "coin", "post_id", "event_time", "author_id", "followers", "lang", "text"]
    schema = "venue string, coin string, post_id string, event_time timestamp, author_id string, followers bigint"
    frame = spark.createDataFrame(
        [tuple(row[name] for name in columns) for row in posts], f"{schema}, lang string, text string"
    )
    named = frame.withColumn("coin", symbol_of(F.col("coin")))
    late = [row["post_id"] for row in posts[:100]]
    nothing = spark.createDataFrame([], POSTS_SCORED.schema)
    first = score_posts.plan(named.where(~F.col("post_id").isin(late)), nothing).persist()
    rows = score_posts.plan(named.where(F.col("post_id").isin(late)), first).persist()
    yield rows
    rows.unpersist()
    first.unpersist()


def test_every_post_is_there_once_with_its_text(posts: list[Row], scored: DataFrame) -> None:
    found = scored.collect()
    assert len(found) == len(posts) == 5370
    assert scored.columns == POSTS_SCORED.schema.names
    assert {row["post_id"]: (row["text"], row["event_time"].astimezone(dt.UTC), row["coin"]) for row in found} == {
        row["post_id"]: (row["text"], row["event_time"], "BTC") for row in posts
    }


def test_sentiment_is_what_vader_says_with_the_same_words(scored: DataFrame) -> None:
    analyzer = SentimentIntensityAnalyzer()
    with resources.files("sentiment").joinpath("crypto_lexicon.tsv").open(encoding="utf-8") as file:
        words = [line for line in csv.reader(file, delimiter="\t") if line and not line[0].startswith("#")]
    analyzer.lexicon.update({word: float(valence) for word, valence in words})
    found = scored.where("compound IS NOT NULL").collect()
    assert len(found) > 5300
    for row in found:
        due = analyzer.polarity_scores(row["clean_text"])
        assert (row["negative"], row["neutral"], row["positive"], row["compound"]) == (
            *(due["neg"], due["neu"], due["pos"]),
            due["compound"],
        )
    assert {row["language"] for row in found} == {"en", "und"}
    assert not set(scored.where("compound IS NULL").toPandas()["language"]) & {"en", "und"}


def test_near_duplicates_are_those_that_comparing_all_with_all_finds(scored: DataFrame) -> None:
    rows = sorted(scored.collect(), key=lambda row: (row["event_time"], row["venue"], row["post_id"]))
    words = [
        frozenset(word for word in re.findall(r"[^\W\d_]+", row["clean_text"].lower()) if len(word) > 1) for row in rows
    ]
    due: dict[str, str | None] = {}
    for place, row in enumerate(rows):
        due[row["post_id"]] = None
        for earlier in range(place - 1, -1, -1):
            if row["event_time"] - rows[earlier]["event_time"] > dt.timedelta(hours=24):
                break
            both = len(words[place] & words[earlier])
            union = len(words[place] | words[earlier])
            if min(len(words[place]), len(words[earlier])) >= 4 and 5 * both >= 4 * union:
                due[row["post_id"]] = rows[earlier]["post_id"]
                break
    assert {row["post_id"]: row["near_duplicate_of"] for row in rows} == due
    assert sum(found is not None for found in due.values()) > 700
