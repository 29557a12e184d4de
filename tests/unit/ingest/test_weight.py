"""The budget of request weight."""

import pytest

from contracts.errors import TransientSourceError
from ingest.weight import RESERVE, WeightBudget
from tests.unit.ingest.fakes import FakeTime


def test_no_minute_holds_more_than_the_budget() -> None:
    time = FakeTime()
    budget, spent = WeightBudget(100, time.monotonic), []
    while len(spent) < 300:
        wait = budget.take(4)
        if wait:
            time.seconds += wait
        else:
            spent.append(time.seconds)
            time.seconds += 0.1
    for moment in spent:
        assert sum(4 for other in spent if moment <= other < moment + 60) <= 100
    assert spent[-1] < 61 * 12 + 10


def test_what_others_spend_from_the_same_address_is_left_to_them() -> None:
    time = FakeTime()
    budget = WeightBudget(100, time.monotonic)
    assert budget.take(10) == 0
    budget.told(96)
    assert budget.take(10) > 0
    time.seconds += 61.1
    assert budget.take(10) == 0


def test_a_reserve_is_left_for_polls() -> None:
    budget = WeightBudget(100, FakeTime().monotonic)
    while not budget.take(2, reserve=RESERVE):
        pass
    assert budget.spent == 50
    assert budget.take(4) == 0


def test_a_pause_that_the_venue_asks_for_is_told_to_whoever_asks() -> None:
    time = FakeTime()
    budget = WeightBudget(100, time.monotonic)
    budget.pause(30, "told to pause")
    budget.pause(5, "shorter")
    time.seconds += 10
    with pytest.raises(TransientSourceError, match="told to pause") as caught:
        budget.take(1)
    assert caught.value.retry_after == pytest.approx(20)
    time.seconds += 20
    assert budget.take(1) == 0
