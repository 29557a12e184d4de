"""The straight line through the prices and its band, against numpy's fit and the textbook's formula."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.serve.live_page.node import run
from tests.unit.serve.live_page.student_t import quantile_within

NOON_MS = 1_710_849_600_000
SLIDE_MS = 500

Points = list[dict[str, float]]
Numbers = NDArray[np.float64]


def predicted(series: list[Points]) -> list[Points]:
    return run("return given.map(predict);", series, imports={"forecasts/trend.js": "predict"})


def points(*values: float, step: int = SLIDE_MS) -> Points:
    return [{"time": NOON_MS + step * row, "value": value} for row, value in enumerate(values)]


def fitted(series: Points) -> tuple[Numbers, Numbers]:
    """Return the line and half its band at the times of the points."""
    count = len(series)
    since = np.array([p["time"] - series[0]["time"] for p in series])  # a double holds no fractions of today's ms
    xs = since - since.mean()
    ys = np.array([p["value"] for p in series])
    line = np.polyval(np.polyfit(xs, ys, 1), xs)
    deviation = np.sqrt(np.sum((ys - line) ** 2) / (count - 2))
    spread = np.sqrt(1 / count + xs**2 / np.sum(xs**2))
    return line, quantile_within(0.95, count - 2) * deviation * spread


def markets(level: float, *, holes: bool) -> list[Points]:
    """Series of each length: a drift, up or down, and noise of a thousandth of the price."""
    random = np.random.default_rng(20240319)
    made = []
    for count in (3, 4, 5, 6, 9, 30, 58, 120, 240, 241):
        rows = np.sort(random.choice(3 * count, count, replace=False)) if holes else np.arange(count)
        drift = random.normal(0, 0.01) * rows / count
        values = level * (1 + drift + random.normal(0, 0.001, count))
        times = NOON_MS + SLIDE_MS * (rows + random.integers(1_000_000))
        made.append([{"time": int(t), "value": float(v)} for t, v in zip(times, values, strict=True)])
    return made


@pytest.mark.parametrize("level", [67000.0, 1.0, 2.4e-5])
@pytest.mark.parametrize("holes", [False, True])
def test_line_and_band_are_those_of_least_squares(level: float, holes: bool) -> None:
    series = markets(level, holes=holes)
    for given, found in zip(series, predicted(series), strict=True):
        line, half = fitted(given)
        value, lower, upper = (np.array([p[name] for p in found]) for name in ("value", "lower", "upper"))
        assert [p["time"] for p in found] == [p["time"] for p in given]
        np.testing.assert_allclose(value, line, rtol=1e-9)
        np.testing.assert_allclose(upper - value, half, rtol=1e-8)
        np.testing.assert_allclose(value - lower, half, rtol=1e-8)


def test_the_band_of_three_points_is_the_one_worked_out_by_hand() -> None:
    """Of 1, 3, 2 the line is 1.5 + 0.5 row, the squares left sum to 1.5, and t(0.975, 1) is 12.7062."""
    [found] = predicted([points(1.0, 3.0, 2.0)])
    assert [p["value"] for p in found] == pytest.approx([1.5, 2.0, 2.5])
    outer, middle = 12.7062047 * (1.5 * 5 / 6) ** 0.5, 12.7062047 * (1.5 / 3) ** 0.5
    assert [p["upper"] - p["value"] for p in found] == pytest.approx([outer, middle, outer])


def test_nineteen_of_twenty_bands_hold_the_true_line() -> None:
    random = np.random.default_rng(7)
    rows = np.arange(12)
    truth = 67000 + 3.0 * rows
    series = [points(*(truth + random.normal(0, 10, rows.size))) for _ in range(4000)]
    held = [[p["lower"] < t < p["upper"] for p, t in zip(each, truth, strict=True)] for each in predicted(series)]
    # Four standard errors of a share among 4000.
    np.testing.assert_allclose(np.mean(held, axis=0), 0.95, rtol=0, atol=4 * (0.95 * 0.05 / 4000) ** 0.5)


@pytest.mark.parametrize("price", [67000.0, 67000.1, 2.4e-5])
def test_a_flat_market_has_a_flat_line_without_a_band(price: float) -> None:
    [found] = predicted([points(*[price] * 241)])
    assert [(p["lower"], p["value"], p["upper"]) for p in found] == [(price, price, price)] * 241


def test_fewer_than_three_points_have_no_line() -> None:
    assert predicted([points(), points(1.0), points(1.0, 2.0)]) == [[], [], []]
    assert len(predicted([points(1.0, 2.0, 4.0)])[0]) == 3


def test_points_of_one_time_have_no_line() -> None:
    assert predicted([points(1.0, 2.0, 3.0, 4.0, step=0)]) == [[]]
