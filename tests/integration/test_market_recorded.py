"""Real recorded answers of both venues, played through their protocols, against the oracle."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.demo.replay import recorded_market
from simulator.import_recorded import import_recorded
from tests.integration.conftest import own_stack, play
from tests.integration.played_market import (
    Played,
    assert_base_candles_like_the_oracle,
    assert_bronze_says_what_kafka_said,
    assert_every_message_landed_once,
    assert_joined_like_the_oracle,
    assert_market_cap_like_the_oracle,
    assert_own_candles_like_the_oracle,
)

DATA = Path(__file__).parents[2].parent / "shared" / "data"
WINDOWS = (
    ("2022-06-13T01:09", "2022-06-13T01:15"),
    ("2022-06-13T12:12", "2022-06-13T12:21"),
    ("2022-06-13T14:24", "2022-06-13T14:30"),
)
"""The stretches of the recording in which CoinMarketCap was polled about once a minute; between them lie hours."""
SPEED = 24
"""A poll in two and a half seconds: on a busy machine too, hardly one is missed."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The recording of 2022-06-13, played window after window and processed once."""
    if not DATA.is_dir():
        pytest.skip(f"expected recorded venue data in {DATA}, found none")
    folder = tmp_path_factory.mktemp("recorded")
    import_recorded(DATA, folder / "whole")
    with own_stack(folder / "home") as stack:
        for number, (start, end) in enumerate(WINDOWS):
            window = cut(folder / "whole" / "2022-06-13", folder / f"window-{number}", start, end)
            play(stack, recorded_market(window, SPEED))
        world = Played(stack)
        world.process()
        yield world


def cut(whole: Path, part: Path, start: str, end: str) -> Path:
    """Copy the lines of a recording that lie in a stretch of time, as they are."""
    part.mkdir()
    for source in whole.glob("*.jsonl.gz"):
        with gzip.open(source, "rt") as lines, gzip.open(part / source.name, "wt") as kept:
            kept.writelines(line for line in lines if start <= json.loads(line)["at"] < end)
    return part


def test_recording_gives_at_least_200_joined_rows_equal_to_merge_asof(recorded: Played) -> None:
    assert len(recorded.joined()) >= 200
    assert_joined_like_the_oracle(recorded)


def test_recorded_messages_are_in_bronze_or_rejected_once(recorded: Played) -> None:
    assert_every_message_landed_once(recorded)
    assert_bronze_says_what_kafka_said(recorded)


def test_recorded_candles_equal_brute_force_to_the_last_digit(recorded: Played) -> None:
    assert_own_candles_like_the_oracle(recorded)
    assert_base_candles_like_the_oracle(recorded, recorded.joined())


def test_recorded_market_cap_equals_brute_force_to_the_last_digit(recorded: Played) -> None:
    assert_market_cap_like_the_oracle(recorded)
