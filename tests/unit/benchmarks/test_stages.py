"""The seconds of each stage, from the lines of a job and the times at which they came."""

import pytest

from benchmarks.stages import StageClock, parse_stage


class Hand:
    """A clock that shows what the test says."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def read(lines: list[tuple[float, str]]) -> StageClock:
    hand = Hand()
    clock = StageClock(hand)
    for at, line in lines:
        hand.at = 100.0 + at
        clock.read(line)
    return clock


def test_start_is_what_came_before_the_first_stage_and_stop_what_came_after_the_last() -> None:
    clock = read(
        [
            (9.0, "wallex           batch 0    in      402  out      400"),
            (10.0, "stage land 4.0 s"),
            (12.5, "stage join 2.5 s"),
            (15.5, "stage build 3.0 s"),
            (16.0, "stage publish 0.5 s"),
        ]
    )
    stages = clock.stages(18.0)
    assert list(stages.items()) == [
        ("start", 6.0),
        ("land", 4.0),
        ("join", 2.5),
        ("build", 3.0),
        ("publish", 0.5),
        ("stop", 2.0),
    ]
    assert sum(stages.values()) == 18.0


def test_a_job_that_says_nothing_of_stages_has_none() -> None:
    assert read([(9.0, "wallex batch 0")]).stages(12.0) == {}


@pytest.mark.parametrize("line", ["stage land", "stage land x s", "a stage land 1.0 s", "stage land 1.0 s more"])
def test_another_line_is_no_stage(line: str) -> None:
    assert parse_stage(line) is None
