"""`coinlake import`: turn snapshots of real venue answers into recordings."""

from pathlib import Path
from typing import Annotated

import typer

from infra.moments import moment
from infra.terminal import say, table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="import")(import_recordings)


def import_recordings(
    data: Annotated[Path, typer.Argument(help="the folder of the snapshots", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Argument(help="where the recordings are written")],
    binance_from: Annotated[
        str | None, typer.Option(help="recorded klines and trades of Binance instead, from this time on")
    ] = None,
    binance_to: Annotated[str, typer.Option(help="and up to this time, exclusive")] = "9000-01-01T00:00:00Z",
    liquidations: Annotated[
        bool,
        typer.Option("--liquidations", help="recorded liquidations of Binance's futures instead, of the same times"),
    ] = False,
) -> None:
    """Turn snapshots of real venue answers into recordings that `coinlake simulate` plays."""
    from simulator.import_binance import import_binance, import_liquidations
    from simulator.import_recorded import import_recorded

    if liquidations:
        begin = moment(binance_from or "1970-01-01T00:00:00Z")
        say(f"{out}: {import_liquidations(data, out, begin, moment(binance_to))} liquidations of Binance's futures")
        return
    if binance_from is not None:
        frames = import_binance(data, out, moment(binance_from), moment(binance_to))
        say(f"{out}: {frames} frames of Binance")
        return

    summary = import_recorded(data, out)
    table(
        ("recording", "CoinMarketCap answers", "Wallex answers", "matches"),
        [
            (str(made.folder), str(made.coinmarketcap_answers), str(made.wallex_answers), str(made.matches))
            for made in summary.folders
        ],
    )
