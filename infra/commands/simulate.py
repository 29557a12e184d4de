"""`coinlake simulate`: the venues on localhost, from a recording or a generated market."""

import datetime as dt
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from contracts.errors import SettingsError
from infra.durations import parse_duration

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    folder: Annotated[Path | None, typer.Argument(help="a recording; without one a market is generated")] = None,
    speed: Annotated[float, typer.Option(help="how many times faster than life the clock moves")] = 1.0,
    span: Annotated[str, typer.Option(help="how far before now a generated market begins")] = "3h",
    begin: Annotated[str | None, typer.Option(help="when the clock begins, such as 2024-03-19T12:00:00Z")] = None,
    seed: Annotated[int, typer.Option(help="which market is generated")] = 1,
    common_start: Annotated[bool, typer.Option(help="shift the venues' recordings to a common start")] = False,
    host: Annotated[str, typer.Option(help="the address to listen on; in a container 0.0.0.0")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="the port to listen on; 0 takes any free one")] = 0,
    port_file: Annotated[Path | None, typer.Option(help="a file to write the chosen port to")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help='what goes wrong, such as {"venue": "wallex", "kind": "html", "count": 3}; may be repeated'),
    ] = None,
) -> None:
    """Speak the venues' protocols on localhost until SIGTERM or Ctrl-C; prints the base URLs to point sources at."""
    from simulator.config import SimulatorConfig
    from simulator.faults import Fault
    from simulator.server import serve

    serve(
        SimulatorConfig(
            recording=folder,
            speed=speed,
            span_seconds=parse_duration(span).total_seconds(),
            begin=_time(begin) if begin else None,
            seed=seed,
            common_start=common_start,
            host=host,
            port=port,
            port_file=port_file,
            faults=tuple(_decode(text, Fault) for text in fault or ()),
        )
    )


def _time(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--begin: expected a time such as 2024-03-19T12:00:00Z, found {text!r}") from None


def _decode(text: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"--fault: expected JSON of a fault, found {text!r}: {error}") from None
