"""Prices as they are written on the page, against Python's decimals."""

import random
from decimal import ROUND_HALF_UP, Decimal

from tests.unit.serve.live_page.node import run

MODULE = {"decimals.js": "digitsOf, written"}


def digits_of(texts: list[str]) -> list[int]:
    return run("return given.map(digitsOf);", texts, imports=MODULE)


def written(values: list[tuple[str | float | None, int]]) -> list[str]:
    return run("return given.map(([value, digits]) => written(value, digits));", values, imports=MODULE)


def prices(count: int) -> list[Decimal]:
    """Prices of up to 15 digits, which a double keeps, from 1E-12 up to a billion."""
    chance = random.Random(5)
    made = []
    for _ in range(count):
        whole = chance.randrange(1, 10 ** chance.randint(1, 15))
        made.append(Decimal(whole).scaleb(-chance.randint(max(0, len(str(whole)) - 10), 12)))
    return made


def digits_after_point(price: Decimal) -> int:
    return max(0, -int(price.normalize().as_tuple().exponent))


def test_zeros_at_the_end_are_no_digits() -> None:
    assert digits_of(["67000.50", "67000.00", "67000", "0.00002400", "-0.10", "100."]) == [1, 0, 0, 6, 1, 0]


def test_digits_are_those_of_the_decimal_in_either_spelling() -> None:
    some = prices(2000)
    spelt = [spelling for price in some for spelling in (format(price, "f"), str(price))]
    assert any("E-" in spelling for spelling in spelt)
    assert digits_of(spelt) == [digits_after_point(price) for price in some for _ in range(2)]


def test_exponents_move_the_point() -> None:
    assert digits_of(["1E-8", "1.50e-7", "1.5E+3", "1.2345E2"]) == [8, 8, 0, 2]


def test_what_is_no_number_has_no_digits() -> None:
    assert digits_of(["", "NaN", "price", "1.2.3"]) == [0, 0, 0, 0]


def test_thousands_stand_apart_and_zeros_fill_up() -> None:
    asked = [("97312.4", 2), ("1234567", 0), ("999", 1), ("0.000024", 8), (1000, 0), ("1000000.5", 3)]
    assert written(asked) == ["97,312.40", "1,234,567", "999.0", "0.00002400", "1,000", "1,000,000.500"]


def test_a_price_written_with_its_own_digits_is_itself() -> None:
    some = prices(2000)
    shortest = [price.quantize(Decimal(1).scaleb(-digits_after_point(price))) for price in some]
    assert written([(str(price), digits_after_point(price)) for price in some]) == [format(p, ",f") for p in shortest]


def test_a_number_is_rounded_to_the_nearest() -> None:
    chance = random.Random(6)
    asked = [(chance.lognormvariate(0, 8), chance.randint(0, 8)) for _ in range(2000)]
    rounded = [Decimal(value).quantize(Decimal(1).scaleb(-n), ROUND_HALF_UP) for value, n in asked]
    assert written(asked) == [format(value, ",f") for value in rounded]


def test_what_is_missing_is_a_dash() -> None:
    assert written([(None, 2)]) == ["\N{EN DASH}"]
