"""Run the parts of the set-up at the same time and say how each is getting on."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from contracts.errors import StackError

Say = Callable[[str], None]
SECONDS_BETWEEN_LINES = 5.0
QUIET_SECONDS = 0.5


@dataclass(frozen=True)
class Part:
    """One thing to set up; `hint` says what makes it take long."""

    name: str
    work: Callable[[], object]
    hint: str


def run_parts(
    parts: Sequence[Part],
    *,
    say: Say,
    stop: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
    every: float = SECONDS_BETWEEN_LINES,
) -> dict[str, StackError]:
    """Run all parts to their end and return the errors by the name of the part.

    Says a line when a part ends, and one every few seconds about those that are still at work. Nothing is said of
    parts that were in place. A failed part does not stop the others: what they made is kept for the next run.

    Args:
        parts: what to run.
        say: takes one line of progress.
        stop: ends the work of every part; called on Ctrl-C.
        clock: seconds that only grow.
        every: seconds between two lines about a part that is at work.
    """
    began = clock()
    errors: dict[str, StackError] = {}
    with ThreadPoolExecutor(len(parts)) as pool:
        try:
            running: dict[Future[object], Part] = {pool.submit(part.work): part for part in parts}
            while running:
                done, _ = wait(running, timeout=every, return_when=FIRST_COMPLETED)
                elapsed = clock() - began
                for future in done:
                    part = running.pop(future)
                    try:
                        future.result()
                    except StackError as error:
                        errors[part.name] = error
                        say(f"{elapsed:5.0f} s  {part.name}: failed")
                    else:
                        if elapsed > QUIET_SECONDS:
                            say(f"{elapsed:5.0f} s  {part.name}: ready")
                if not done:
                    for part in running.values():
                        say(f"{elapsed:5.0f} s  {part.name}: {part.hint}")
        except BaseException:
            stop()
            raise
    return errors
