"""What was looked up is remembered for a moment, so that many who ask at once look it up once."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """Values by their names, each at most so many seconds old. Used by many threads; one looks up, the others wait."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._found: dict[str, tuple[float, T]] = {}

    def get(self, name: str, look_up: Callable[[], T], *, anew: bool = False) -> T:
        """Return a value that is fresh; `anew` looks it up whatever is remembered. Errors are not remembered."""
        asked = self._clock()
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            held = self._found.get(name)
            # Looked up since we asked is new enough for anybody.
            if held is not None and (held[0] > asked or (not anew and asked - held[0] < self._seconds)):
                return held[1]
            value = look_up()
            self._found[name] = self._clock(), value
            return value
