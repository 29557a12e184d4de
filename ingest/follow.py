"""Follow one pushed source: batches acknowledged before the next, a lost connection made again, nothing let go."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, Iterable

import structlog

from contracts.errors import FatalSourceError, TransientSourceError, UndeliveredError
from contracts.records import Gap, Record, Rejected, replace
from contracts.streams import INGEST_GAPS
from ingest.backoff import waits
from ingest.clock import Clock
from ingest.gaps import NOT_RUNNING, WHOLE_STREAM, still_open
from ingest.metrics import Metrics
from ingest.new_gaps import NewGaps
from ingest.runner import Outcome
from ingest.sink import BATCH_SPAN, Sink, Tail, route
from ingest.source import PushedSource

BATCH_RECORDS = 500
BATCH_SECONDS = 0.02
WAITING_RECORDS = 2000
"""Records that wait for Kafka at most; then the source waits, and behind it the socket."""
_LONGEST_WAIT_SECONDS = 30.0
_FAILURES_THAT_ARE_A_HOLE = 2
"""A connection that is lost and made again at once leaves holes of its own, symbol by symbol, or none."""


class Follower:
    """Follows one source until it is told to end, or the source fails for good.

    At the end Kafka has `drain_seconds` for what is left; what it did not take by then, the next run finds missing.
    """

    def __init__(
        self,
        source: PushedSource,
        sink: Sink,
        metrics: Metrics,
        clock: Clock,
        *,
        stop: asyncio.Event,
        drain_seconds: float,
    ) -> None:
        self._source = source
        self._sink = sink
        self._metrics = metrics
        self._clock = clock
        self._stop = stop
        self._drain_seconds = drain_seconds
        self._log = structlog.get_logger().bind(venue=source.name)
        self._waiting: asyncio.Queue[Record] = asyncio.Queue(WAITING_RECORDS)
        self._next: Record | None = None
        self._new_gaps = NewGaps()
        self._unsaid: set[tuple[str, dt.datetime]] = set()
        self._open: Gap | None = None
        self._failures = 0
        self._served = 0
        self._unwritten = False
        self._cut_off = False

    async def resume(self, tail: Tail) -> None:
        """Let the source take up from what an earlier run left in the topics.

        Raises:
            BrokerError: the tail cannot be read.
        """
        venue, stream = self._source.venue, self._source.stream
        records, gaps = await asyncio.gather(
            tail.newest_records(venue, stream, self._source.symbols), tail.gaps(venue, stream)
        )
        self._open = still_open(gaps)
        self._new_gaps.know(gaps)
        self._source.resume(records, gaps)

    async def run(self, seconds: float | None, *, once: bool = False) -> Outcome:
        """Follow for `seconds` (None: until asked to stop), or `once`: what was missed up to now. Say how it ended.

        What was received before the end is sent before this returns.
        """
        pump = asyncio.create_task(self._pump_once() if once else self._pump())
        sender = asyncio.create_task(self._send_all())
        stopping = asyncio.create_task(self._stop.wait())
        fatal, joining = False, None
        try:
            done, _ = await asyncio.wait({pump, sender, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if sender in done:
                sender.result()
            if not pump.done():
                pump.cancel()
            await asyncio.wait({pump})
            if not pump.cancelled():
                fatal = await self._ended(pump)
            joining = asyncio.create_task(self._settle())
            await asyncio.wait({joining, sender}, timeout=self._drain_seconds, return_when=asyncio.FIRST_COMPLETED)
            self._unwritten = self._unwritten or not joining.done()
            if sender.done():
                sender.result()
        finally:
            tasks = [task for task in (pump, sender, stopping, joining) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._log.info("source_stopped", served=self._served)
        return Outcome(self._source.name, self._served, fatal, self._unwritten)

    async def _settle(self) -> None:
        """Say how the holes stand that were being filled, and what begins now; wait until all is sent."""
        if not self._cut_off:
            for gap in self._source.settle():
                await self._waiting.put(gap)
        if self._source.topic_forgets:
            await self._missing(NOT_RUNNING)
        await self._waiting.join()

    async def _take(self, record: Record) -> None:
        """Let a record wait for Kafka; one that is cut off meanwhile is lost: its hole must not be called filled."""
        try:
            await self._waiting.put(record)
        except asyncio.CancelledError:
            self._cut_off = True
            raise

    async def _ended(self, pump: "asyncio.Task[None]") -> bool:
        """Put a source that ended for good on record; say whether it did."""
        error = pump.exception()
        if isinstance(error, FatalSourceError):
            self._metrics.error(self._source.name, error.kind)
            self._log.error("source_fatal", error=str(error))
            await self._missing(str(error))
            return True
        if error is not None:
            raise error
        return False

    async def _pump(self) -> None:
        backoff = waits(self._clock.jitter, first=0.5, longest=_LONGEST_WAIT_SECONDS)
        while True:
            try:
                async with contextlib.aclosing(self._records(self._source.records())) as records:
                    async for record in records:
                        if self._failures and not isinstance(record, Gap | Rejected):
                            self._failures = 0
                            backoff = waits(self._clock.jitter, first=0.5, longest=_LONGEST_WAIT_SECONDS)
                        if record is None:
                            self._is_there()
                        else:
                            await self._take(record)
            except TransientSourceError as error:
                await self._failed(error)
                await self._clock.sleep(max(next(backoff), error.retry_after or 0))

    async def _pump_once(self) -> None:
        try:
            async with contextlib.aclosing(self._records(self._source.catch_up())) as records:
                async for record in records:
                    if record is not None:
                        await self._take(record)
            self._served += 1
            self._metrics.succeeded(self._source.name)
        except TransientSourceError as error:
            self._failures = _FAILURES_THAT_ARE_A_HOLE - 1
            await self._failed(error)

    def _is_there(self) -> None:
        """Count it as service that a venue with nothing to tell is there."""
        self._served += 1
        self._metrics.succeeded(self._source.name)

    async def _records(self, records: AsyncGenerator[Record | None, None]) -> AsyncGenerator[Record | None, None]:
        """Pass records on, count new Gaps, and close the open one of the whole stream once the source has caught up.

        A source that tells the end of that Gap by itself knows it better.
        """
        try:
            async for record in records:
                if isinstance(record, Gap):
                    self._count(record)
                yield record
                if self._open is not None and isinstance(record, Gap) and _ends(record, self._open):
                    self._open = None
                if self._open is not None and self._source.whole and not isinstance(record, Gap | Rejected):
                    yield self._closed(self._open, record.event_time if record else self._source.newest)
                    self._open = None
            if self._open is not None and self._source.whole:
                yield self._closed(self._open, self._source.newest)
                self._open = None
        finally:
            await records.aclose()

    def _closed(self, gap: Gap, moment: dt.datetime | None) -> Gap:
        self._log.warning("gap_closed", since=gap.from_time.isoformat(), cause=gap.cause)
        now = self._clock.now()
        repaired_at = now if gap.recoverable else None
        return replace(
            gap, to_time=max(moment or gap.from_time, gap.from_time), ingest_time=now, repaired_at=repaired_at
        )

    async def _failed(self, error: TransientSourceError) -> None:
        self._failures += 1
        self._metrics.error(self._source.name, error.kind)
        self._log.warning("feed_failed", kind=error.kind, error=str(error), retry_after=error.retry_after)
        if self._failures >= _FAILURES_THAT_ARE_A_HOLE:
            await self._missing(str(error))

    async def _missing(self, cause: str) -> None:
        """Put on record that nothing of the stream arrives, once; what is missed is told symbol by symbol later."""
        if self._open is not None:
            return
        now = self._clock.now()
        since = self._source.newest or now
        self._open = Gap(
            venue=self._source.venue,
            event_time=since,
            ingest_time=now,
            symbol=WHOLE_STREAM,
            stream=self._source.stream.topic,
            from_time=since,
            cause=cause,
            recoverable=self._source.refills,
        )
        self._count(self._open)
        self._log.warning("gap_open", since=since.isoformat(), cause=cause)
        await self._waiting.put(self._open)

    def _count(self, gap: Gap) -> None:
        if self._new_gaps.is_new(gap):
            self._metrics.gap_opened(self._source.name)
            self._unsaid.add(_key(gap))

    async def _send_all(self) -> None:
        while True:
            batch = await self._batch()
            await self._deliver(batch)
            for _ in batch:
                self._waiting.task_done()

    async def _batch(self) -> list[Record]:
        """Take what is there, and what comes within a moment, up to a full batch.

        What was received long after the first is for the next one: after an outage of Kafka minutes may be waiting.
        """
        batch, self._next = [self._next or await self._waiting.get()], None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BATCH_SECONDS):
                while len(batch) < BATCH_RECORDS:
                    record = await self._waiting.get()
                    if record.ingest_time - batch[0].ingest_time > BATCH_SPAN:
                        self._next = record
                        break
                    batch.append(record)
        return batch

    async def _deliver(self, batch: list[Record]) -> None:
        """Send a batch until Kafka has acknowledged all of it; a record may arrive twice and never not at all."""
        name, routed = self._source.name, route(batch)
        poll = dict(routed)
        backoff = waits(self._clock.jitter, first=0.5, longest=_LONGEST_WAIT_SECONDS)
        gaps = poll.pop(INGEST_GAPS, ())
        before, after = self._around_records(gaps)
        while True:
            try:
                for part in ({INGEST_GAPS: before}, poll, {INGEST_GAPS: after}):
                    if any(part.values()):
                        await self._sink.send_poll(part)
                break
            except UndeliveredError as error:
                self._unwritten = True
                self._metrics.error(name, "undelivered")
                self._log.warning("batch_undelivered", error=str(error))
                await self._clock.sleep(next(backoff))
        self._unwritten = False
        for stream, sent in routed.items():
            self._metrics.acknowledged(name, stream.topic, len(sent))
        self._metrics.rejected(name, sum(isinstance(record, Rejected) for record in batch))
        if self._source.stream in poll:
            self._served += 1
            self._metrics.succeeded(name)

    def _around_records(self, gaps: Iterable[Record]) -> tuple[list[Gap], list[Gap]]:
        """Part the Gaps of a batch into those that are sent before its records, and those that are sent after them.

        What says what came is sent after it, with all that follows; what says only what did not come, before the
        records that follow; and a hole not told before, before the rows that fill it: a kill in between leaves a hole
        on record, never a hole unsaid.
        """
        new: list[Gap] = []
        rest: list[Gap] = []
        for gap in gaps:
            assert isinstance(gap, Gap)
            unsaid = _key(gap) in self._unsaid
            self._unsaid.discard(_key(gap))
            (new if unsaid and _says_what_came(gap) else rest).append(gap)
        return (new, rest) if any(map(_says_what_came, rest)) else ([*new, *rest], [])


def _says_what_came(gap: Gap) -> bool:
    """Say whether a Gap may call a hole filled, or smaller than it was."""
    return gap.recoverable and gap.to_time is not None


def _ends(told: Gap, gap: Gap) -> bool:
    """Say whether a Gap is the end of another one that is open: both have one key."""
    return told.to_time is not None and _key(told) == _key(gap)


def _key(gap: Gap) -> tuple[str, dt.datetime]:
    """Return what tells the Gaps of one stream apart."""
    return gap.symbol, gap.from_time
