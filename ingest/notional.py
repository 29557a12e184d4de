"""Price times quantity as money."""

from decimal import ROUND_HALF_UP, Context, Decimal

from contracts.decimals import MONEY_PRECISION, MONEY_SCALE
from ingest.fields import FieldError

_EXACT = Context(prec=1000, rounding=ROUND_HALF_UP)
_SMALLEST = Decimal(1).scaleb(-MONEY_SCALE)
_ROOM = MONEY_PRECISION - MONEY_SCALE


def notional_of(price: Decimal, quantity: Decimal) -> Decimal:
    """Multiply without loss, then round half up at the 8 places of money.

    Raises:
        FieldError: the product has more digits before the point than money has room for.
    """
    exact = _EXACT.multiply(price, quantity)
    if exact and exact.adjusted() >= _ROOM:
        raise FieldError(f"notional: expected at most {_ROOM} digits before the point, found {exact.adjusted() + 1}")
    return exact.quantize(_SMALLEST, context=_EXACT)
