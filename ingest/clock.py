"""Time and chance, injected: tests run hours in no time."""

import asyncio
import datetime as dt
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


def utc_now() -> dt.datetime:
    """Return the wall clock in UTC."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Clock:
    """The wall clock (UTC), the monotonic clock and sleep in seconds, and the source of jitter."""

    now: Callable[[], dt.datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: random.Random = field(default_factory=random.Random)
