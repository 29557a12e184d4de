"""`coinlake gaps`: the holes on record."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(gaps)


def gaps(
    every: Annotated[bool, typer.Option("--all", help="also those that were repaired")] = False,
    symbol: Annotated[str | None, typer.Option(help="those of one symbol, such as BTCUSDT")] = None,
) -> None:
    """List the holes in what was received: from when to when, why, and whether they can be filled."""
    import shutil

    from rich.console import Console

    from contracts.settings import LakeSettings
    from serve.gaps import show_gaps

    console = Console(width=shutil.get_terminal_size((100, 24)).columns, highlight=False, markup=False)
    show_gaps(LakeSettings.load(), console, symbol.upper() if symbol else None, repaired=every)
