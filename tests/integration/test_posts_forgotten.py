"""A topic of posts that has forgotten them all, as after a day's pause: what a start knows all the same."""

import datetime as dt
import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from contracts.streams import BITCOIN, INGEST_GAPS
from infra.children import Child
from infra.kafka.admin import admin_client
from infra.stack import StackInfo
from tests.integration.conftest import COINLAKE, coinlake, own_stack, simulator

GENERATE = ("generate", "--venue", "x_bitcoin", "--log-format", "json")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[StackInfo]:
    with own_stack(tmp_path / "home") as info:
        yield info


def read(stack: StackInfo, topic: str) -> list[dict[str, Any]]:
    """Read what a topic still holds with no code of ours."""
    consumer = Consumer(
        {"bootstrap.servers": stack.kafka_bootstrap_servers, "group.id": "reader", "enable.auto.commit": False}
    )
    try:
        numbers = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        spans = [consumer.get_watermark_offsets(TopicPartition(topic, number)) for number in numbers]
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
        left, deadline = sum(high - low for low, high in spans), time.monotonic() + 120
        found: list[dict[str, Any]] = []
        while len(found) < left:
            assert time.monotonic() < deadline, f"{len(found)} of {left} messages of {topic} were read"
            found += [json.loads(message.value() or b"") for message in consumer.consume(1000, 0.5)]
    finally:
        consumer.close()
    return found


def gaps(stack: StackInfo) -> list[dict[str, Any]]:
    """Return the holes as they stand, by their beginning."""
    newest = {gap["from_time"]: gap for gap in read(stack, INGEST_GAPS.topic)}
    return [newest[since] for since in sorted(newest)]


def moments(stack: StackInfo) -> list[dt.datetime]:
    return sorted(dt.datetime.fromisoformat(post["event_time"]) for post in read(stack, BITCOIN.topic))


def forget(stack: StackInfo) -> list[dt.datetime]:
    """Delete all posts, as retention does; return when they were made."""
    made = moments(stack)
    client = admin_client(stack.kafka_bootstrap_servers)
    # -1: up to the end.
    ends = [TopicPartition(BITCOIN.topic, number, -1) for number in range(3)]
    for deleted in client.delete_records(ends).values():
        deleted.result(timeout=15)
    assert moments(stack) == []
    return made


def test_a_run_that_was_stopped_is_taken_up_and_one_that_was_killed_leaves_a_gap(
    stack: StackInfo, tmp_path: Path
) -> None:
    with simulator(tmp_path, "--speed", "60", "--posts-a-minute", "100") as base:
        x = {"COINLAKE_X_URL": f"{base}/x", "COINLAKE_X_BEARER_TOKEN": "any"}
        often = {**x, "COINLAKE_X_POLL_SECONDS": "1", "COINLAKE_POLL_SECONDS": "1"}
        coinlake(stack, *GENERATE, "--duration", "3s", **often).well()
        first = forget(stack)
        coinlake(stack, *GENERATE, "--duration", "3s", **often).well()
        begun, pause, stopped = gaps(stack)
        second = moments(stack)
        assert begun["cause"].startswith("the first search")
        assert (pause["cause"], pause["repaired_at"] is not None) == ("generator was not running", True)
        # A hundred posts a minute: no two of them are half a minute apart.
        both = sorted(first + second)
        assert max(later - earlier for earlier, later in itertools.pairwise(both)) < dt.timedelta(seconds=30)

        log = tmp_path / "killed.log"
        env = {"COINLAKE_HOME": str(stack.home), **stack.env(), **often}
        with Child("generator", [*COINLAKE, *GENERATE, "--forever"], env=env, log=log) as killed:
            deadline = time.monotonic() + 120
            # Posts are acknowledged before it is told that the pause was filled.
            while len(moments(stack)) <= len(second) or gaps(stack)[2].get("repaired_at") is None:
                assert time.monotonic() < deadline, log.read_text()
            os.kill(killed.pid, signal.SIGKILL)
            killed.wait(10)
        came = forget(stack)
        coinlake(stack, *GENERATE, "--duration", "2s", **often).well()
        _, _, filled, hole, _ = gaps(stack)
        assert filled["from_time"] == stopped["from_time"]
        assert filled["repaired_at"] is not None
        assert (hole["recoverable"], hole.get("repaired_at")) == (False, None)
        assert hole["cause"] == "nothing in the topic says any more where the search stood"
        since, until = (dt.datetime.fromisoformat(hole[name]) for name in ("from_time", "to_time"))
        assert came[-1] < until
        assert since - came[-1] < dt.timedelta(seconds=30), "all that is missing is in it, and some that came"
        after = moments(stack)
        assert after[0] < until <= after[0] + dt.timedelta(seconds=1)
