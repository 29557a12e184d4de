"""`coinlake simulate`: the venues on localhost, from a recording or a generated market."""

import datetime as dt
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from contracts.errors import SettingsError
from infra.durations import parse_duration
from infra.moments import moment

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    folder: Annotated[Path | None, typer.Argument(help="a recording; without one a market is generated")] = None,
    speed: Annotated[float, typer.Option(help="how many times faster than life the clock moves")] = 1.0,
    span: Annotated[str, typer.Option(help='how far before now a generated market begins, or "now"')] = "3h",
    begin: Annotated[str | None, typer.Option(help="when the clock begins, such as 2024-03-19T12:00:00Z")] = None,
    seed: Annotated[int, typer.Option(help="which market is generated")] = 1,
    common_start: Annotated[bool, typer.Option(help="shift the venues' recordings to a common start")] = False,
    host: Annotated[str, typer.Option(help="the address to listen on; in a container 0.0.0.0")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="the port to listen on; 0 takes any free one")] = 0,
    port_file: Annotated[Path | None, typer.Option(help="a file to write the chosen port to")] = None,
    trades_a_minute: Annotated[int, typer.Option(help="how often each generated Binance symbol trades")] = 12,
    liquidations_a_minute: Annotated[
        int, typer.Option(help="how many liquidations about a generated Binance futures market has, of all symbols")
    ] = 60,
    posts_a_minute: Annotated[
        int, typer.Option(help="how many posts about are written on a generated X of each coin")
    ] = 20,
    streams: Annotated[
        str | None,
        typer.Option(help='how connections to Binance live and fail, such as {"seed": 7, "drop": 0.01}'),
    ] = None,
    halt: Annotated[
        list[str] | None,
        typer.Option(help="Binance stands still, such as 2024-03-19T12:40:00Z/2024-03-19T14:00:00Z; may be repeated"),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help='what goes wrong, such as {"venue": "wallex", "kind": "html", "count": 3}; may be repeated'),
    ] = None,
) -> None:
    """Speak the venues' protocols on localhost until SIGTERM or Ctrl-C; prints the base URLs to point sources at."""
    from simulator.binance.streams import StreamRules
    from simulator.config import SimulatorConfig
    from simulator.faults import Fault
    from simulator.server import serve

    serve(
        SimulatorConfig(
            recording=folder,
            speed=speed,
            span_seconds=0 if span == "now" else parse_duration(span).total_seconds(),
            begin=moment(begin) if begin else None,
            seed=seed,
            common_start=common_start,
            host=host,
            port=port,
            port_file=port_file,
            trades_a_minute=trades_a_minute,
            liquidations_a_minute=liquidations_a_minute,
            posts_a_minute=posts_a_minute,
            streams=_decode("--streams", streams, StreamRules) if streams else StreamRules(),
            halts=tuple(_span(text) for text in halt or ()),
            faults=tuple(_decode("--fault", text, Fault) for text in fault or ()),
        )
    )


def _span(text: str) -> tuple[dt.datetime, dt.datetime]:
    begin, _, end = text.partition("/")
    return moment(begin), moment(end)


def _decode(option: str, text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{option}: expected JSON of a {kind.__name__}, found {text!r}: {error}") from None
