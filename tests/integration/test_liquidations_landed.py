"""Liquidations through the venue's protocol into Kafka and the lake, over a restart of the generator."""

import datetime as dt
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from contracts.streams import ALT_LIQUIDATIONS, INGEST_GAPS
from contracts.tables import BRONZE_ALT_LIQUIDATIONS, BRONZE_INGEST_GAPS
from infra.stack import StackInfo
from tests.integration import oracle
from tests.integration.conftest import Ran, coinlake, lake_of, own_stack, rows_of, simulator
from tests.integration.oracle import Row

AMOUNTS = ("quantity", "filled_quantity", "bankruptcy_price", "average_price", "notional")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    with own_stack(tmp_path_factory.mktemp("landed") / "home") as info:
        yield info


@pytest.fixture(scope="module")
def generated(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Ran]:
    """Run the generator twice in front of a market that goes on meanwhile."""
    with simulator(tmp_path_factory.mktemp("simulated"), "--speed", "60", "--liquidations-a-minute", "300") as base:
        url = f"{base.replace('http', 'ws', 1)}/binance_futures"
        return tuple(  # type: ignore[return-value]
            coinlake(
                *(stack, "generate", "--venue", "binance_liquidations", "--duration", "8s"),
                COINLAKE_BINANCE_FUTURES_STREAM_URL=url,
                COINLAKE_POLL_SECONDS="1",
            ).well()
            for _ in range(2)
        )


def told(stack: StackInfo, topic: str) -> list[dict[str, Any]]:
    """Read a topic with no code of ours."""
    return [json.loads(message.value) for message in oracle.consume(stack.kafka_bootstrap_servers, topic)]


def said(row: Row) -> tuple[Any, ...]:
    names = ("venue", "symbol", "base", "quote", "side", "sampled")
    return (row["event_time"], *(row[name] for name in names), *(row[name] for name in AMOUNTS))


def test_every_liquidation_of_the_topic_is_in_bronze_digit_for_digit(
    stack: StackInfo, generated: tuple[Ran, Ran]
) -> None:
    coinlake(stack, "process").well()
    messages = told(stack, ALT_LIQUIDATIONS.topic)
    rows = rows_of(lake_of(stack), BRONZE_ALT_LIQUIDATIONS)
    assert len(messages) > 1_000
    due = [
        said(
            {
                **message,
                **{name: Decimal(message[name]) for name in AMOUNTS},
                "event_time": dt.datetime.fromisoformat(message["event_time"]),
            }
        )
        for message in messages
    ]
    assert sorted(map(said, rows)) == sorted(due)
    assert len({(row["event_time"], row["symbol"], row["side"]) for row in rows}) == len(rows)
    assert not any(row["repeat"] for row in rows)


def test_the_restart_is_the_one_hole_and_it_stays(stack: StackInfo, generated: tuple[Ran, Ran]) -> None:
    [gap] = told(stack, INGEST_GAPS.topic)
    assert (gap["venue"], gap["symbol"], gap["stream"]) == ("binance_futures", "*", "alt_liquidations")
    assert (gap["cause"], gap["recoverable"], gap["repaired_at"]) == ("generator was not running", False, None)
    since, to = (dt.datetime.fromisoformat(gap[name]) for name in ("from_time", "to_time"))
    times = sorted(row["event_time"] for row in rows_of(lake_of(stack), BRONZE_ALT_LIQUIDATIONS))
    pauses = [(after - before, before, after) for before, after in itertools.pairwise(times)]
    _, before, after = max(pauses)
    assert since <= before < after
    assert before < to <= after + dt.timedelta(seconds=3)
    assert [row["from_time"] for row in rows_of(lake_of(stack), BRONZE_INGEST_GAPS)] == [since]


def test_a_legacy_route_ends_the_command_with_what_is_wrong(stack: StackInfo) -> None:
    url = "wss://fstream.binance.com/ws"
    ended = coinlake(stack, "generate", "--venue", "binance_liquidations", COINLAKE_BINANCE_FUTURES_STREAM_URL=url)
    assert ended.code == 2
    assert "COINLAKE_BINANCE_FUTURES_STREAM_URL: expected the venue's address without a route" in "\n".join(ended.err)
