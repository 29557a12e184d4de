"""The queries that are shipped, on a lake of literal rows; what they have to say is worked out by hand."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.settings import IngestSettings, JobSettings, LakeSettings
from contracts.tables import (
    BRONZE_COIN_MARKET_CAP,
    BRONZE_WALLEX,
    CANDLES,
    GAPS,
    HOURLY_SENTIMENT,
    MARKET_CAP,
    MARKET_SNAPSHOTS,
    POSTS_SCORED,
    REJECTED,
)
from serve.query.query_file import SHIPPED
from serve.reconcile.compare import Compared, Score
from serve.reconcile.stored import LATEST, Stored
from spark_jobs.edges.store import FolderStore
from tests.unit.serve.query.served import served
from tests.unit.serve.rows import at, candle, lake_in, published, quote, snapshot, ticker, total, write

RULES = JobSettings.model_construct()


def time(minute: float) -> str:
    return at(minute).strftime("%Y-%m-%dT%H:%M:%S.000Z")


async def rows(folder: Path, lake: LakeSettings, key: str, **params: str) -> list[dict[str, Any]]:
    """Ask a shipped query; return its rows by name."""
    async with served(folder, None, lake) as api:
        answer = await api.ask(key, **params)
        assert answer.status == 200, answer.text
        names = [column["name"] for column in answer.body["columns"]]
        return [dict(zip(names, row, strict=True)) for row in answer.body["rows"]]


def part(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


async def test_coins_come_with_the_largest_market_cap_first(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, CANDLES, [candle(0, "1 1 1 1 1", coin=coin) for coin in ("ADA", "BTC", "ETH")])
    published(
        lake,
        MARKET_SNAPSHOTS,
        [
            snapshot(0, "BTCTMN", market_cap=Decimal("9")),
            snapshot(1, "BTCTMN", market_cap=Decimal("7")),
            snapshot(1, "ETHTMN", coin="ETH", market_cap=Decimal("8")),
        ],
    )
    found = await rows(tmp_path, lake, "coins")
    assert [part(row, "coin", "market_cap") for row in found] == [
        ("ETH", "8.00000000"),
        ("BTC", "7.00000000"),
        ("ADA", None),
    ]


async def test_candles_of_one_series_are_cut_by_hours_before_its_newest(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(
        lake,
        CANDLES,
        [
            *(candle(minute, "1 2 0.5 1.5 1.25") for minute in (0, 60, 70, 110, 120)),
            candle(300, "9 9 9 9 9", quote="EUR"),
            candle(300, "9 9 9 9 9", coin="ETH"),
            candle(0, "9 9 9 9 9", venue="wallex"),
        ],
    )
    series = {"coin": "BTC", "venue": "coin_market_cap", "quote": "USD"}
    found = await rows(tmp_path, lake, "candles", **series, hours="1")
    assert [row["open_time"] for row in found] == [time(70), time(110), time(120)]
    assert part(found[0], "open", "high", "low", "close", "volume", "samples", "complete") == (
        *("1.000000000000000000", "2.000000000000000000", "0.500000000000000000", "1.500000000000000000"),
        *(None, 10, True),
    )
    assert [
        part(row, "venue", "quote", "candles") for row in await rows(tmp_path, lake, "candle_series", coin="BTC")
    ] == [
        ("coin_market_cap", "EUR", 1),
        ("coin_market_cap", "USD", 5),
        ("wallex", "USD", 1),
    ]


async def test_market_cap_is_that_of_the_asked_interval(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(lake, MARKET_CAP, [total(0, "1"), total(60, "2.12345678"), {**total(70, "9"), "interval": "1h"}])
    assert [row["market_cap"] for row in await rows(tmp_path, lake, "market_cap", hours="1")] == ["2.12345678"]
    assert len(await rows(tmp_path, lake, "market_cap")) == 2


async def test_premiums_are_each_coins_newest_in_toman(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    published(
        lake,
        MARKET_SNAPSHOTS,
        [
            snapshot(0, "BTCTMN", premium=Decimal("0.5")),
            snapshot(1, "BTCUSDT", market_quote="USDT", premium=Decimal("0.25")),
            snapshot(1, "BTCTMN", premium=Decimal("0.000000000000000001"), market_cap=Decimal("5")),
            snapshot(0, "ETHTMN", coin="ETH", premium=Decimal("-0.1"), market_cap=Decimal("6")),
            snapshot(0, "XTMN", coin="X", base_tmn=None, premium=None),
        ],
    )
    found = await rows(tmp_path, lake, "base_tmn_premium")
    assert [part(row, "coin", "market", "premium") for row in found] == [
        ("ETH", "ETHTMN", "-0.100000000000000000"),
        ("BTC", "BTCTMN", "0.000000000000000001"),
    ]
    assert [row["coin"] for row in await rows(tmp_path, lake, "base_tmn_premium", limit="1")] == ["ETH"]
    history = await rows(tmp_path, lake, "premium_history", coin="BTC", hours="1")
    assert [part(row, "event_time", "market") for row in history] == [
        (time(0), "BTCTMN"),
        (time(1), "BTCTMN"),
        (time(1), "BTCUSDT"),
    ]


async def test_gaps_say_their_state(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    def gap(minute: float, until: float | None, **changes: object) -> dict[str, Any]:
        return {
            **{"venue": "wallex", "stream": "wallex", "symbol": "*", "cause": "restart", "recoverable": False},
            **{"from_time": at(minute), "to_time": None if until is None else at(until), "ingest_time": at(minute)},
            **{"date": at(minute).date(), **changes},
        }

    gaps = [gap(0, 1.5), gap(2, None), gap(3, 4, recoverable=True), gap(5, 6, recoverable=True, repaired_at=at(9))]
    write(lake, GAPS, gaps)
    found = await rows(tmp_path, lake, "gaps")
    assert [part(row, "state", "seconds") for row in found] == [
        ("repaired", 60),
        ("recoverable", 60),
        ("open", None),
        ("not recoverable", 90),
    ]
    assert len(await rows(tmp_path, lake, "gaps", limit="2")) == 2
    assert await rows(tmp_path, lake, "gaps_unfilled") == [{"unfilled": 3, "open": 1}]
    write(lake, GAPS, [gap(10, None, repaired_at=at(11)), *(gap(minute, None) for minute in range(20, 1520))])
    assert await rows(tmp_path, lake, "gaps_unfilled") == [{"unfilled": 1503, "open": 1501}]


async def test_what_was_rejected_is_shown_as_text_whatever_its_bytes(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    def rejected(minute: float, payload: bytes | None) -> dict[str, Any]:
        place = {"kafka_topic": "wallex", "kafka_partition": 0, "kafka_offset": int(minute), "kafka_time": at(minute)}
        said = {"stage": "landing", "venue": "wallex", "stream": "wallex", "reason": "no price", "payload": payload}
        return {**place, **said, "date": at(minute).date()}

    write(lake, REJECTED, [rejected(0, b'{"a": "\xd8\xb1"}'), rejected(1, b"\xff\x00"), rejected(2, None)])
    found = await rows(tmp_path, lake, "rejected")
    assert [part(row, "kafka_time", "payload") for row in found] == [
        (time(2), None),
        (time(1), "\\xFF\\x00"),
        (time(0), '{"a": "ر"}'),
    ]


async def test_late_rows_are_new_ones_behind_the_newest_before_them(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    write(
        lake,
        BRONZE_COIN_MARKET_CAP,
        [
            quote(0, 0, "1"),
            quote(30, 1, "1"),
            quote(15, 2, "1"),  # 15 minutes behind: in time
            quote(14, 3, "1"),  # late
            quote(5, 4, "1", repeat=True),  # a repeat is not late
            quote(10, 5, "1"),  # late
        ],
    )
    write(lake, BRONZE_WALLEX, [ticker(9, 0, "1"), ticker(10, 1, "1")])
    assert await rows(tmp_path, lake, "late_rows") == [
        {
            "stream": "coin_market_cap",
            "landed": 6,
            "repeats": 1,
            "late": 2,
            "most_seconds_behind": 1200,
            "lateness_seconds": 900,
        },
        {"stream": "wallex", "landed": 2, "repeats": 0, "late": 0, "most_seconds_behind": 0, "lateness_seconds": 120},
    ]


def test_late_rows_wait_as_long_as_the_job_does() -> None:
    declared = json.loads(SHIPPED.read_text())["late_rows"]["parameters"]
    assert declared["coin_market_cap_seconds"]["default"] == RULES.lateness_coin_market_cap_seconds
    assert declared["wallex_seconds"]["default"] == RULES.lateness_wallex_seconds


@pytest.mark.parametrize(
    ("key", "rows_per_hour"),
    [
        ("candles", 60 / RULES.candle_minutes),
        ("market_cap", 60 / RULES.candle_minutes),
        ("premium_history", 3600 / IngestSettings.model_construct().poll_seconds * 2),  # markets in TMN and in USDT
        ("liquidations_per_minute", 60 * 2 * 4),  # two sides, and more quotes than the venue has
    ],
)
def test_all_the_hours_that_may_be_asked_for_are_below_the_row_limit(key: str, rows_per_hour: float) -> None:
    """They are oldest first: a limit would cut off the newest."""
    query = json.loads(SHIPPED.read_text())[key]
    assert query["parameters"]["hours"]["maximum"] * rows_per_hour <= query["row_limit"]


async def test_what_is_newest_and_when_it_was_written(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    before = dt.datetime.now(dt.UTC)
    published(lake, MARKET_CAP, [total(0, "1"), total(20, "2")])
    write(lake, MARKET_CAP, [total(90, "3")])  # committed, not published
    write(lake, BRONZE_WALLEX, [ticker(5, 0, "1")])
    (newest,) = await rows(tmp_path, lake, "lake_newest")
    assert part(newest, "name", "newest_time", "version") == ("market_cap", time(20), 0)
    assert before <= dt.datetime.fromisoformat(newest["published_at"]) <= dt.datetime.now(dt.UTC)
    batches = await rows(tmp_path, lake, "last_batches")
    assert [part(row, "layer", "name", "rows", "newest_time", "version") for row in batches] == [
        ("bronze", "wallex", 1, time(5), 0),
        ("gold", "market_cap", 1, time(90), 1),
    ]
    assert before <= dt.datetime.fromisoformat(batches[0]["committed_at"]) + dt.timedelta(milliseconds=1)


async def test_the_score_is_rounded_down(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    scores = [
        Score("BTCUSDT", "10m", "2024-03", equal=999_999, different=1, missing_here=0, missing_there=0, neither=5),
        Score("ETHUSDT", "10m", "2024-03", equal=1_000_000, different=0, missing_here=0, missing_there=0, neither=0),
        Score("BTCUSDT", "1h", "2024-03", equal=2, different=0, missing_here=1, missing_there=0, neither=0),
        Score("BTCUSDT", "1h", "2024-04", equal=7, different=0, missing_here=0, missing_there=0, neither=0),
    ]
    stored = Stored(at(0), Compared(scores, differences=[], holes=[]))
    FolderStore(Path(lake.lake.removeprefix("file://"))).put(LATEST, msgspec.json.encode(stored))
    found = await rows(tmp_path, lake, "reconcile_score")
    assert [part(row, "interval", "compared", "equal", "differing", "missing_here", "score") for row in found] == [
        ("10m", 2_000_000, 1_999_999, 1, 0, "0.999999"),
        ("1h", 10, 9, 0, 1, "0.900000"),
        ("all", 2_000_010, 2_000_008, 1, 1, "0.999999"),
    ]
    assert found[0]["in_neither"] == 5
    assert found[0]["made_at"] == time(0)


@pytest.mark.parametrize(
    ("key", "params"),
    [
        ("candles", {"coin": "BTC", "venue": "wallex", "quote": "TMN"}),
        ("gaps", {}),
        ("gaps_unfilled", {}),
        ("rejected", {}),
        ("reconcile_score", {}),
        ("market_cap", {}),
    ],
)
async def test_an_empty_lake_says_what_to_run(key: str, params: dict[str, str], tmp_path: Path) -> None:
    async with served(tmp_path, None) as api:
        answer = await api.ask(key, **params)
        assert (answer.status, answer.body["kind"]) == (404, "nothing_there")
        assert 'run "coinlake ' in answer.body["error"]
        for query in ("lake_newest", "last_batches"):
            assert (await api.ask(query)).body["rows"] == []


def sentiment(hour: int, **changes: object) -> dict[str, Any]:
    counts = dict.fromkeys(("posts", "spam", "near_duplicates", "scored", "originals"), 1)
    return {"coin": "BTC", "open_time": at(60 * hour), "close_time": at(60 * hour + 60), **counts, **changes}


async def test_hours_of_posts_are_those_of_one_coin_before_its_newest(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    mean = Decimal("0.123456789012345678")
    published(
        lake,
        HOURLY_SENTIMENT,
        [*(sentiment(hour, mean_sentiment=mean) for hour in (0, 3, 4)), sentiment(9, coin="ETH")],
    )
    found = await rows(tmp_path, lake, "hourly_sentiment", hours="2")
    assert [part(row, "open_time", "mean_sentiment", "close") for row in found] == [
        (time(180), "0.123456789012345678", None),
        (time(240), "0.123456789012345678", None),
    ]


def post(minute: int, **changes: object) -> dict[str, Any]:
    texts = dict.fromkeys(("post_id", "text", "clean_text"), f"p{minute}")
    return {
        **{"coin": "BTC", "venue": "x", "event_time": at(minute), **texts, "language": "en", "model": "m"},
        **{"spam": False, "spam_signs": "", "compound": 0.5, **changes},
    }


async def test_the_newest_posts_come_with_or_without_spam_and_repetition(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    posts = [post(0), post(1, spam=True), post(2, near_duplicate_of="p0"), post(3, compound=None), post(4, coin="ETH")]
    write(lake, POSTS_SCORED, posts)
    found = await rows(tmp_path, lake, "posts_newest")
    assert [part(row, "post_id", "compound") for row in found] == [("p3", None), ("p2", 0.5), ("p1", 0.5), ("p0", 0.5)]
    kept = await rows(tmp_path, lake, "posts_newest", kind="original", limit="1")
    assert [row["post_id"] for row in kept] == ["p3"]
    assert len(await rows(tmp_path, lake, "posts_newest", kind="original")) == 2
