"""The key figures on top of the page."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from contracts.errors import CoinlakeError
from serve.dashboard.ask import Ask, Row


class Figure(NamedTuple):
    """One figure: what it is, as it is shown, and what it means."""

    label: str
    value: str
    note: str


NONE = "-"


def figures(lake: Ask, liquidations: Ask, hours: int) -> list[Figure]:
    """Ask for the key figures; one whose store does not answer, or has nothing, is a dash."""
    caps = _rows(lambda: lake("market_cap", hours=hours))
    prices = _rows(lambda: lake("base_tmn_premium", limit=1))
    totals = _rows(lambda: liquidations("liquidation_totals", hours=hours))
    gaps = _rows(lambda: lake("gaps_unfilled"))
    cap = caps[-1] if caps else None
    price = prices[0] if prices else None
    return [
        Figure("Market cap", "$" + short(cap["market_cap"]) if cap else NONE, "The newest total, in USD."),
        Figure("Dominance", _dominance(cap), "The share of the largest coin."),
        Figure(
            f"{price['coin']} base price" if price else "Base price",
            f"{short(price['base_tmn'])} TMN" if price else NONE,
            "USD price x the newest toman price of USDT.",
        ),
        Figure("Longs liquidated", _sum(totals, "long"), f"Notional of the last {hours} hours: a lower bound."),
        Figure("Shorts liquidated", _sum(totals, "short"), f"Notional of the last {hours} hours: a lower bound."),
        Figure("Gaps", str(gaps[0]["unfilled"]) if gaps else NONE, "Holes on record that are not filled."),
    ]


def short(number: Decimal) -> str:
    """Write a number with four digits and its thousands as a letter.

    >>> short(Decimal("2574031000000")), short(Decimal("63857.73")), short(Decimal("-0.5"))
    ('2.574T', '63.86k', '-0.5')
    """
    size = abs(number)
    for power, letter in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if size >= 10**power:
            return f"{number / 10**power:.4g}{letter}"
    return f"{number:.4g}"


def _rows(ask: Callable[[], Sequence[Row]]) -> Sequence[Row]:
    try:
        return ask()
    except CoinlakeError:
        return []


def _dominance(cap: Row | None) -> str:
    if cap is None or cap["dominance"] is None:
        return NONE
    return f"{cap['largest_coin']} {cap['dominance']:.2%}"


def _sum(totals: Sequence[Row], side: str) -> str:
    return short(sum((row["notional"] for row in totals if row["side"] == side), Decimal(0))) if totals else NONE
