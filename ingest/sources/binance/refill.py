"""Ask REST for holes, one after another, within the budget of weight; the answers go where the pushes go."""

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import Gap, Record, Rejected
from ingest.clock import Clock
from ingest.sources.binance.continuity import Hole
from ingest.sources.binance.gap_book import TOO_OLD
from ingest.sources.binance.parse import Receipt
from ingest.sources.binance.rest import BinanceRest
from ingest.sources.binance.tracks import Track

TRIES = 6
"""How often a hole is asked for where REST does not show yet what comes after it."""
PAGES_WAITING = 4
"""Answers that wait to be read at most; then REST waits."""
_FIRST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Refilled:
    """Some rows of a hole. `ended` says that no more will come; `error` is why, where it is not that all is known.

    `later` says that the hole may be filled by asking again at another time.
    """

    track: Track
    hole: Hole
    rows: list[Record]
    ended: bool = False
    error: str | None = None
    later: bool = False


@dataclass(frozen=True)
class Recalled:
    """A Gap that an earlier run left open or told to be a halt, and the hole that it stands for."""

    track: Track
    gap: Gap
    hole: Hole


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
        self._room = asyncio.Semaphore(PAGES_WAITING)
        self._holes: asyncio.Queue[tuple[Track, Hole, dt.datetime]] = asyncio.Queue()

    def ask(self, track: Track, hole: Hole, cutoff: dt.datetime) -> None:
        """Ask for a hole when its turn comes."""
        self._holes.put_nowait((track, hole, cutoff))

    def taken(self) -> None:
        """Note that an answer was read, so that there is room for another."""
        self._room.release()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.fill(*await self._holes.get())

    async def fill(self, track: Track, hole: Hole, cutoff: dt.datetime) -> None:
        """Ask for a hole to its end, but for what is older than `cutoff`; all that is found goes to the answers.

        Where REST shows what comes after the hole, what it did not give does not exist. Where it does not, it may be
        behind: it is asked again, and in the end the hole stays.
        """
        try:
            young = await self._without_old(track, hole, cutoff)
            if young is None:
                return
            hole = young
            ended = await self._ask(track, hole)
        except (TransientSourceError, FatalSourceError) as found:
            later, error = isinstance(found, TransientSourceError), str(found)
            structlog.get_logger().warning("refill_failed", venue="binance", stream=track.name, error=error)
            ended = Refilled(track, hole, [], ended=True, error=error, later=later)
        await self._give(ended)

    async def _without_old(self, track: Track, hole: Hole, cutoff: dt.datetime) -> Hole | None:
        if hole.from_time >= cutoff:
            return hole
        number, moment = hole.last + 1, hole.to_time
        if hole.to_time > cutoff:
            number, moment = await track.number_at(self._rest, cutoff, hole)
        if number > hole.first:
            old = replace(hole, last=number - 1, to_time=moment)
            await self._give(Refilled(track, old, [], ended=True, error=TOO_OLD))
        return replace(hole, first=number, from_time=moment) if number <= hole.last else None

    async def _ask(self, track: Track, hole: Hole) -> Refilled:
        """Ask until REST shows what comes after the hole; say how that ended."""
        ended = Refilled(track, hole, [], ended=True)
        rejected, left = False, hole
        for attempt in range(TRIES):
            beyond = False
            async for page in track.refill(self._rest, left, self._receipt):
                rejected = rejected or any(isinstance(row, Rejected) for row in page.rows)
                await self._give(Refilled(track, hole, page.rows))
                left, beyond = replace(left, first=page.next_number), page.beyond
            if beyond:
                return replace(ended, error="some rows of REST were rejected") if rejected else ended
            if attempt < TRIES - 1:
                await self._clock.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
        return replace(ended, error="REST does not show what came after it", later=True)

    async def _give(self, answer: Refilled) -> None:
        await self._room.acquire()
        await self._answers.put(answer)
