"""Recorded trades, klines and posts through the export, against the recording and pandas alone."""

import csv
import datetime as dt
import gzip
import json
import os
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from contracts.records import AggTrade, Kline, Post, Record
from sentiment.score import score
from serve.export.exporter import Exporter
from serve.export.feed import Message
from tests.unit.serve.export.contents import days, table
from tests.unit.serve.export.messages import RULES, in_lanes

DATA = Path(__file__).parents[3] / "shared" / "data"
SPOT = DATA / "binance" / "agg_trades_spot_complete"
KLINES = DATA / "binance" / "klines_spot" / "2023-03-16_05-01" / "BTCUSDT-1m.csv.gz"
POSTS = DATA / "x" / "bitcoin_2021-11-10.jsonl"
TIMELINE = DATA / "x" / "account_timeline_bitcoin_to_2018-06.jsonl"

pytestmark = pytest.mark.skipif(not POSTS.exists(), reason=f"the recorded data is not at {DATA}")


def exported(folder: Path, records: Iterable[Record], at_once: int) -> None:
    exporter = Exporter(folder, RULES, score, os.replace)
    messages: Sequence[Message] = in_lanes(records)
    for start in range(0, len(messages), at_once):
        exporter.commit(messages[start : start + at_once])


def bars_in(folder: Path) -> pd.DataFrame:
    """Return the closed bars and those that are still open, by their start."""
    both = pd.concat([table(folder, "bars"), table(folder, "open_bars")])
    return both.set_index("open_time").sort_index()


def moment(milliseconds: str) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=int(milliseconds))


def pandas_bars(times: Sequence[dt.datetime], prices: Sequence[Decimal]) -> pd.DataFrame:
    """Resample to minutes; sums of floats are near, all else is equal."""
    series = pd.Series([float(price) for price in prices], pd.DatetimeIndex(times).astype("datetime64[ns, UTC]"))
    bars = series.resample("1min").agg(["mean", "sum", "first", "last", "min", "max", "count"])
    return bars[bars["count"] > 0]


def test_a_day_of_trades_has_the_bars_that_were_recorded_beside_it(tmp_path: Path) -> None:
    with (SPOT / "XRPETH-aggTrades-2019-10-11.csv").open() as file:
        rows = list(csv.reader(file))
    trades = [
        AggTrade(
            **{"venue": "binance", "event_time": moment(row[5]), "ingest_time": moment(row[5]), "symbol": "XRPETH"},
            **{"base": "XRP", "quote": "ETH", "agg_trade_id": int(row[0]), "price": Decimal(row[1])},
            **{"quantity": Decimal(row[2]), "first_trade_id": int(row[3]), "last_trade_id": int(row[4])},
            **{"buyer_is_maker": row[6] == "True"},
        )
        for row in rows
    ]
    exported(tmp_path, trades, 777)
    found = bars_in(tmp_path)
    with (SPOT / "XRPETH-1m-from-trades.csv").open() as file:
        recorded = {moment(row["open_time"]): row for row in csv.DictReader(file)}
    assert len(recorded) > 1000
    assert {at.to_pydatetime() for at in found.index} == set(recorded)
    for ours, recorded_name in (("first", "open"), ("max", "high"), ("min", "low"), ("last", "close")):
        assert list(found[ours]) == [float(recorded[at.to_pydatetime()][recorded_name]) for at in found.index]
    due = pandas_bars([trade.event_time for trade in trades], [trade.price for trade in trades])
    assert list(found["count"]) == list(due["count"])
    pd.testing.assert_series_equal(found["sum"], due["sum"], rtol=1e-12, check_freq=False, check_names=False)
    pd.testing.assert_series_equal(found["mean"], due["mean"], rtol=1e-12, check_freq=False, check_names=False)


def test_two_days_of_klines_are_two_files_whose_sums_are_those_of_pandas(tmp_path: Path) -> None:
    with gzip.open(KLINES, "rt") as file:
        rows = list(csv.DictReader(file))[: 2 * 24 * 60]
    starts = [moment(row["open_time"]) for row in rows]
    minute = dt.timedelta(minutes=1)
    klines = [
        Kline(
            **{"venue": "binance", "event_time": start + minute, "ingest_time": start + minute, "symbol": "BTCUSDT"},
            **{"base": "BTC", "quote": "USDT", "interval": "1m", "open_time": start, "close_time": start + minute},
            **{name: Decimal(row[name]) for name in ("open", "high", "low", "close", "volume")},
            closed=True,
        )
        for start, row in zip(starts, rows, strict=True)
    ]
    exported(tmp_path, klines, 1000)
    assert len(days(tmp_path)) == len({(start + minute).date() for start in starts}) >= 2
    found = bars_in(tmp_path)
    due = pandas_bars([start + minute for start in starts], [kline.close for kline in klines])
    assert list(found.index) == list(due.index)
    for name in ("mean", "sum", "first", "last", "min", "max", "count"):
        assert list(found[name]) == list(due[name]), name
    assert set(found["kline"]) == {"1m"}


def recorded_posts(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def post(row: dict[str, Any]) -> Post:
    at = dt.datetime.fromisoformat(row["created_at"])
    metrics = row.get("public_metrics", {})
    return Post(
        **{"venue": "x", "event_time": at, "ingest_time": at, "coin": "bitcoin", "post_id": row["id"]},
        **{"text": row["text"], "lang": row.get("lang"), "likes": metrics.get("like_count")},
        **{"followers": row.get("author_followers"), "found_by": "a file", "raw": "{}"},
    )


def test_every_recorded_post_is_there_once_as_it_was_written(tmp_path: Path) -> None:
    rows = recorded_posts(POSTS)
    exported(tmp_path, map(post, [*rows[:1500], *rows[700:]]), 400)
    found = table(tmp_path, "posts").set_index("post_id")
    assert len(found) == len(rows) == 2137
    for row in rows:
        kept = found.loc[row["id"]]
        assert (kept["text"], kept["lang"]) == (row["text"], row["lang"])
        assert kept["event_time"] == pd.Timestamp(row["created_at"])
        assert (kept["likes"], kept["followers"]) == (row["public_metrics"]["like_count"], row["author_followers"])


def test_what_vader_alone_says_of_a_plain_text_is_what_the_file_says(tmp_path: Path) -> None:
    """Only of texts whose words the added lexicon leaves alone: most of the score is the same."""
    rows = recorded_posts(POSTS)
    exported(tmp_path, map(post, rows), 5000)
    found = table(tmp_path, "posts")
    read = SentimentIntensityAnalyzer()
    english = found[found["language"] == "en"]
    alone = english["clean_text"].map(lambda text: read.polarity_scores(text)["compound"])
    assert len(english) > 1000
    assert (alone == english["compound"]).mean() > 0.3
    assert alone.corr(english["compound"]) > 0.6


def test_months_of_posts_are_a_file_for_each_day_that_has_one(tmp_path: Path) -> None:
    rows = recorded_posts(TIMELINE)[:500]
    exported(tmp_path, map(post, rows), 4000)
    assert [path.stem for path in days(tmp_path)] == sorted({row["created_at"][:10] for row in rows})
    found = table(tmp_path, "posts").set_index("post_id")["text"]
    assert dict(found) == {row["id"]: row["text"] for row in rows}
