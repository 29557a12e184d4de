"""A cache entry is made once, whole or not at all, whoever races and whoever is killed."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from contracts.errors import StackError
from infra.setup.cache import cache_root, ensure_entry, entry


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "coinlake"


def slow_download(folder: Path) -> None:
    """Note in the cache that it was called, and write the two halves of an entry one after the other."""
    (cache_root() / f"called-{os.getpid()}").touch()
    (folder / "first").touch()
    time.sleep(0.5)
    (folder / "second").touch()


def endless_download(folder: Path) -> None:
    (folder / "first").touch()
    time.sleep(60)


def test_two_set_ups_at_once_download_once_and_both_find_the_whole_entry(cache: Path) -> None:
    runs = [multiprocessing.Process(target=ensure_entry, args=("jars-1", slow_download)) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(20)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert len(list(cache.glob("called-*"))) == 1
    assert {file.name for file in entry("jars-1").iterdir()} == {"first", "second"}


def test_a_download_killed_half_way_is_never_seen_and_is_made_anew(cache: Path) -> None:
    run = multiprocessing.Process(target=ensure_entry, args=("jars-1", endless_download))
    run.start()
    deadline = time.monotonic() + 10
    while not list(cache.glob("jars-1.part-*/first")) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert run.pid is not None
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    assert not entry("jars-1").exists()
    ensure_entry("jars-1", slow_download)
    assert {file.name for file in entry("jars-1").iterdir()} == {"first", "second"}
    assert list(cache.glob("jars-1.part-*")) == []


def test_a_failed_download_leaves_no_entry(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "first").touch()
        raise StackError("no network")

    with pytest.raises(StackError, match="no network"):
        ensure_entry("jars-1", fail)
    assert not entry("jars-1").exists()
    assert list(cache.glob("jars-1.part-*")) == []


def test_an_entry_that_is_there_is_not_made_again() -> None:
    ensure_entry("jars-1", slow_download)

    def refuse(_folder: Path) -> None:
        raise AssertionError("made twice")

    assert ensure_entry("jars-1", refuse) == entry("jars-1")
