"""Turns: so many at a time, so many that wait, and none longer than it may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from serve.query.errors import BusyError


class Slots:
    """The turns of one store."""

    def __init__(self, running: int, waiting: int) -> None:
        self._free = asyncio.Semaphore(running)
        self._running = running
        self._most_waiting = waiting
        self.waiting = 0

    @asynccontextmanager
    async def turn(self, seconds: float) -> AsyncIterator[None]:
        """Wait for a turn and hold it for the length of a block.

        Raises:
            BusyError: too many wait already, or no turn came in time.
        """
        if self._free.locked() and self.waiting >= self._most_waiting:
            raise self._busy(f"{self.waiting} waiting")
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise self._busy(f"no turn within {seconds:g} s") from None
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._free.release()

    def _busy(self, found: str) -> BusyError:
        return BusyError(
            "too many queries at once",
            expected=f"at most {self._running} running and {self._most_waiting} waiting",
            found=found,
            hint="ask again in a second",
        )
