"""What commands print: plain lines, flushed, and tables."""

from collections.abc import Sequence


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header, each column as wide as its widest cell."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
