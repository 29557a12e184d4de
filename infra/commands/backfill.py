"""`coinlake backfill`: archive files of the exchange, or klines of the past over REST, into bronze."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(backfill)


def backfill(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="archive files (.zip, .csv, .csv.gz), or folders of them")
    ] = None,
    rest: Annotated[bool, typer.Option("--rest", help="download klines over REST first, into COINLAKE_HOME")] = False,
    symbol: Annotated[
        str | None,
        typer.Option(help="such as BTCUSDT, where the file's name does not say it. With --rest it is needed"),
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="such as 1m, or aggTrades, where the file's name does not say it")
    ] = None,
    from_time: Annotated[str | None, typer.Option("--from", help="with --rest: such as 2024-03-19T12:00:00Z")] = None,
    to_time: Annotated[str | None, typer.Option("--to", help="with --rest: exclusive; default: now")] = None,
    base: Annotated[str | None, typer.Option(help="the base asset, where the symbol does not tell it")] = None,
    quote: Annotated[str | None, typer.Option(help="the quote asset, where the symbol does not tell it")] = None,
) -> None:
    """Import klines and aggregate trades into bronze: each row once, however often this is run or killed.

    Spot files of data.binance.vision and files like them: with or without a header, times in ms or µs, checked against
    `<file>.CHECKSUM` where that is there. `coinlake process` then builds klines and candles.
    """
    from contracts.settings import LakeSettings
    from infra.backfill_progress import showing_progress
    from spark_jobs.archives.names import Overrides
    from spark_jobs.backfill import backfill as import_files

    if rest:
        if paths or not (symbol and from_time):
            raise typer.BadParameter("expected --symbol and --from, and no files, with --rest")
        files = _download(symbol, interval or "1m", from_time, to_time)
        interval = None  # the files that are downloaded say theirs
    elif from_time or to_time:
        raise typer.BadParameter("expected --rest with --from and --to")
    else:
        files = _files(paths or [])
    with showing_progress(files) as watch:
        import_files(LakeSettings.load(), files, Overrides(symbol, interval, base, quote), watch)


def _files(paths: list[Path]) -> list[Path]:
    from spark_jobs.archives.names import is_archive

    files: list[Path] = []
    for path in paths:
        found = [file for file in sorted(path.rglob("*")) if file.is_file() and is_archive(file)]
        if path.is_dir() and not found:
            raise typer.BadParameter(f"expected files that end in .zip, .csv or .csv.gz in {path}, found none")
        files.extend(found if path.is_dir() else [path])
    if not files:
        raise typer.BadParameter("expected files or folders, or --rest")
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise typer.BadParameter(f"expected a file, found none at {missing[0]}")
    return list(dict.fromkeys(files))


def _download(symbol: str, interval: str, from_time: str, to_time: str | None) -> list[Path]:
    from contracts.settings import KLINE_INTERVALS, IngestSettings, home
    from infra.moments import moment
    from infra.terminal import say
    from ingest.sources.binance.history import download_klines

    if interval not in KLINE_INTERVALS:
        raise typer.BadParameter(f"expected an interval of {', '.join(KLINE_INTERVALS)}, found {interval}")
    start, end = moment(from_time), moment(to_time) if to_time else dt.datetime.now(dt.UTC)
    folder = home() / "downloads"
    return download_klines(IngestSettings.load(), symbol, interval, start, end, folder, say)
