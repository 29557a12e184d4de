"""How long the page waits before it connects again."""

import random

from tests.unit.serve.live_page.node import run

STEPS = [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000]


def pauses(*draws: list[float]) -> list[list[float]]:
    """Return the pauses that go with each list of draws from [0, 1)."""
    script = """
      return given.map((draws) => {
        const left = [...draws];
        const made = pauses({ random: () => left.shift() });
        return draws.map(() => made.next().value);
      });
    """
    return run(script, draws, imports={"backoff.js": "pauses"})


def test_a_pause_is_half_certain_and_half_chance() -> None:
    shortest, middle, longest = pauses([0.0] * 8, [0.5] * 8, [1.0] * 8)
    assert shortest == [step / 2 for step in STEPS]
    assert middle == [step * 3 / 4 for step in STEPS]
    assert longest == STEPS


def test_whatever_chance_says_a_pause_is_within_its_step() -> None:
    chance = random.Random(11)
    for made in pauses(*[[chance.random() for _ in STEPS] for _ in range(500)]):
        assert all(step / 2 <= pause < step for pause, step in zip(made, STEPS, strict=True))


def test_by_itself_it_draws_and_no_two_pages_come_back_together() -> None:
    script = "return Array.from({ length: 50 }, () => pauses().next().value);"
    first = run(script, imports={"backoff.js": "pauses"})
    assert all(250 <= pause < 500 for pause in first)
    assert len(set(first)) > 40
