"""`coinlake record`: write down what the live venues answer, for `coinlake simulate` to play."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import SettingsError
from contracts.settings import IngestSettings
from infra.durations import parse_duration
from infra.terminal import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(record)


def record(
    folder: Annotated[Path, typer.Argument(help="where the recording is written, one file a venue")],
    venue: Annotated[
        list[str] | None, typer.Option("--venue", help="record this venue alone; may be given more than once")
    ] = None,
    duration: Annotated[str, typer.Option(help="how long, such as 90s, 10m, 3h or 2d")] = "3h",
) -> None:
    """Record the venues that the settings name until the duration is over or Ctrl-C; keys are never written.

    Of Binance also the 1-minute klines and aggregate trades that it pushes.
    """
    from simulator.record import RecordConfig
    from simulator.record import record as write_recording

    settings = IngestSettings.load()
    urls = {"coinmarketcap": settings.coinmarketcap_url, "wallex": settings.wallex_url, "binance": settings.binance_url}
    for name in venue or ():
        if name not in urls:
            raise SettingsError(f"expected a venue out of {', '.join(urls)}, found {name}")
    summary = write_recording(
        RecordConfig(
            out=folder,
            base_urls={name: urls[name] for name in venue or urls},
            coinmarketcap_key=settings.coinmarketcap_api_key,
            coinmarketcap_api=settings.coinmarketcap_api,
            coinmarketcap_coins=settings.coinmarketcap_coins,
            binance_symbols=settings.binance_symbols,
            binance_stream_url=settings.binance_stream_url,
            every_seconds=settings.poll_seconds,
            duration_seconds=parse_duration(duration).total_seconds(),
            timeout_seconds=settings.request_timeout_seconds,
        )
    )
    for name, lines in summary.lines.items():
        say(f"{name}: {lines} answers recorded, {summary.unanswered.get(name, 0)} polls unanswered")
    if "binance" in summary.lines:
        say(f"binance: {summary.frames} pushed frames recorded")
