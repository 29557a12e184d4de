"""Exact decimal columns against Python's `decimal`, which is an independent implementation."""

import random
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pyspark.sql.functions as F
from pyspark.sql import SparkSession

from spark_jobs.columns.exact import divide, multiply

PLACES = Decimal(1).scaleb(-18)


def rounded(value: Decimal) -> Decimal:
    return value.quantize(PLACES, rounding=ROUND_HALF_UP)


def random_price(draw: random.Random) -> Decimal:
    digits = draw.randint(1, 28)
    return Decimal(draw.randrange(1, 10**digits)).scaleb(-18) * draw.choice([1, 1, 1, -1])


def computed(spark: SparkSession, pairs: list[tuple[Decimal, Decimal]]) -> list[tuple[Decimal | None, Decimal | None]]:
    frame = spark.createDataFrame(pairs, "a decimal(38,18), b decimal(38,18)")
    rows = frame.select(multiply(F.col("a"), F.col("b")), divide(F.col("a"), F.col("b"))).collect()
    return [(row[0], row[1]) for row in rows]


def test_product_and_quotient_equal_pythons_decimal_to_the_last_of_eighteen_places(spark: SparkSession) -> None:
    draw = random.Random(20261122)
    pairs = [(random_price(draw), random_price(draw)) for _ in range(2000)]
    pairs += [(Decimal("1e-18"), Decimal("0.5")), (Decimal(2), Decimal(3)), (Decimal("83434.40"), Decimal("111234.56"))]
    with localcontext() as context:
        context.prec = 80
        for (a, b), (product, quotient) in zip(pairs, computed(spark, pairs), strict=True):
            exact = rounded(a * b)
            assert product == (exact if abs(exact) < 10**19 else None), (a, b)
            ratio = rounded(a / b)
            if abs(ratio) < 10**19:
                assert quotient == ratio, (a, b)


def test_a_result_that_does_not_fit_is_null_and_throws_nothing(spark: SparkSession) -> None:
    huge, big, zero = Decimal(10) ** 19, Decimal(10) ** 15, Decimal(0)
    (over, _), (_, by_zero), (_, too_large) = computed(spark, [(huge, huge), (Decimal(1), zero), (big, Decimal(3))])
    assert (over, by_zero, too_large) == (None, None, None)
