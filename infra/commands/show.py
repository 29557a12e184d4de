"""`coinlake show`: a coin's candles and the market around it, in the terminal."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(show)


def show(
    coin: Annotated[str, typer.Argument(help="such as BTC")],
    quote: Annotated[
        list[str] | None, typer.Option("--quote", help="the series in this quote, such as TMN; may be repeated")
    ] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, max=10_000, help="how many of the newest candles")] = 12,
    interval: Annotated[str, typer.Option(help="the length of a candle")] = "10m",
) -> None:
    """Show the last candles of a coin, its premiums and the total market cap, from the published Parquet."""
    import shutil

    from rich.console import Console

    from contracts.settings import LakeSettings
    from serve.show import show as show_coin

    show_coin(
        LakeSettings.load(),
        coin,
        Console(width=shutil.get_terminal_size((100, 24)).columns),
        last,
        quote or (),
        interval,
    )
