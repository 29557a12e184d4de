"""The score on a terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from serve.amounts import clock
from serve.reconcile.compare import Compared, Score
from serve.reconcile.exchange import PLACES
from serve.uncut import Uncut

COUNTS = ("equal", "different", "missing_here", "missing_there", "neither")
HEADS = ("equal", "different", "missing here", "missing at the exchange", "in neither")
SHOWN = 12


def show(compared: Compared, console: Console) -> None:
    """Print the score by symbol, interval and month, the first differences and the holes."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("symbol", "interval", "month"):
        table.add_column(name)
    for name in HEADS:
        table.add_column(name, justify="right")
    for score in compared.scores:
        table.add_row(score.symbol, score.interval, score.month, *(f"{getattr(score, name):,}" for name in COUNTS))
    for interval in dict.fromkeys(score.interval for score in compared.scores):
        of_it = [score for score in compared.scores if score.interval == interval]
        table.add_row("all", interval, "", *(f"{total(of_it, name):,}" for name in COUNTS), style="bold")
    console.print(Uncut(table), crop=False)
    if compared.rounded:
        console.print(said_of_rounding(compared))
    for found in compared.differences[:SHOWN]:
        console.print(
            f"different: {found.symbol} {found.interval} {clock(found.open_time)} {found.column}:"
            f" ours {found.ours}, the exchange's {found.theirs}"
        )
    if compared.holes:
        console.print(f"{len(compared.holes)} holes:")
    for hole in compared.holes[:SHOWN]:
        console.print(
            f"  {hole.symbol} {hole.interval} {clock(hole.from_time)} to {clock(hole.to_time)}: {hole.candles} candles"
            f" missing {where(hole.lacks)}: {hole.cause}"
        )
    if len(compared.holes) > SHOWN:
        console.print(f"  and {len(compared.holes) - SHOWN} more, on the page")


def said_of_rounding(compared: Compared) -> str:
    """Say that values of the exchange's files were rounded, and why."""
    return (
        f"{compared.rounded} values in the exchange's files have more than its {PLACES} places, as 1036258.3199999999:"
        " they were binary floats on their way there, and are rounded"
    )


def total(scores: Iterable[Score], name: str) -> int:
    """Sum one count."""
    return sum(getattr(score, name) for score in scores)


def where(lacks: str) -> str:
    """Say in words who lacks a candle.

    >>> where("both")
    'on both sides'
    """
    return {"here": "here", "exchange": "at the exchange", "both": "on both sides"}[lacks]
