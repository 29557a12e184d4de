"""`coinlake generate`: take what the venues say into Kafka, or hand it out over ZeroMQ."""

from enum import StrEnum
from typing import Annotated

import typer

from contracts.errors import SettingsError
from contracts.settings import IngestSettings, JobSettings, KafkaSettings
from infra.durations import parse_duration
from infra.transport import TRANSPORT, transport_settings


class LogForm(StrEnum):
    """How a log line is written."""

    LOGFMT = "logfmt"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(generate)


def generate(
    venue: Annotated[
        list[str] | None,
        typer.Option(
            "--venue",
            help="take this alone: coin_market_cap, wallex, binance (prices), binance_klines, binance_agg_trades, "
            "binance_liquidations, bybit_liquidations, x_bitcoin or x_ethereum; may be repeated; without it "
            "the first four",
        ),
    ] = None,
    duration: Annotated[str, typer.Option(help="how long, such as 90s, 10m, 3h or 2d")] = "3h",
    once: Annotated[
        bool, typer.Option("--once", help="poll each venue one time, and fill what is pushed up to now")
    ] = False,
    forever: Annotated[bool, typer.Option("--forever", help="until SIGTERM or Ctrl-C")] = False,
    transport: Annotated[str | None, typer.Option(help=TRANSPORT)] = None,
    wait_for_subscribers: Annotated[
        int | None, typer.Option(help="on ZeroMQ: how many subscribers each topic must have before it begins")
    ] = None,
    log_format: Annotated[LogForm, typer.Option(help="how log lines on standard error are written")] = LogForm.LOGFMT,
) -> None:
    """Poll venues on a fixed grid and follow what they push, into Kafka or over ZeroMQ; what is missed is a Gap."""
    from ingest import generate as generator
    from ingest.venues import BY_DEFAULT

    if once and forever:
        raise SettingsError("expected --once or --forever, found both")
    code = generator.run(
        IngestSettings.load(),
        KafkaSettings.load(),
        JobSettings.load(),
        venues=tuple(venue or BY_DEFAULT),
        once=once,
        duration=None if forever else parse_duration(duration),
        log_format=log_format.value,
        transport=transport_settings(transport, wait_for_subscribers=wait_for_subscribers),
    )
    raise typer.Exit(code)
