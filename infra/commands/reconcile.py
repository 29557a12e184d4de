"""`coinlake reconcile`: our candles beside the exchange's own."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reconcile)


def reconcile(
    folder: Annotated[
        Path | None, typer.Argument(help="archive files of the exchange's 5m, 1h and 1d klines", exists=True)
    ] = None,
    rest: Annotated[bool, typer.Option("--rest", help="download the exchange's klines instead")] = False,
    from_time: Annotated[str | None, typer.Option("--from", help="default: where its klines begin")] = None,
    to_time: Annotated[str | None, typer.Option("--to", help="exclusive; default: where its klines end")] = None,
    symbols: Annotated[str | None, typer.Option(help="separated by commas; default: all there are")] = None,
    interval: Annotated[
        str | None, typer.Option(help="separated by commas; default: of 10m, 1h and 1d those that there are klines for")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="where the scoreboard is written; default: COINLAKE_HOME/reconcile.html")
    ] = None,
    own_lake: Annotated[
        bool,
        typer.Option("--own-lake", help="first make a lake of its own of the folder's 1m files, as the demo does"),
    ] = False,
) -> None:
    """Compare our Binance candles with the exchange's own, to the last digit; print, store and draw the score.

    10m is compared with two aligned 5m klines. The exit code is 1 where a candle differs or is
    missing on one side, and where a symbol or an interval that was asked for could not be compared.
    """
    from infra.moments import moment
    from infra.reconcile.run import Asked, in_own_lake, reconcile_lake
    from serve.reconcile.compare import Period
    from serve.reconcile.exchange import MADE_OF

    names = tuple(dict.fromkeys(name.strip() for name in (interval or ",".join(MADE_OF)).split(",")))
    if unknown := [name for name in names if name not in MADE_OF]:
        raise typer.BadParameter(f"expected intervals of {', '.join(MADE_OF)}, found {unknown[0]}")
    if (folder is None) is not rest or (own_lake and rest):
        raise typer.BadParameter("expected a folder of archive files or --rest")
    if rest and not (from_time and to_time):
        raise typer.BadParameter("expected --from and --to with --rest")
    asked = Asked(
        folder=folder,
        period=Period(moment(from_time) if from_time else None, moment(to_time) if to_time else None),
        symbols=tuple(word.strip().upper() for word in symbols.split(",")) if symbols else (),
        intervals=names,
        every_interval=interval is not None,
        page=page,
    )
    equal = in_own_lake(asked) if own_lake else reconcile_lake(asked)
    if not equal:
        raise typer.Exit(1)
