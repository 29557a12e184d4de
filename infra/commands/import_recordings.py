"""`coinlake import`: turn snapshots of real venue answers into recordings."""

from pathlib import Path
from typing import Annotated

import typer

from infra.terminal import table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="import")(import_recordings)


def import_recordings(
    data: Annotated[Path, typer.Argument(help="the folder of the snapshots", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Argument(help="where the recordings are written")],
) -> None:
    """Turn snapshots of real venue answers into recordings that `coinlake simulate` plays."""
    from simulator.import_recorded import import_recorded

    summary = import_recorded(data, out)
    table(
        ("recording", "CoinMarketCap answers", "Wallex answers", "matches"),
        [
            (str(made.folder), str(made.coinmarketcap_answers), str(made.wallex_answers), str(made.matches))
            for made in summary.folders
        ],
    )
