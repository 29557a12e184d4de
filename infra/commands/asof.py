"""`coinlake asof`: what the tables said at a time."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(asof)


def asof(
    time: Annotated[str, typer.Argument(help="when the tables are asked, UTC, such as 2024-03-19T22:05")],
    table: Annotated[
        list[str] | None, typer.Option("--table", help="candles, market_cap or market_snapshots; may be repeated")
    ] = None,
    coin: Annotated[str | None, typer.Option(help="rows of one coin alone")] = None,
) -> None:
    """Show what the published tables said at a time, and which rows later data added, changed or removed."""
    import shutil

    from rich.console import Console

    from contracts.settings import LakeSettings
    from infra.moments import moment
    from serve.asof import show_asof

    console = Console(width=shutil.get_terminal_size((100, 24)).columns, highlight=False, markup=False)
    show_asof(LakeSettings.load(), console, moment(time), table or (), coin)
