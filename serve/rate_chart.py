"""What a USDT is worth in toman by each coin, as a table with a dot for each rate on one scale."""

from collections.abc import Sequence
from decimal import Decimal

from rich.table import Table

from serve.amounts import grouped, percent
from serve.coin_report import ImpliedRate

TRACK = 33
"""Characters of the scale."""
_BINANCE, _COIN_MARKET_CAP, _WALLEX, _SEVERAL = "●", "○", "│", "◉"


def rate_table(rates: Sequence[ImpliedRate], usdt_tmn: Decimal | None) -> Table:
    """Build the table of the implied rates; `usdt_tmn` is what Wallex itself asks for a USDT.

    On the scale, which is the same in every row, ● is by Binance's price, ○ by CoinMarketCap's, │ Wallex's own rate.
    """
    own = "unknown" if usdt_tmn is None else grouped(usdt_tmn, 0)
    table = Table(
        title="implied USDT/TMN by coin",
        title_justify="left",
        title_style="bold",
        box=None,
        header_style="dim",
        padding=(0, 1, 0, 0),
    )
    table.add_column("coin", no_wrap=True)
    for column in (f"{_BINANCE} by Binance", f"{_COIN_MARKET_CAP} by CoinMarketCap", "premium"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(f"{_WALLEX} USDTTMN on Wallex {own}", no_wrap=True)
    every = [Decimal(rate.by_coin_market_cap) for rate in rates] + [rate.implied_usdt_tmn for rate in rates]
    every += [] if usdt_tmn is None else [usdt_tmn]
    for rate in rates:
        cmc = Decimal(rate.by_coin_market_cap)
        marks = [(_WALLEX, usdt_tmn), (_COIN_MARKET_CAP, cmc), (_BINANCE, rate.implied_usdt_tmn)]
        table.add_row(
            rate.coin,
            grouped(rate.implied_usdt_tmn, 0),
            grouped(cmc, 0),
            percent(rate.premium_binance, signed=True),
            track([(mark, value) for mark, value in marks if value is not None], min(every), max(every)),
        )
    return table


def track(marks: Sequence[tuple[str, Decimal]], low: Decimal, high: Decimal) -> str:
    """Put marks on a scale from `low` to `high`; of two at one place the later one is seen, two dots are one ring.

    >>> track([("a", Decimal(0)), ("b", Decimal(10))], Decimal(0), Decimal(10)).count(" ")
    31
    """
    places = [" "] * TRACK
    for mark, value in marks:
        at = TRACK // 2 if high == low else round((value - low) * (TRACK - 1) / (high - low))
        places[at] = _SEVERAL if mark == _BINANCE and places[at] == _COIN_MARKET_CAP else mark
    return "".join(places)
