"""Posts through the venue's protocol and out of a file, into Kafka and the lake, over a restart and a second import."""

import datetime as dt
import itertools
import json
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from contracts.streams import BITCOIN, ETHEREUM, INGEST_GAPS, INGEST_REJECTED
from contracts.tables import BRONZE_BITCOIN, BRONZE_ETHEREUM, REJECTED
from infra.stack import StackInfo
from tests.integration import oracle
from tests.integration.conftest import Ran, coinlake, lake_of, own_stack, pointed_at, rows_of, simulator

TOLD = (
    *("venue", "coin", "post_id", "text", "lang", "author_id", "likes", "reposts", "replies", "quotes", "followers"),
    *("found_by", "raw"),
)
OF_THE_FILE = [
    {"id": "f1", "text": "gm 🚀", "created_at": "2021-11-10T09:00:04.123Z", "author_followers": 12},
    {"id": "f2", "text": "two\nlines", "created_at": "2021-11-10T10:00:00Z", "public_metrics": {"like_count": 3}},
]
BAD = '{"id": "f3"}'

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    with own_stack(tmp_path_factory.mktemp("posts") / "home") as info:
        yield info


@pytest.fixture(scope="module")
def taken(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    """Run the generator twice in front of a venue that goes on meanwhile, import a file twice, and land it all."""
    with simulator(tmp_path_factory.mktemp("simulated"), "--speed", "60", "--posts-a-minute", "100") as base:
        for _ in range(2):
            coinlake(
                *(stack, "generate", "--venue", "x_bitcoin", "--venue", "x_ethereum", "--duration", "8s"),
                **pointed_at(base),
            ).well()
    path = tmp_path_factory.mktemp("file") / "posts.jsonl"
    write(path)
    imports = [coinlake(stack, "import-posts", str(path), "--coin", "bitcoin").well() for _ in range(2)]
    coinlake(stack, "process").well()
    return imports


def write(path: Path) -> None:
    path.write_text("\n".join([json.dumps(item) for item in OF_THE_FILE] + [BAD]))


def told(stack: StackInfo, topic: str) -> list[dict[str, Any]]:
    """Read a topic with no code of ours."""
    return [json.loads(message.value) for message in oracle.consume(stack.kafka_bootstrap_servers, topic)]


def test_every_post_of_both_topics_is_in_bronze_once(stack: StackInfo, taken: list[Ran]) -> None:
    for stream, table, least in ((BITCOIN, BRONZE_BITCOIN, 500), (ETHEREUM, BRONZE_ETHEREUM, 500)):
        messages, rows = told(stack, stream.topic), rows_of(lake_of(stack), table)
        assert len(messages) > least
        due = {
            (one["venue"], one["post_id"]): (dt.datetime.fromisoformat(one["event_time"]), *map(one.get, TOLD))
            for one in messages
        }
        assert len(due) == len(messages) == len(rows)
        assert {(row["venue"], row["post_id"]): (row["event_time"], *map(row.get, TOLD)) for row in rows} == due
        assert not any(row["repeat"] for row in rows)
        assert {row["coin"] for row in rows} == {stream.topic}


def test_the_pause_between_two_runs_left_no_hole(stack: StackInfo, taken: list[Ran]) -> None:
    """At a hundred posts a minute no two of them are half a minute apart."""
    by_key = {(gap["stream"], gap["from_time"]): gap for gap in told(stack, INGEST_GAPS.topic)}
    for stream in (BITCOIN, ETHEREUM):
        first, pause, end = sorted(
            (gap for key, gap in by_key.items() if key[0] == stream.topic), key=itemgetter("from_time")
        )
        assert first["cause"].startswith("the first search")
        assert pause["repaired_at"] is not None, "it was filled"
        assert (end["cause"], end.get("to_time")) == ("generator was not running", None)
    for table in (BRONZE_BITCOIN, BRONZE_ETHEREUM):
        times = sorted(row["event_time"] for row in rows_of(lake_of(stack), table) if row["venue"] == "x")
        assert max(after - before for before, after in itertools.pairwise(times)) < dt.timedelta(seconds=30)
        assert times[-1] - times[0] > dt.timedelta(minutes=12)


def test_the_file_is_there_once_and_its_bad_row_with_the_line(stack: StackInfo, taken: list[Ran]) -> None:
    first, second = ("\n".join(ran.out) for ran in taken)
    assert "posts.jsonl  3 rows: 2 posts new, 0 there before, 1 rejected" in first
    assert "posts.jsonl  3 rows: 0 posts new, 2 there before, 1 rejected" in second
    rows = {row["post_id"]: row for row in rows_of(lake_of(stack), BRONZE_BITCOIN) if row["venue"] == "file"}
    assert sorted(rows) == ["f1", "f2"]
    assert [json.loads(rows[item["id"]]["raw"]) for item in OF_THE_FILE] == OF_THE_FILE
    assert (rows["f1"]["followers"], rows["f1"]["likes"], rows["f2"]["likes"]) == (12, None, 3)
    assert rows["f1"]["event_time"] == dt.datetime(2021, 11, 10, 9, 0, 4, 123_000, tzinfo=dt.UTC)
    [refused] = told(stack, INGEST_REJECTED.topic)
    assert refused["reason"] == "posts.jsonl line 3: created_at: expected an RFC 3339 time, found nothing"
    [row] = [row for row in rows_of(lake_of(stack), REJECTED) if row["venue"] == "file"]
    assert bytes(row["payload"]) == BAD.encode()
