"""How often an export wakes, how much it holds, how it ends, and that a folder has one."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from contracts.errors import BrokerError, ExportError, SettingsError
from contracts.settings import JobSettings, KafkaSettings
from serve.export.exporter import Exporter, Part, export
from serve.export.feed import Lane, Lost, Message
from serve.export.folder_lock import locked
from serve.export.kafka_feed import KafkaFeed
from serve.export.parse import chosen
from serve.export.settings import ExportSettings, rules_of
from tests.unit.serve.export.fakes import FakeClock, ListFeed
from tests.unit.serve.export.messages import RULES, in_lanes, neutral, trade


def messages(count: int) -> list[Message]:
    return in_lanes([trade(number, "10", number) for number in range(count)])


def parts(
    folder: Path, feed: ListFeed, clock: FakeClock, *, most: int = 1000, each: Callable[[Part], None] = lambda _: None
) -> list[int]:
    """Export until there is no more, and return how many messages each part had."""
    sizes: list[int] = []

    def note(part: Part) -> None:
        sizes.append(part.messages)
        each(part)

    export(
        feed,
        Exporter(folder, RULES, neutral, os.replace),
        max_messages=most,
        every=10,
        stop=threading.Event(),
        done=lambda: not feed.arrivals,
        each=note,
        clock=clock,
    )
    return sizes


def one_by_one(given: Sequence[Message]) -> list[list[Message]]:
    return [[message] for message in given]


def test_it_wakes_at_the_set_interval_and_takes_what_arrived_since(tmp_path: Path) -> None:
    clock = FakeClock()
    feed = ListFeed(one_by_one(messages(200)), clock, seconds_each=0.125)
    assert parts(tmp_path, feed, clock) == [80, 80, 40]


def test_it_holds_no_more_messages_than_it_may(tmp_path: Path) -> None:
    clock = FakeClock()
    assert parts(tmp_path, ListFeed(one_by_one(messages(25)), clock), clock, most=10) == [10, 10, 5]


def test_it_ends_after_the_part_in_which_it_is_asked_to(tmp_path: Path) -> None:
    clock, stop = FakeClock(), threading.Event()
    sizes: list[int] = []

    def end(part: Part) -> None:
        sizes.append(part.messages)
        stop.set()

    exporter = Exporter(tmp_path, RULES, neutral, os.replace)
    feed = ListFeed(one_by_one(messages(25)), clock)
    export(feed, exporter, max_messages=10, every=10, stop=stop, done=lambda: False, each=end, clock=clock)
    assert sizes == [10]
    assert len(feed.arrivals) == 15
    assert list(Exporter(tmp_path, RULES, neutral, os.replace).positions.values()) == [10]


def test_what_was_gathered_before_it_is_asked_to_end_is_taken_at_once(tmp_path: Path) -> None:
    clock, stop = FakeClock(), threading.Event()
    sizes: list[int] = []
    feed = ListFeed(one_by_one(messages(25)), clock, each_take=lambda: stop.set() if len(feed.arrivals) == 23 else None)
    export(
        feed,
        Exporter(tmp_path, RULES, neutral, os.replace),
        max_messages=1000,
        every=10,
        stop=stop,
        done=lambda: False,
        each=lambda part: sizes.append(part.messages),
        clock=clock,
    )
    assert sizes == [3]


def test_a_second_export_of_a_folder_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    refused = pytest.raises(ExportError, match=r"another export is writing to .*here: one at a time")
    with locked(folder), refused, locked(folder):
        pass
    with locked(folder):
        pass


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="expected a folder to write to"), locked(tmp_path / "file" / "folder"):
        pass


def test_kafka_that_does_not_answer_is_an_error_that_says_where(tmp_path: Path) -> None:
    feed = KafkaFeed(KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1"), ["wallex"], ask_seconds=0.5)
    with pytest.raises(BrokerError, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        feed.start({})
    feed.close()


def test_all_topics_of_prices_and_posts_are_taken_where_none_is_named() -> None:
    assert sorted(chosen(())) == [
        *("binance_agg_trades", "binance_ticker", "bitcoin", "coin_market_cap", "crypto_kline_data", "ethereum"),
        "wallex",
    ]
    assert chosen(["wallex", "bitcoin", "wallex"]) == ("wallex", "bitcoin")
    with pytest.raises(SettingsError, match="found 'alt_liquidations'"):
        chosen(["alt_liquidations"])


def test_lateness_and_what_is_ahead_are_those_of_the_jobs() -> None:
    jobs = JobSettings(lateness_coin_market_cap_seconds=1.5, lateness_wallex_seconds=0.25, max_ahead_seconds=3)
    rules = rules_of(ExportSettings(export_interval_seconds=300), jobs)
    assert (rules.interval, rules.max_ahead) == (300_000, 3000)
    assert (rules.lateness("coin_market_cap"), rules.lateness("wallex")) == (1500, 250)


@pytest.mark.parametrize("seconds", [0, -60, 7, 86_401])
def test_an_interval_that_does_not_divide_a_day_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="expected seconds that divide a day"):
        ExportSettings(export_interval_seconds=seconds)


def test_what_a_feed_found_lost_is_on_record_with_the_part_in_which_it_was_found(tmp_path: Path) -> None:
    given, hole = messages(3), Lost(Lane("binance_agg_trades", "0"), 1, 2)
    clock = FakeClock()
    parts(tmp_path, ListFeed([[given[0], given[2]]], clock, lost=[hole]), clock)
    lost = pd.read_hdf(tmp_path / "progress.h5", "lost")
    assert lost.to_dict("records") == [{"topic": "binance_agg_trades", "lane": "0", "offset": 1, "next_offset": 2}]
    assert Exporter(tmp_path, RULES, neutral, os.replace).positions == {hole.lane: 3}


def test_a_loss_beside_which_nothing_came_is_on_record_too(tmp_path: Path) -> None:
    hole, clock = Lost(Lane("wallex", "run"), 0, 9), FakeClock()
    assert parts(tmp_path, ListFeed([[]], clock, lost=[hole]), clock) == []
    assert Exporter(tmp_path, RULES, neutral, os.replace).positions == {hole.lane: 9}
    assert list(pd.read_hdf(tmp_path / "progress.h5", "lost")["next_offset"]) == [9]
