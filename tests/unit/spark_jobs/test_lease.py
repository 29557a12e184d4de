"""The writer lease: one driver a table, the others refused with one clear line."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.errors import LeaseHeldError, LeaseLostError
from contracts.tables import CANDLES, MARKET_CAP
from spark_jobs.edges.lease import Lease
from spark_jobs.edges.store import FolderStore
from tests.unit.spark_jobs.fakes import FakeClock, RacedStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def other() -> Iterator["subprocess.Popen[bytes]"]:
    """Another process of this machine, which can be ended."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_a_second_driver_is_refused_with_one_line_that_says_who_writes(
    store: FolderStore, clock: FakeClock, other: "subprocess.Popen[bytes]"
) -> None:
    with Lease(store, [CANDLES], now=clock, pid=other.pid) as held:
        clock.advance(5)
        with pytest.raises(LeaseHeldError) as refused, Lease(store, [CANDLES], now=clock):
            pass
        held.check()
    assert str(refused.value) == (
        f"table candles is being written by another driver (pid {other.pid} on {socket.gethostname()},"
        " lease until 2024-03-19T12:00:30.000Z)"
    )


def test_a_lease_given_back_is_free_at_once(store: FolderStore, clock: FakeClock) -> None:
    with Lease(store, [CANDLES], now=clock):
        pass
    with Lease(store, [CANDLES], now=clock) as second:
        second.check()


def test_a_lease_that_ran_out_is_taken_over_and_its_holder_stops_before_the_next_commit(
    store: FolderStore, clock: FakeClock, other: "subprocess.Popen[bytes]"
) -> None:
    with Lease(store, [CANDLES], now=clock, pid=other.pid) as slow:
        clock.advance(30)
        with Lease(store, [CANDLES], now=clock) as second:
            slow.renew()
            with pytest.raises(LeaseLostError) as lost:
                slow.check()
            second.check()
    assert str(lost.value) == (
        "the writer lease ran out at 2024-03-19T12:00:30.000Z and was not renewed: stopping before the commit"
    )


def test_the_holder_who_lost_its_lease_does_not_give_back_that_of_its_successor(
    store: FolderStore, clock: FakeClock, other: "subprocess.Popen[bytes]"
) -> None:
    with Lease(store, [CANDLES], now=clock, pid=other.pid):
        clock.advance(30)
        successor = Lease(store, [CANDLES], now=clock)
        successor.__enter__()
    try:
        with pytest.raises(LeaseHeldError), Lease(store, [CANDLES], now=clock):
            pass
    finally:
        successor.__exit__(None, None, None)


def test_a_renewed_lease_lasts_30_seconds_from_then(
    store: FolderStore, clock: FakeClock, other: "subprocess.Popen[bytes]"
) -> None:
    with Lease(store, [CANDLES], now=clock, pid=other.pid) as held:
        clock.advance(20)
        held.renew()
        clock.advance(29)
        held.check()
        with pytest.raises(LeaseHeldError), Lease(store, [CANDLES], now=clock):
            pass
        clock.advance(1)
        with pytest.raises(LeaseLostError):
            held.check()


def test_the_lease_of_a_dead_driver_of_this_machine_is_taken_at_once(
    store: FolderStore, clock: FakeClock, other: "subprocess.Popen[bytes]"
) -> None:
    with Lease(store, [CANDLES], now=clock, pid=other.pid):
        other.kill()
        other.wait()
        with Lease(store, [CANDLES], now=clock) as second:
            second.check()


def test_of_several_tables_all_are_taken_or_none(
    store: FolderStore, clock: FakeClock, other: "subprocess.Popen[bytes]"
) -> None:
    with Lease(store, [MARKET_CAP], now=clock, pid=other.pid):
        with pytest.raises(LeaseHeldError, match=r"^table market_cap is being written"):
            Lease(store, [CANDLES, MARKET_CAP], now=clock, pid=os.getpid()).__enter__()
        with Lease(store, [CANDLES], now=clock):
            pass


def test_of_two_that_take_a_free_lease_at_once_one_is_refused(
    tmp_path: Path, clock: FakeClock, other: "subprocess.Popen[bytes]"
) -> None:
    first = Lease(FolderStore(tmp_path), [CANDLES], now=clock, pid=other.pid)
    raced = RacedStore(tmp_path, first.__enter__)
    try:
        with pytest.raises(LeaseHeldError, match=f"pid {other.pid} on"), Lease(raced, [CANDLES], now=clock):
            pass
    finally:
        first.__exit__(None, None, None)
