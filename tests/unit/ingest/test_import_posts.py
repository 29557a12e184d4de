"""Files of posts into Kafka, once each, whatever is killed in between."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from contracts.errors import SettingsError, UndeliveredError
from contracts.records import Post, Rejected, decode, replace
from contracts.settings import JobSettings, KafkaSettings
from contracts.streams import BITCOIN, INGEST_REJECTED, key_of
from ingest.import_posts import BATCH_RECORDS, Imported, import_posts, name_of, send_new, stream_named
from tests.unit.contracts.test_posts import post
from tests.unit.ingest.fakes import ListSink, at, rejected
from tests.unit.ingest.test_kafka import read_all

WHY = "posts.jsonl line {}: id: expected a text, found nothing"


@pytest.fixture
def cluster() -> Iterator[str]:
    broker = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    address = next(iter(broker.list_topics(timeout=10).brokers.values()))
    for stream in (BITCOIN, INGEST_REJECTED):
        broker.list_topics(stream.topic, timeout=10)
    yield f"{address.host}:{address.port}"
    broker.purge()


def posts_file(folder: Path, count: int) -> Path:
    rows = [json.dumps({"id": str(n), "text": "gm", "created_at": "2021-11-10T09:00:04Z"}) for n in range(count)]
    path = folder / "posts.jsonl"
    path.write_text("\n".join([*rows, '{"text": "of nobody"}', ""]))
    return path


def run(path: Path, cluster: str, told: list[Imported] | None = None) -> Imported:
    kafka = KafkaSettings(_env_file=None, kafka_bootstrap_servers=cluster)
    return import_posts(path, "bitcoin", kafka, JobSettings(_env_file=None), (told if told is not None else []).append)


def test_each_post_is_in_the_topic_once_however_often_the_file_is_imported(tmp_path: Path, cluster: str) -> None:
    told: list[Imported] = []
    assert run(posts_file(tmp_path, 700), cluster, told) == Imported(701, 700, 1, WHY.format(701))
    assert [one.rows for one in told] == [BATCH_RECORDS, 701], "progress"
    assert run(posts_file(tmp_path, 900), cluster) == Imported(901, 200, 1, WHY.format(901))
    messages = read_all(cluster, BITCOIN.topic, 900)
    found = [decode(message.value() or b"", Post) for message in messages]
    assert sorted(int(one.post_id) for one in found) == list(range(900))
    assert all(message.key() == key_of(BITCOIN, one) for message, one in zip(messages, found, strict=True))
    assert {one.venue for one in found} == {"file"}


def test_a_row_that_is_rejected_is_kept_once_with_its_line(tmp_path: Path, cluster: str) -> None:
    path = posts_file(tmp_path, 2)
    for rows in (path.read_text(), path.read_text(), path.read_text() + '{"text": "of no time", "id": "9"}\n'):
        path.write_text(rows)
        run(path, cluster)
    found = [decode(message.value() or b"", Rejected) for message in read_all(cluster, INGEST_REJECTED.topic, 2)]
    assert [(one.reason, one.payload) for one in found] == [
        ("posts.jsonl line 3: id: expected a text, found nothing", b'{"text": "of nobody"}'),
        (
            "posts.jsonl line 4: created_at: expected an RFC 3339 time, found nothing",
            b'{"text": "of no time", "id": "9"}',
        ),
    ]


def test_a_batch_that_is_not_acknowledged_ends_the_run_and_the_next_one_sends_it() -> None:
    posts = [post(venue="file", post_id=str(number)) for number in range(2 * BATCH_RECORDS)]
    sink = ListSink(refuse=lambda call: call == 1)
    with pytest.raises(UndeliveredError):
        asyncio.run(send_new(iter(posts), set(), sink, lambda _: None))
    known = {name_of(record) for record in sink.records(BITCOIN)}
    done = asyncio.run(send_new(iter([*posts, rejected(posts[0].event_time)]), known, sink, lambda _: None))
    assert done == Imported(2 * BATCH_RECORDS + 1, BATCH_RECORDS, 1, "bad")
    assert sink.records(BITCOIN) == posts


def test_a_row_is_told_from_another_by_its_id_or_by_its_bytes_and_the_reason() -> None:
    bad, moment = rejected(at(0)), at(9)
    one = post(post_id="1")
    assert name_of(one) == name_of(replace(one, text="another", ingest_time=moment))
    assert name_of(bad) == name_of(replace(bad, ingest_time=moment))
    others = [post(post_id="2"), replace(bad, reason="bad{"), replace(bad, payload=b"}"), replace(bad, payload=b"")]
    assert len({name_of(record) for record in (one, bad, *others)}) == 6


def test_a_coin_without_a_topic_is_named() -> None:
    with pytest.raises(SettingsError, match="expected a coin of bitcoin, ethereum, found dogecoin"):
        stream_named("dogecoin")
