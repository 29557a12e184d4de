"""Time, injected: tests stop it."""

import time
from collections.abc import Callable
from dataclasses import dataclass


def _wall_ms() -> float:
    return time.time_ns() / 1e6


@dataclass(frozen=True)
class Clock:
    """The wall clock in ms since 1970, and the monotonic clock in seconds."""

    wall_ms: Callable[[], float] = _wall_ms
    monotonic: Callable[[], float] = time.monotonic
