"""`coinlake import`: turn snapshots of real venue answers into recordings."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import SettingsError
from contracts.settings import IngestSettings
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
    posts: Annotated[str | None, typer.Option(help="recorded posts of X instead: a file of DATA, JSON lines")] = None,
    query: Annotated[
        str | None, typer.Option(help="with --posts: the search that finds them; default: COINLAKE_X_QUERY_BITCOIN")
    ] = None,
) -> None:
    """Turn snapshots of real venue answers into recordings that `coinlake simulate` plays."""
    from simulator.import_binance import import_binance, import_liquidations
    from simulator.import_posts import import_posts
    from simulator.import_recorded import import_recorded

    _refuse_together(posts is not None, liquidations, binance_from is not None, query is not None)
    if posts is not None:
        found_by = query or IngestSettings.load().x_query_bitcoin
        say(f"{out}: {import_posts(data / posts, out, found_by)} posts of X, found by: {found_by}")
        return
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


def _refuse_together(posts: bool, liquidations: bool, binance: bool, query: bool) -> None:
    """Refuse options of which one would be left out without a word; times go with liquidations too.

    Raises:
        SettingsError: they are of two recordings.
    """
    if posts and (liquidations or binance):
        other = "--liquidations" if liquidations else "--binance-from"
        raise SettingsError(f"expected one recording to import, found --posts and {other}")
    if query and not posts:
        raise SettingsError("--query: expected --posts beside it, found none")
