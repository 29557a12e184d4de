"""Pages that are as wide as their tables: a narrow terminal wraps a line, and no digit of a price is cut off."""

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

WIDER_THAN_ANY_TABLE = 500


class Uncut:
    """Renders what it holds at its natural width; print it with `crop=False`."""

    def __init__(self, page: RenderableType) -> None:
        self._page = page

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render without regard to the terminal's width."""
        yield from console.render(self._page, options.update(width=WIDER_THAN_ANY_TABLE))
