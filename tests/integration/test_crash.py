"""Crashes change nothing: brokers, drivers and the generator are killed at drawn moments, on a real stack.

The stack, the filled topics and the undisturbed run are shared. A seed that fails can be repeated with
`coinlake crashtest --seed N`.
"""

import secrets
from collections.abc import Iterator

import pytest

from contracts.streams import ALT_LIQUIDATIONS, BINANCE_AGG_TRADES, BINANCE_TICKER, CRYPTO_KLINE_DATA, POSTS
from contracts.tables import (
    BRONZE_BINANCE_AGG_TRADES,
    BRONZE_BITCOIN,
    BRONZE_ETHEREUM,
    HOURLY_SENTIMENT,
    IMPORTED_AGG_TRADES,
    IMPORTED_KLINES,
    POSTS_SCORED,
)
from infra.crashtest.generator import INTERVAL, crash_generator
from infra.crashtest.journal import Journal
from infra.crashtest.run import Ground, crash, differences, fresh_stack, prepare
from infra.stack.layout import Layout
from infra.stack.processes import find

FIXED_SEED = 7
NOT_ASKED_FOR = (BRONZE_BINANCE_AGG_TRADES, BRONZE_BITCOIN, BRONZE_ETHEREUM)
OF_POSTS = (POSTS_SCORED.name, HOURLY_SENTIMENT.name, f"published {HOURLY_SENTIMENT.name}")
NOT_PLAYED = {*(table.name for table in (*NOT_ASKED_FOR, IMPORTED_KLINES, IMPORTED_AGG_TRADES)), *OF_POSTS}
"""Trades and posts are followed only when asked for, and archives imported by a command of their own."""
BINANCE = (BINANCE_TICKER, CRYPTO_KLINE_DATA, BINANCE_AGG_TRADES)
NOT_POLLED = {stream.topic for stream in (*BINANCE, ALT_LIQUIDATIONS, *POSTS)}
"""The generator whose polls are killed follows no Binance, no liquidations and no posts."""

pytestmark = pytest.mark.timeout(3000)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    home = tmp_path_factory.mktemp("crash") / "home"
    with fresh_stack(home) as stack:
        yield prepare(stack, Journal(print))
    assert find(Layout(home)) == []


def crash_and_compare(ground: Ground, seed: int) -> None:
    print(f"seed {seed}: to repeat it, coinlake crashtest --seed {seed}")
    journal = Journal(print)
    compared = crash(ground, seed, journal)
    assert differences(compared) == [], f"seed {seed}"
    empty = {one.name for one in compared if one.undisturbed.rows == 0}
    assert empty == NOT_PLAYED, "a table without rows is equal to anything"
    lost = [line for line in journal.done if "deleted" in line]
    assert len(lost) >= 4
    assert [line for line in lost if "(0 objects)" in line] == [], f"seed {seed}: nothing was there to be lost"


@pytest.mark.long
def test_killed_and_damaged_runs_end_in_the_tables_of_an_undisturbed_one(ground: Ground) -> None:
    crash_and_compare(ground, FIXED_SEED)


@pytest.mark.long
def test_a_fresh_seed_with_every_join_filled_in_batch_ends_in_the_same_tables_too(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINLAKE_JOIN_FILL_ROWS", "0")
    crash_and_compare(ground, secrets.randbelow(1_000_000))


def test_every_poll_of_a_killed_generator_is_in_its_topic_or_in_a_gap(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("polls") / "home"
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")
    with fresh_stack(home) as stack:
        outcome = crash_generator(stack, seed, Journal(print))
    assert outcome.problems == [], f"seed {seed}"
    for polls in outcome.polls:
        # Two kills and a broker's outage: some polls went well before, between and after, and the holes are on record.
        assert len(polls.whole) >= 8
        assert len(polls.gaps) >= 2
        assert polls.unexplained(INTERVAL) == []
    read = {one.topic: one.read for one in outcome.landed}
    assert {topic for topic, count in read.items() if not count} == NOT_POLLED
