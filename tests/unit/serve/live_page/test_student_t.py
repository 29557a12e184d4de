"""The t distribution of the forecast's band, against a published table and an integral of the density."""

import math

import numpy as np
import pytest

from tests.unit.serve.live_page.node import run
from tests.unit.serve.live_page.student_t import probability_within

MODULE = {"forecasts/student_t.js": "probabilityWithin, twoSidedQuantile"}

# NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2, columns 0.975 and 0.995: degrees, t(0.95), t(0.99)
PUBLISHED = [
    (1, 12.706, 63.657),
    (2, 4.303, 9.925),
    (5, 2.571, 4.032),
    (10, 2.228, 3.169),
    (30, 2.042, 2.750),
    (100, 1.984, 2.626),
]


def quantiles(asked: list[tuple[float, int]]) -> list[float]:
    script = "return given.map(([probability, degrees]) => twoSidedQuantile(probability, degrees));"
    return run(script, asked, imports=MODULE)


def test_quantiles_are_those_of_the_published_table() -> None:
    found = quantiles([(p, degrees) for degrees, *_ in PUBLISHED for p in (0.95, 0.99)])
    assert [round(t, 3) for t in found] == [t for _, *both in PUBLISHED for t in both]


def test_as_much_of_the_density_as_was_asked_for_lies_within_a_quantile() -> None:
    asked = [(p, degrees) for p in (0.5, 0.95, 0.99) for degrees in range(1, 240)]
    held = [probability_within(t, degrees) for t, (_, degrees) in zip(quantiles(asked), asked, strict=True)]
    np.testing.assert_allclose(held, [p for p, _ in asked], rtol=0, atol=1e-12)


def test_probabilities_are_the_integral_of_the_density() -> None:
    cases = [(t, degrees) for t in (0.01, 0.5, 1.0, 2.0, 6.0, 40.0) for degrees in (1, 2, 3, 4, 5, 8, 31, 100, 239)]
    found = run(
        "return given.map(([t, degrees]) => probabilityWithin(Math.atan(t / Math.sqrt(degrees)), degrees));",
        cases,
        imports=MODULE,
    )
    np.testing.assert_allclose(found, [probability_within(t, degrees) for t, degrees in cases], rtol=1e-11)


def test_with_one_degree_the_quantile_is_that_of_cauchy() -> None:
    assert quantiles([(0.5, 1), (0.95, 1)]) == pytest.approx([1, math.tan(0.475 * math.pi)], rel=1e-12)


def test_a_quantile_asked_for_again_is_the_same() -> None:
    first, other, again = quantiles([(0.95, 11), (0.99, 11), (0.95, 11)])
    assert first == again < other
