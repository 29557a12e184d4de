"""Bars of literal rows, and laws of drawn ones, against fractions."""

from decimal import Decimal
from fractions import Fraction

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from serve.export.bars import aggregate, judge, without_repeats
from tests.unit.serve.export.messages import RULES

SERIES = {"venue": "v", "topic": "wallex", "symbol": "s", "kline": ""}
DECIMALS = st.decimals("-99999999999999999999", "99999999999999999999", places=18)


def rows(*prices: tuple[int, int, str]) -> pd.DataFrame:
    """Make rows of one bar out of time, tie and price."""
    return pd.DataFrame(
        [
            {**SERIES, "bar": 0, "at": at, "tie": tie, "identity": f"{at}:{tie}", "price": Decimal(price)}
            for at, tie, price in prices
        ]
    )


def test_first_and_last_are_by_event_time_and_then_by_the_tie_and_never_by_arrival() -> None:
    [bar] = aggregate(rows((5, 2, "3"), (9, 1, "4"), (5, 10, "2"), (9, 7, "1"), (5, 1, "8"))).to_dict("records")
    assert (bar["first"], bar["last"], bar["min"], bar["max"], bar["count"]) == (8, 1, 1, 8, 5)
    assert (bar["sum"], bar["mean"]) == (18, 3.6)


def test_a_sum_that_floats_would_get_wrong_is_the_float_nearest_to_the_exact_one() -> None:
    most = "99999999999999999999"
    drawn = rows((1, 1, "0.000000000000000001"), (1, 2, most), (1, 3, "0.000000000000000002"), (1, 4, f"-{most}"))
    [bar] = aggregate(drawn).to_dict("records")
    assert (bar["sum"], bar["mean"]) == (3e-18, 7.5e-19)


@settings(max_examples=50, deadline=None)
@given(prices=st.lists(DECIMALS, min_size=1, max_size=30), order=st.randoms())
def test_sum_and_mean_are_exact_whatever_the_order(prices: list[Decimal], order: object) -> None:
    drawn = rows(*((at, 0, str(price)) for at, price in enumerate(prices)))
    shuffled = drawn.sample(frac=1, random_state=order.randrange(2**32))  # type: ignore[attr-defined]
    [bar] = aggregate(shuffled).to_dict("records")
    exact = sum(map(Fraction, prices), Fraction(0))
    assert (bar["sum"], bar["mean"]) == (float(exact), float(exact / len(prices)))
    assert (bar["first"], bar["last"]) == (float(prices[0]), float(prices[-1]))


def test_of_rows_with_one_identity_the_first_that_came_is_kept() -> None:
    kept = without_repeats(rows((1, 1, "5"), (1, 1, "6"), (2, 1, "7")))
    assert [str(price) for price in kept["price"]] == ["5", "7"]


def test_a_row_is_late_from_the_instant_at_which_its_bar_is_closed() -> None:
    end = RULES.interval + RULES.lateness_others
    judged = judge(rows((0, 1, "1"), (end - 1, 1, "1"), (1, 1, "1"), (end, 1, "1"), (2, 1, "1")), {}, RULES)
    assert list(judged.rows["late"]) == [False, False, False, False, True]
    assert judged.newest == {("v", "wallex", "s", ""): end}


def test_what_was_newest_before_counts_too_and_only_for_its_own_series() -> None:
    end = RULES.interval + RULES.lateness_others
    both = pd.concat([rows((0, 1, "1")), rows((0, 1, "1")).assign(symbol="other")], ignore_index=True)
    judged = judge(both, {("v", "wallex", "s", ""): end}, RULES)
    assert list(judged.rows["late"]) == [True, False]
    assert judged.newest == {("v", "wallex", "s", ""): end, ("v", "wallex", "other", ""): 0}
