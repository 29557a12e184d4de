import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from simulator.clock import SimulatedClock
from tests.unit.simulator.fakes import NOON, FakeWall

THREE_HOURS = dt.timedelta(hours=3)


def test_clock_stands_a_span_before_the_wall_clock_until_it_is_started() -> None:
    wall = FakeWall()
    clock = SimulatedClock(wall, speed=720, span=THREE_HOURS)
    wall.advance(minutes=10)
    assert clock.now() == NOON + dt.timedelta(minutes=10) - THREE_HOURS
    assert clock.started_at is None


def test_clock_moves_at_its_speed_once_started() -> None:
    wall = FakeWall()
    clock = SimulatedClock(wall, speed=60, span=THREE_HOURS)
    clock.start()
    wall.advance(seconds=30)
    clock.start()
    assert clock.now() == NOON - THREE_HOURS + dt.timedelta(minutes=30)
    assert clock.started_at == NOON - THREE_HOURS


def test_clock_that_caught_up_keeps_step_with_life() -> None:
    wall = FakeWall()
    clock = SimulatedClock(wall, speed=720, span=THREE_HOURS)
    clock.start()
    wall.advance(hours=1)
    assert clock.now() == wall.moment


def test_clock_begins_where_it_is_told() -> None:
    begin = dt.datetime(2022, 6, 13, tzinfo=dt.UTC)
    assert SimulatedClock(FakeWall(), speed=1, begin=begin).now() == begin


@given(
    speed=st.floats(min_value=0.01, max_value=1e5),
    span=st.floats(min_value=0, max_value=1e6),
    steps=st.lists(st.floats(min_value=-60, max_value=1e4), max_size=20),
)
def test_clock_is_never_ahead_of_the_wall_nor_goes_back(speed: float, span: float, steps: list[float]) -> None:
    wall = FakeWall()
    highest_wall = wall.moment
    clock = SimulatedClock(wall, speed=speed, span=dt.timedelta(seconds=span))
    clock.start()
    before = clock.now()
    for step in steps:
        wall.advance(seconds=step)
        highest_wall = max(highest_wall, wall.moment)
        now = clock.now()
        assert before <= now <= highest_wall
        before = now
