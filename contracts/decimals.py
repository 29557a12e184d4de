"""The decimal types of the lake, named once.

Each alias is a `decimal.Decimal` that carries its precision and scale, so that the wire format
(a JSON string) and the Spark type (`DecimalType`) are derived from the same line.
"""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta

PRICE_PRECISION, PRICE_SCALE = 38, 18
MONEY_PRECISION, MONEY_SCALE = 38, 8

Price = Annotated[Decimal, Meta(extra={"precision": PRICE_PRECISION, "scale": PRICE_SCALE})]
"""A price or a rate: 20 digits before the point, 18 after it."""

Money = Annotated[Decimal, Meta(extra={"precision": MONEY_PRECISION, "scale": MONEY_SCALE})]
"""A market cap, a traded amount or a sum of money: 30 digits before the point, 8 after it."""
