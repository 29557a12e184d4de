"""What was looked up is remembered for a moment, so that many who ask at once look it up once."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from contracts.errors import CoinlakeError, StoreError

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""How long one waits for what another looks up: a store that hangs must not hold the threads of all who ask."""


class _Held(NamedTuple, Generic[T]):
    began: float
    ended: float
    forgotten: int
    value: T


class Fresh(Generic[T]):
    """Values by their names, each at most so many seconds old. Used by many threads; one looks up, the others wait."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._found: dict[str, _Held[T]] = {}
        self._forgotten: defaultdict[str, int] = defaultdict(int)
        self._failed: dict[str, tuple[float, CoinlakeError]] = {}

    def get(self, name: str, look_up: Callable[[], T], *, anew: bool = False) -> T:
        """Return a value that is fresh; `anew` looks it up whatever is remembered.

        An error is not remembered, and is that of all who had asked by the time it was raised.

        Raises:
            StoreError: another is still looking it up when PATIENCE_SECONDS are over.
            CoinlakeError, OSError: what `look_up` raises.
        """
        asked = self._clock()
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        if not lock.acquire(timeout=self._patience_seconds):
            raise StoreError(f"{name}: nothing found within {self._patience_seconds:g} s")
        try:
            held = self._found.get(name)
            if held is not None and self._is_fresh(name, held, asked, anew):
                return held.value
            failed = self._failed.pop(name, None)
            if failed is not None and failed[0] > asked:
                self._failed[name] = failed
                raise failed[1]
            forgotten, began = self._forgotten[name], self._clock()
            try:
                value = look_up()
            except CoinlakeError as error:
                self._failed[name] = self._clock(), error
                raise
            self._found[name] = _Held(began, self._clock(), forgotten, value)
            return value
        finally:
            lock.release()

    def forget(self, name: str) -> None:
        """Look a value up the next time that it is asked for; one that is being looked up is too old already."""
        with self._guard:
            self._forgotten[name] += 1

    def _is_fresh(self, name: str, held: _Held[T], asked: float, anew: bool) -> bool:
        if held.forgotten != self._forgotten[name]:
            return False
        # Looked up since we asked is new enough for anybody.
        return held.began > asked or (not anew and asked - held.ended < self._seconds)
