"""Ask REST for holes, one after another, within the budget of weight; the answers go where the pushes go."""

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import Record, Rejected
from ingest.clock import Clock
from ingest.sources.binance.continuity import Hole
from ingest.sources.binance.gap_book import TOO_OLD
from ingest.sources.binance.parse import Receipt
from ingest.sources.binance.rest import BinanceRest
from ingest.sources.binance.tracks import Track

TRIES = 6
"""How often a hole is asked for where REST does not show yet what comes after it."""
_FIRST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Refilled:
    """Some rows of a hole. `ended` says that no more will come; `error` is why, where it is not that all is known."""

    track: Track
    hole: Hole
    rows: list[Record]
    ended: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Probed:
    """How far REST says a sequence goes, None where it could not say."""

    track: Track
    reached: tuple[int, dt.datetime] | None


class Refiller:
    """Works on one hole at a time, the oldest first."""

    def __init__(
        self,
        rest: BinanceRest,
        clock: Clock,
        answers: "asyncio.Queue[Refilled]",
        receipt: Callable[[], Receipt],
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._answers = answers
        self._receipt = receipt
        self._holes: asyncio.Queue[tuple[Track, Hole, dt.datetime]] = asyncio.Queue()

    def ask(self, track: Track, hole: Hole, cutoff: dt.datetime) -> None:
        """Ask for a hole when its turn comes."""
        self._holes.put_nowait((track, hole, cutoff))

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.fill(*await self._holes.get())

    async def fill(self, track: Track, hole: Hole, cutoff: dt.datetime) -> None:
        """Ask for a hole to its end, but for what is older than `cutoff`; all that is found goes to the answers.

        Where REST shows what comes after the hole, what it did not give does not exist. Where it does not, it may be
        behind: it is asked again, and in the end the hole stays.
        """
        error: str | None
        try:
            young = await self._without_old(track, hole, cutoff)
            if young is None:
                return
            hole = young
            error = await self._ask(track, hole)
        except (TransientSourceError, FatalSourceError) as found:
            error = str(found)
            structlog.get_logger().warning("refill_failed", venue="binance", stream=track.name, error=error)
        await self._answers.put(Refilled(track, hole, [], ended=True, error=error))

    async def _without_old(self, track: Track, hole: Hole, cutoff: dt.datetime) -> Hole | None:
        if hole.from_time >= cutoff:
            return hole
        number, moment = hole.last + 1, hole.to_time
        if hole.to_time > cutoff:
            number, moment = await track.number_at(self._rest, cutoff, hole)
        if number > hole.first:
            old = replace(hole, last=number - 1, to_time=moment)
            await self._answers.put(Refilled(track, old, [], ended=True, error=TOO_OLD))
        return replace(hole, first=number, from_time=moment) if number <= hole.last else None

    async def _ask(self, track: Track, hole: Hole) -> str | None:
        """Ask until REST shows what comes after the hole; say why where it never does."""
        rejected = False
        for attempt in range(TRIES):
            beyond = False
            async for page in track.refill(self._rest, hole, self._receipt):
                rejected = rejected or any(isinstance(row, Rejected) for row in page.rows)
                await self._answers.put(Refilled(track, hole, page.rows))
                beyond = beyond or page.beyond
            if beyond:
                return "some rows of REST were rejected" if rejected else None
            if attempt < TRIES - 1:
                await self._clock.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
        return "REST does not show what came after it"
