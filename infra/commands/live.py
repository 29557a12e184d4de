"""`coinlake live` and `coinlake serve-live`: the live chart, with all that it needs or alone."""

from pathlib import Path
from typing import Annotated

import typer

from infra.commands.moving_average import Trigger


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(live)
    app.command("serve-live")(serve_live)


def live(
    venue: Annotated[
        bool, typer.Option("--live", help="follow the real venue; without it a market is generated, no network needed")
    ] = False,
    trigger: Annotated[
        Trigger, typer.Option(help="real-time needs pyspark 4.3, which is fetched once (450 MB)")
    ] = Trigger.REAL_TIME,
    trades_a_minute: Annotated[int, typer.Option(min=1, help="how often each generated symbol trades")] = 200,
    seed: Annotated[int, typer.Option(help="which market is generated")] = 1,
    duration: Annotated[str | None, typer.Option(help="end after this long; without it at Ctrl-C")] = None,
) -> None:
    """Bring up Kafka, a market, the moving average and the chart's server, print the URL, and run until Ctrl-C."""
    from contracts.settings import home
    from infra.durations import parse_duration
    from infra.live.run import Market
    from infra.live.run import live as run

    market = None if venue else Market(trades_a_minute, seed)
    run(home() / "live", market, trigger.value, parse_duration(duration) if duration else None)


def serve_live(
    port_file: Annotated[Path | None, typer.Option(help="a file to write the chosen port to")] = None,
) -> None:
    """Serve the live chart of a topic of moving averages until SIGTERM or Ctrl-C."""
    from contracts.settings import KafkaSettings, MovingAverageSettings
    from infra.setup.chart_library import MODULE, ensure_chart_library
    from infra.terminal import say
    from serve.live.server import run
    from serve.live.settings import LiveSettings

    settings = LiveSettings.load()
    given = settings.live_chart_library
    run(
        settings,
        KafkaSettings.load(),
        MovingAverageSettings.load(),
        Path(given) if given else ensure_chart_library() / MODULE,
        port_file=port_file,
        say=say,
    )
