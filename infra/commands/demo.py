"""`coinlake demo`: the whole chain, from nothing to candles on the screen."""

from pathlib import Path
from typing import Annotated

import typer

from infra.durations import parse_duration


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    recording: Annotated[
        Path | None, typer.Option(help="play this recording; without it a market is generated")
    ] = None,
    span: Annotated[str, typer.Option(help="how much market is generated")] = "3h",
    speed: Annotated[float, typer.Option(help="how many times faster than life it is played")] = 720,
    seed: Annotated[int, typer.Option(help="which market is generated")] = 1,
    coin: Annotated[str, typer.Option(help="the coin to show at the end")] = "BTC",
    dashboard: Annotated[
        bool, typer.Option("--dashboard", help="end with the dashboard open, liquidations coming in, until Ctrl-C")
    ] = False,
    browser: Annotated[bool, typer.Option(help="open the dashboard in a browser")] = True,
    duration: Annotated[str | None, typer.Option(help="close the dashboard after this long")] = None,
) -> None:
    """Replay a market through Kafka, Spark and MinIO on this machine and show the candles that come out.

    No Docker, no key, no network. It works in a lake of its own, made anew each time, and leaves nothing running; with
    --dashboard once you end it.
    """
    from contracts.settings import home
    from infra.dashboard.run import Wish
    from infra.demo.replay import Market, recorded_market
    from infra.demo.run import demo as run

    length = parse_duration(span).total_seconds()
    market = recorded_market(recording, speed) if recording else Market(length, speed, seed=seed)
    shown = parse_duration(duration) if duration else None
    run(home() / "demo", market, coin, Wish(simulated=True, browser=browser, length=shown) if dashboard else None)
