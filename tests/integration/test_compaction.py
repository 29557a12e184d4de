"""Compaction of `coin_market_cap` by a real broker, under a minute of traffic with repeated answers."""

import time
from collections.abc import Iterator

import pytest

from infra.stack import StackInfo
from infra.stack.layout import Layout
from tests.integration import oracle
from tests.integration.conftest import coinlake, own_stack, pointed_at, simulator

WALL_SECONDS = 62
SPEED = 20
CLEANED_WITHIN_SECONDS = 120
"""How long after the traffic the cleaner may take: segments close after 10 s and it looks every 2 s."""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """A broker after a minute of polls, three a simulated minute, of an API that keeps its answers for one."""
    folder = tmp_path_factory.mktemp("compaction")
    with own_stack(folder / "home") as stack:
        with simulator(folder, "--speed", str(SPEED), "--span", "1h", "--seed", "7") as base:
            polled = pointed_at(base, poll_seconds=20 / SPEED)
            coinlake(stack, "generate", "--venue", "coin_market_cap", "--duration", f"{WALL_SECONDS}s", **polled).well()
        yield stack


def active_segment(stack: StackInfo) -> int:
    """Return the base offset of the newest segment: the name of its file in the broker's log folder."""
    folder = Layout(stack.home).kafka_data("kafka") / "coin_market_cap-0"
    return max(int(segment.stem) for segment in folder.glob("*.log"))


def test_below_the_active_segment_each_quote_stands_once(busy: StackInfo) -> None:
    deadline = time.monotonic() + CLEANED_WITHIN_SECONDS
    while True:
        active = active_segment(busy)
        read = oracle.consume(busy.kafka_bootstrap_servers, oracle.QUOTES)
        said = [(row["cmc_id"], row["event_time"]) for row in map(oracle.typed, below(read, active))]
        if len(said) == len(set(said)) or time.monotonic() > deadline:
            break
        time.sleep(1)
    sent = max(message.offset for message in read) + 1
    assert active > sent / 2
    assert len(said) > 500
    assert sorted(said) == sorted(set(said))
    # Without repeats this would prove nothing: most of what was sent is gone.
    assert len(read) < sent / 2


def below(messages: list[oracle.Message], offset: int) -> list[oracle.Message]:
    return [message for message in messages if message.offset < offset]
