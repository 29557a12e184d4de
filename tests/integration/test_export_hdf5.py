"""`coinlake export hdf5` is killed at twenty drawn instants under load, and its files are what a plain count says."""

import random
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from infra.children import Child
from infra.stack import StackInfo
from tests.integration.conftest import Ran, coinlake, own_stack
from tests.integration.export_load import Sending, exporting, in_topics, market, readable
from tests.unit.serve.export.contents import contents, days, table
from tests.unit.serve.export.expected import expected

KILLS, MOST_KILLS = 20, 60
"""How many kills hit an append, and how many there are at most until then."""
SECONDS_OF_MARKET = 40
"""Of event time, between two kills."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    with own_stack(tmp_path_factory.mktemp("export") / "home") as info:
        yield info


def environment(stack: StackInfo, *, every: str, most: str) -> dict[str, str]:
    return {
        **{"COINLAKE_HOME": str(stack.home), **stack.env()},
        **{"COINLAKE_EXPORT_EVERY_SECONDS": every, "COINLAKE_EXPORT_MAX_MESSAGES": most},
    }


def once(stack: StackInfo, folder: Path, *arguments: str, **variables: str) -> Ran:
    return coinlake(stack, "export", "hdf5", str(folder), "--once", *arguments, **variables)


@pytest.fixture(scope="module")
def killed(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kill the export while messages arrive until twenty kills hit it in an append, then let it come to the end."""
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")
    drawn, folder = random.Random(seed), tmp_path_factory.mktemp("killed") / "files"
    slices = market(seed, MOST_KILLS * SECONDS_OF_MARKET)
    hits = kills = 0
    while hits < KILLS:
        kills += 1
        assert kills <= MOST_KILLS, f"seed {seed}: only {hits} kills hit an append"
        messages = [message for _ in range(SECONDS_OF_MARKET) for message in next(slices)]
        sending = Sending(stack, messages, 2)
        kill_in_an_append(stack, folder, drawn)
        sending.finish()
        half_written = [path.name for path in folder.glob(".*.new")]
        hits += len(half_written)
        files, ahead = readable(folder), ahead_of_progress(folder)
        print(f"kill {kills}: {files} files can be read, half written {half_written}, ahead of the progress {ahead}")
    once(stack, folder).well()
    return folder


def kill_in_an_append(stack: StackInfo, folder: Path, drawn: random.Random) -> None:
    """Start the export, and kill it at a drawn instant after it has begun to write a copy."""
    env, lines = environment(stack, every="0.05", most="400"), list[str]()
    with Child("export", exporting(folder), env=env, each_line=lines.append, log=folder.parent / "log") as child:
        deadline = time.monotonic() + 240
        while not lines:
            assert child.running() and time.monotonic() < deadline, child.last_words()
            time.sleep(0.005)
        time.sleep(drawn.uniform(0, 0.5))
        writes_by = time.monotonic() + 3
        while not list(folder.glob(".*.new")) and time.monotonic() < writes_by:
            time.sleep(0.001)
        time.sleep(drawn.uniform(0, 0.05))
        child.kill()


def ahead_of_progress(folder: Path) -> list[str]:
    """Name the files that are further on than the progress: a kill came between two replaces."""
    progress = positions(folder / "progress.h5")
    return [
        path.name
        for path in sorted(folder.glob("*.h5"))
        if any(offset > progress.get(lane, 0) for lane, offset in positions(path).items())
    ]


def positions(path: Path) -> dict[tuple[str, str], int]:
    frame: pd.DataFrame = pd.read_hdf(path, "positions")
    return {(row.topic, row.lane): row.offset for row in frame.itertuples()}


def test_killed_twenty_times_the_files_hold_what_a_plain_count_says(stack: StackInfo, killed: Path) -> None:
    due = expected(in_topics(stack))
    assert min(len(due.bars), len(due.open_bars), len(due.late), len(due.rejected)) > 20
    assert len(due.posts) >= KILLS * SECONDS_OF_MARKET
    assert due.without_price
    assert [path.stem for path in days(killed)] == ["2024-03-19", "2024-03-20"]
    assert contents(killed) == due
    assert list(killed.glob(".*.new")) == []


def test_an_export_that_was_never_killed_holds_the_same(stack: StackInfo, killed: Path, tmp_path: Path) -> None:
    once(stack, tmp_path, COINLAKE_EXPORT_MAX_MESSAGES="5000").well()
    assert contents(tmp_path) == contents(killed)
    for name in ("posts", "pending"):
        columns = ["topic", "symbol", "identity"] if name == "pending" else ["coin", "post_id"]
        one, other = (table(folder, name).sort_values(columns).reset_index(drop=True) for folder in (tmp_path, killed))
        pd.testing.assert_frame_equal(one, other)


def test_taken_again_there_is_nothing_new(stack: StackInfo, killed: Path) -> None:
    before = contents(killed)
    ran = once(stack, killed).well()
    assert len(ran.out) == 1, ran.out
    assert contents(killed) == before


def test_it_goes_on_until_it_is_asked_to_end_and_ends_well(stack: StackInfo, tmp_path: Path) -> None:
    lines: list[str] = []
    env = environment(stack, every="0.2", most="20000")
    with Child("export", exporting(tmp_path), env=env, each_line=lines.append, log=tmp_path / "log") as child:
        deadline = time.monotonic() + 240
        while len(lines) < 2:
            assert time.monotonic() < deadline, child.last_words()
            time.sleep(0.05)
        second = once(stack, tmp_path)
        assert (second.code, second.err) == (1, [f"coinlake: another export is writing to {tmp_path}: one at a time"])
        subprocess.run(["kill", f"-{signal.SIGTERM.value}", str(child.pid)], check=True)
        assert child.wait(120) == 0, child.last_words()
    assert readable(tmp_path) >= 2


def test_a_topic_that_is_not_taken_is_a_usage_error(stack: StackInfo, tmp_path: Path) -> None:
    ran = once(stack, tmp_path, "--topic", "ingest_gaps")
    assert ran.code == 2
    assert "expected topics of coin_market_cap" in ran.err[0]


def test_messages_that_retention_took_stop_it_until_the_loss_is_accepted_and_on_record(tmp_path: Path) -> None:
    with own_stack(tmp_path / "home") as stack:
        admin, folder = AdminClient({"bootstrap.servers": stack.kafka_bootstrap_servers}), tmp_path / "files"
        seconds = [message for messages in market(1, 100) for message in messages if message.topic == "wallex"]
        first, second = seconds[: len(seconds) // 2], seconds[len(seconds) // 2 :]
        Sending(stack, first, 0).finish()
        once(stack, folder, "--topic", "wallex").well()
        Sending(stack, second, 0).finish()
        gone = len(first) + 2
        for deleted in admin.delete_records([TopicPartition("wallex", 0, gone)]).values():
            deleted.result()
        stopped = once(stack, folder, "--topic", "wallex")
        assert stopped.code == 1
        assert (
            f"expected offset {len(first)} of partition 0 of topic wallex, found {gone} as its oldest" in stopped.err[0]
        )
        once(stack, folder, "--topic", "wallex", "--accept-loss").well()
        lost: pd.DataFrame = pd.read_hdf(folder / "progress.h5", "lost")
        assert lost.to_dict("records") == [{"topic": "wallex", "lane": "0", "offset": len(first), "next_offset": gone}]
        kept = [(message.topic, message.value) for message in [*first, *second[2:]]]
        assert contents(folder) == expected(kept)

        admin.delete_topics(["wallex"])["wallex"].result()
        time.sleep(1)
        admin.create_topics([NewTopic("wallex", 1, 1)])["wallex"].result()
        anew = once(stack, folder, "--topic", "wallex")
        assert (anew.code, "found its end at 0: the topic was made anew since" in anew.err[0]) == (1, True)
