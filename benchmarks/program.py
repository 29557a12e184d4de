"""What the benchmarks' command lines have in common."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import typer

from contracts.errors import CoinlakeError
from infra.cli import TERMINATED
from infra.interrupts import end_with_terminal


def main_of(command: Callable[..., None], name: str) -> None:
    """Run a command with what was typed; an error of ours is one line, and SIGTERM stops everything as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    end_with_terminal()
    try:
        typer.run(command)
    except CoinlakeError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)


def write_json(found: msgspec.Struct, out: Path) -> None:
    """Write all that was found; a file that was there is replaced as a whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    part.replace(out)
