"""Poll one source on a fixed grid: retry within the slot, send whole polls, keep every hole on record."""

import asyncio
import datetime as dt
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from contracts.errors import FatalSourceError, TransientSourceError, UndeliveredError
from contracts.records import Gap, Record, Rejected
from ingest.backoff import waits
from ingest.clock import Clock
from ingest.gaps import GapLedger, still_open
from ingest.metrics import Metrics
from ingest.sink import Sink, Tail, route
from ingest.source import Source, poll_time

OVERRAN = "the poll before took longer than its interval"
UNACKNOWLEDGED = "Kafka did not acknowledge the poll"
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0

T = TypeVar("T")


class _StopAsked(Exception):  # noqa: N818  (no error: the way out of a wait)
    """The generator is asked to stop."""


@dataclass(frozen=True)
class Outcome:
    """How polling a venue ended. `unwritten` says that the newest Gap is not in Kafka."""

    venue: str
    served: int
    fatal: bool
    unwritten: bool


class Poller:
    """Polls one source. Slot k is due at start + k x interval on the monotonic clock, whatever earlier ones took."""

    def __init__(
        self,
        source: Source,
        sink: Sink,
        metrics: Metrics,
        clock: Clock,
        *,
        interval_seconds: float,
        stop: asyncio.Event,
    ) -> None:
        self._source = source
        self._sink = sink
        self._metrics = metrics
        self._clock = clock
        self._interval = interval_seconds
        self._stop = stop
        self._ledger = GapLedger(source.name, source.stream)
        self._log = structlog.get_logger().bind(venue=source.name)
        self._blocked_until = float("-inf")
        self._blocked_cause = ""
        self._rejected: list[Rejected] = []
        self._served = 0
        self._unwritten = False

    async def resume(self, tail: Tail) -> None:
        """Read what an earlier run left in the topics, and put the hole since then on record.

        Raises:
            BrokerError: the tail cannot be read.
        """
        name, stream = self._source.name, self._source.stream
        polls, gaps = await asyncio.gather(tail.newest_polls(name, stream), tail.gaps(name, stream))
        interval = dt.timedelta(seconds=self._interval)
        for gap in self._ledger.resume(polls, still_open(gaps), self._clock.now(), interval):
            self._log_gap(gap)
            self._unwritten = not await self._deliver([gap])

    async def run(self, polls: int | None) -> Outcome:
        """Poll `polls` slots (None: until asked to stop) and say how it ended."""
        fatal = False
        try:
            await self._run(polls)
        except _StopAsked:
            self._log.info("source_stopped", served=self._served)
        except FatalSourceError as error:
            fatal = True
            self._metrics.error(self._source.name, error.kind)
            self._log.error("source_fatal", error=str(error))
            await self._miss(1, str(error))
        return Outcome(self._source.name, self._served, fatal, self._unwritten)

    async def _run(self, polls: int | None) -> None:
        start, slot = self._clock.monotonic(), 0
        while polls is None or slot < polls:
            await self._wait_until(start + slot * self._interval)
            reached = int((self._clock.monotonic() - start) / self._interval)
            if polls is not None:
                reached = min(reached, polls)
            if reached > slot:
                await self._miss(reached - slot, OVERRAN)
                slot = reached
                continue
            slot += 1
            await self._serve(slot_end=start + slot * self._interval)

    async def _serve(self, slot_end: float) -> None:
        """Poll until it succeeds or the next slot is due; a venue's own waiting time may outlast the slot."""
        backoff = waits(
            self._clock.jitter,
            first=min(_FIRST_WAIT_SECONDS, self._interval / 30),
            longest=min(_LONGEST_WAIT_SECONDS, self._interval / 2),
        )
        self._rejected = []
        while True:
            if self._blocked_until >= slot_end:
                return await self._miss(1, self._blocked_cause)
            await self._wait_until(self._blocked_until)
            try:
                records = await self._or_stop(self._poll())
            except TransientSourceError as error:
                cause, pause = str(error), next(backoff)
                self._metrics.error(self._source.name, error.kind)
                self._log.warning("poll_failed", kind=error.kind, error=cause, retry_after=error.retry_after)
                if error.retry_after is not None:
                    self._blocked_until = self._clock.monotonic() + error.retry_after
                    self._blocked_cause = cause
            else:
                return await self._send(records)
            if self._clock.monotonic() + pause >= slot_end:
                return await self._miss(1, cause)
            await self._wait_until(self._clock.monotonic() + pause)

    async def _poll(self) -> list[Record]:
        """Take one answer. What it rejected is sent with the poll that then succeeds, or with the Gap.

        What a further try rejects in the same words is the same rejection.

        Raises:
            TransientSourceError: from the source, or kind `no_rows` where no row is a record of its stream.
        """
        records: list[Record] = []
        try:
            async for record in self._source.records():
                records.append(record)
        finally:
            rejected = [record for record in records if isinstance(record, Rejected)]
            known = {(record.reason, record.payload) for record in self._rejected}
            self._rejected += [record for record in rejected if (record.reason, record.payload) not in known]
        if len(rejected) == len(records):
            raise TransientSourceError(
                f"{self._source.name}: expected at least one usable row, found {len(records)} rejected", kind="no_rows"
            )
        return records

    async def _send(self, records: list[Record]) -> None:
        name = self._source.name
        usable = [record for record in records if not isinstance(record, Rejected)]
        answered = max(map(poll_time, usable))
        closing = self._ledger.closing(answered, self._clock.now())
        if not await self._deliver([*usable, *self._rejected, *([closing] if closing else [])]):
            return await self._miss(1, UNACKNOWLEDGED)
        self._ledger.served(answered)
        self._unwritten = False
        self._served += 1
        self._metrics.served(name)
        self._log.info("poll_served", records=len(usable), rejected=len(self._rejected))
        self._rejected = []
        if closing:
            self._log_gap(closing)
        return None

    async def _miss(self, polls: int, cause: str) -> None:
        """Put missed polls on record, with the rejected rows of the last try."""
        if not self._ledger.is_open:
            self._metrics.gap_opened(self._source.name)
        gap = self._ledger.missed(polls, cause, self._clock.now())
        self._metrics.missed(self._source.name, polls)
        self._log_gap(gap)
        self._unwritten = not await self._deliver([gap, *self._rejected])
        if not self._unwritten:
            self._rejected = []

    async def _deliver(self, records: list[Record]) -> bool:
        """Send records and say whether Kafka has acknowledged all of them; a failed delivery is no crash."""
        poll = route(records)
        try:
            await self._sink.send_poll(poll)
        except UndeliveredError as error:
            self._metrics.error(self._source.name, "undelivered")
            self._log.warning("poll_undelivered", error=str(error))
            return False
        for stream, sent in poll.items():
            self._metrics.acknowledged(self._source.name, stream.topic, len(sent))
        self._metrics.rejected(self._source.name, sum(isinstance(record, Rejected) for record in records))
        return True

    def _log_gap(self, gap: Gap) -> None:
        event = "gap_open" if gap.to_time is None else "gap_closed"
        self._log.warning(event, since=gap.from_time.isoformat(), missed=gap.missed, cause=gap.cause)

    async def _wait_until(self, moment: float) -> None:
        if self._stop.is_set():
            raise _StopAsked
        seconds = moment - self._clock.monotonic()
        if seconds > 0:
            await self._or_stop(self._sleep(seconds))

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def _or_stop(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work unless a stop is asked first."""
        task, stopping = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            task.cancel()
            await asyncio.wait({task})
            raise _StopAsked
        finally:
            stopping.cancel()
            task.cancel()
