"""`coinlake`, the command line: the one place that turns errors into a line and an exit code."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from contracts.errors import CoinlakeError
from infra.commands import register_all
from infra.interrupts import end_with_terminal

INTERRUPTED = 130
TERMINATED = 143


def build_app() -> typer.Typer:
    """Build the command line with every command in `infra/commands/`."""
    app = typer.Typer(
        name="coinlake",
        help="A crypto market lakehouse: venue APIs -> Kafka -> Spark -> Delta and Parquet on S3.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    register_all(app)
    return app


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; an error of ours becomes one line on standard error."""
    try:
        build_app()(arguments, prog_name="coinlake")
    except CoinlakeError as error:
        print(f"coinlake: {_one_line(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        # Typer ends every command so: 0, the code of a usage error, or 130 on Ctrl-C.
        return end.code if isinstance(end.code, int) else 0
    return 0


def main() -> NoReturn:
    """Run the command that was typed, and exit with its code."""
    signal.signal(signal.SIGTERM, _terminate)
    end_with_terminal()
    sys.exit(run(sys.argv[1:]))


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    """Unwind on SIGTERM as on Ctrl-C, so that whatever is running is stopped."""
    raise SystemExit(TERMINATED)


def _one_line(error: CoinlakeError) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main()
