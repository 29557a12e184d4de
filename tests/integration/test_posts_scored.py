"""Recorded posts through both sources, three brokers, scoring and the hourly table; late ones, a candle, a rebuild."""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contracts.tables import BRONZE_BITCOIN, BRONZE_ETHEREUM, CANDLES, HOURLY_SENTIMENT, POSTS_SCORED, Table
from infra.stack import StackInfo, ThreeBrokers
from serve.published import open_dataset
from tests.integration import oracle, posts_oracle
from tests.integration.conftest import coinlake, lake_of, own_stack, pointed_at, rows_of, simulator

DATA = Path(__file__).parents[3] / "shared" / "data" / "x"
SEARCHED, TIMELINE = "bitcoin_2021-11-10.jsonl", "account_timeline_bitcoin_to_2018-06.jsonl"
HOUR = dt.datetime(2021, 11, 10, 9, tzinfo=dt.UTC)
LATE = [
    {"id": "l1", "text": "the halving is what makes bitcoin so bullish", "created_at": "2021-11-10T08:59:00Z"},
    {"id": "l2", "text": "The HALVING is what makes #Bitcoin so bullish!! 7", "created_at": "2021-11-11T08:59:00Z"},
    {
        "id": "l3",
        "text": "der Kurs von Bitcoin steigt heute schon wieder",
        "lang": "de",
        "created_at": "2021-11-10T09:10:00Z",
    },
]
"""The second nearly repeats the first a day later to the minute; the third is in a language VADER does not read."""

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded posts are not at {DATA}")


class Scored(NamedTuple):
    """What the tables held after the first run, and after all that came later."""

    stack: StackInfo
    first: list[dict[str, Any]]
    hours_first: list[dict[str, Any]]


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scored]:
    folder = tmp_path_factory.mktemp("posts")
    with own_stack(folder / "home", brokers=ThreeBrokers.on_free_ports()) as stack:
        take(stack, folder)
        coinlake(stack, "process").well()
        first, hours_first = posts_of(stack), rows_of(lake_of(stack), HOURLY_SENTIMENT)
        (folder / "late.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LATE))
        coinlake(stack, "import-posts", str(folder / "late.jsonl"), "--coin", "bitcoin").well()
        coinlake(stack, "backfill", str(archive(folder))).well()
        coinlake(stack, "process").well()
        yield Scored(stack, first, hours_first)


def take(stack: StackInfo, folder: Path) -> None:
    """Take recorded posts through the venue's protocol, and others out of a file."""
    coinlake(stack, "import", str(DATA), str(folder / "recording"), "--posts", SEARCHED).well()
    with simulator(folder, str(folder / "recording"), "--speed", "150") as base:
        coinlake(
            *(stack, "generate", "--venue", "x_bitcoin", "--duration", "24s"),
            **pointed_at(base),
        ).well()
    coinlake(stack, "import-posts", str(DATA / TIMELINE), "--coin", "ethereum").well()


def archive(folder: Path) -> Path:
    """Write an archive of an hour of 1-minute klines, each one higher than the one before."""
    path = folder / "BTCUSDT-1m-2021-11-10.csv"
    begin = int(HOUR.timestamp() * 1000)
    path.write_text(
        "".join(
            f"{begin + minute * 60_000},{100 + minute},{102 + minute},{99 + minute},{101 + minute},2,"
            f"{begin + minute * 60_000 + 59_999},200,5,1,100,0\n"
            for minute in range(60)
        )
    )
    return path


def posts_of(stack: StackInfo) -> list[dict[str, Any]]:
    return rows_of(lake_of(stack), POSTS_SCORED)


def recorded(name: str) -> dict[str, str]:
    return {row["id"]: row["text"] for row in map(json.loads, (DATA / name).read_text().splitlines())}


def test_every_recorded_post_is_on_the_brokers_in_bronze_and_scored_once(scored: Scored) -> None:
    due = {**{("BTC", key): text for key, text in recorded(SEARCHED).items()}}
    due |= {("ETH", key): text for key, text in recorded(TIMELINE).items()}
    assert len(due) == len(scored.first) == 5370
    assert {(row["coin"], row["post_id"]): row["text"] for row in scored.first} == due
    servers = scored.stack.kafka_bootstrap_servers
    assert len(servers.split(",")) == 3
    late = len(LATE)
    for topic, table, count in (("bitcoin", BRONZE_BITCOIN, 2137 + late), ("ethereum", BRONZE_ETHEREUM, 3233)):
        assert len(oracle.consume(servers, topic)) == len(rows_of(lake_of(scored.stack), table)) == count


def test_scores_and_near_duplicates_are_those_of_the_oracle_before_and_after_late_posts(scored: Scored) -> None:
    read = posts_oracle.vader()
    for rows in (scored.first, posts_of(scored.stack)):
        due = posts_oracle.near_duplicates(rows)
        for row in rows:
            scores = (row["negative"], row["neutral"], row["positive"], row["compound"])
            assert scores == (read(row["clean_text"]) if row["language"] in ("en", "und") else (None,) * 4)
            assert row["near_duplicate_of"] == due[row["post_id"]]


def test_late_posts_are_added_and_marked_and_change_nothing_else(scored: Scored) -> None:
    now = {row["post_id"]: row for row in posts_of(scored.stack)}
    assert {name: now[name]["near_duplicate_of"] for name in ("l1", "l2", "l3")} == {"l1": None, "l2": "l1", "l3": None}
    assert (now["l3"]["language"], now["l3"]["compound"]) == ("de", None)
    assert now["l1"]["compound"] > 0.3
    assert {key: row for key, row in now.items() if key not in ("l1", "l2", "l3")} == {
        row["post_id"]: row for row in scored.first
    }


def test_hours_are_those_of_the_oracle(scored: Scored) -> None:
    for posts, hours in (
        (scored.first, scored.hours_first),
        (posts_of(scored.stack), rows_of(lake_of(scored.stack), HOURLY_SENTIMENT)),
    ):
        due = posts_oracle.hours(posts)
        found = {(row["coin"], row["open_time"]): row for row in hours}
        assert len(found) == len(hours)
        assert {key: {name: row[name] for name in due[key]} for key, row in found.items()} == due


def test_a_candle_that_comes_later_stands_beside_its_hour(scored: Scored) -> None:
    before = {(row["coin"], row["open_time"]): row for row in scored.hours_first}
    assert before["BTC", HOUR]["close"] is None
    after = {(row["coin"], row["open_time"]): row for row in rows_of(lake_of(scored.stack), HOURLY_SENTIMENT)}
    row = after["BTC", HOUR]
    assert (row["venue"], row["quote"], row["open"], row["close"]) == ("binance", "USDT", Decimal(100), Decimal(160))
    assert (row["price_return"], row["volume"], row["complete"]) == (Decimal("0.6"), Decimal(120), True)
    assert {key for key, hour in after.items() if hour["close"] is not None} == {("BTC", HOUR)}


@pytest.mark.long
def test_a_rebuild_finds_nothing_missing_and_nothing_wrong(scored: Scored) -> None:
    told = coinlake(scored.stack, "rebuild", "--dry-run").well().out
    rows = {line.split()[0]: line.split() for line in told if " missed " in line}
    for table in (POSTS_SCORED, HOURLY_SENTIMENT, CANDLES):
        assert int(rows[table.name][2]) > 0
        assert rows[table.name][3:7] == ["missed", "0", "wrong", "0"]


def test_the_published_parquet_has_the_same_hours(scored: Scored) -> None:
    def known(rows: list[dict[str, Any]], table: Table) -> set[tuple[Any, ...]]:
        return {tuple(row[name] for name in table.event_columns) for row in rows}

    lake = lake_of(scored.stack)
    published = open_dataset(lake, HOURLY_SENTIMENT).to_table().to_pylist()
    assert known(published, HOURLY_SENTIMENT) == known(rows_of(lake, HOURLY_SENTIMENT), HOURLY_SENTIMENT)
