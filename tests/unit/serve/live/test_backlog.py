"""When a topic that is being read for the first time counts as read."""

from serve.live.backlog import Backlog
from tests.unit.serve.live.fakes import FakeTime

PATIENCE = 10.0


def opened(time: FakeTime, ends: dict[int, int]) -> Backlog:
    backlog = Backlog(PATIENCE, time.clock().monotonic)
    backlog.open(ends)
    return backlog


def test_it_is_read_when_each_partition_has_reached_the_end_that_it_had() -> None:
    backlog = opened(FakeTime(), {0: 5, 1: 0, 2: 3})
    assert not backlog.is_read({})
    assert not backlog.is_read({0: 5, 2: 2})
    assert backlog.is_read({0: 7, 2: 3})


def test_it_is_waited_for_as_long_as_some_of_it_comes() -> None:
    time = FakeTime()
    backlog = opened(time, {0: 100})
    for offset in range(10):
        time.seconds += PATIENCE - 1
        backlog.read(0, offset)
        assert not backlog.is_read({0: offset + 1})
    time.seconds += PATIENCE + 1
    assert backlog.is_read({0: 10})


def test_new_records_of_one_partition_do_not_prolong_the_wait_for_another() -> None:
    """Its last offsets may be no messages, and the market goes on."""
    time = FakeTime()
    backlog = opened(time, {0: 100, 1: 20})
    for offset in range(100, 120):
        time.seconds += 1
        backlog.read(0, offset)
    assert backlog.is_read({0: 120, 1: 19})


def test_a_topic_that_is_opened_again_is_waited_for_again() -> None:
    time = FakeTime()
    backlog = opened(time, {0: 5})
    time.seconds += PATIENCE + 1
    backlog.open({0: 9})
    assert not backlog.is_read({0: 5})
