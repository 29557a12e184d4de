"""What the program of every job does around its work: lines on the screen, errors as one clear line, exit codes."""

import sys
from collections.abc import Callable

from contracts.errors import CoinlakeError, JobError
from spark_jobs.edges.spark_errors import SPARK_ERRORS, reason_of


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def main_of(work: Callable[[], None]) -> int:
    """Do the work; turn an error of ours or of the engine into one line and its exit code, and Ctrl-C into 130."""
    try:
        work()
    except CoinlakeError as error:
        _complain(str(error))
        return error.exit_code
    except (*SPARK_ERRORS, OSError) as error:
        _complain(f"the job ended with an error: {reason_of(error)}")
        return JobError.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _complain(message: str) -> None:
    print(f"coinlake: {' '.join(message.split())}", file=sys.stderr, flush=True)
