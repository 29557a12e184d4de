"""A pushed feed: frames and refills in, records and Gaps out, nothing lost, doubled or older than what was said."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace

import structlog

from contracts.errors import CoinlakeError, TransientSourceError
from contracts.records import Gap, Record, Rejected
from contracts.settings import IngestSettings
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_KLINE_DATA, Stream
from ingest.gaps import NOT_RUNNING
from ingest.reject import reject
from ingest.source import PushedSource, Surroundings
from ingest.sources.binance import VENUE
from ingest.sources.binance.connection import MOST_STREAMS, Connection, Frame, Patience
from ingest.sources.binance.continuity import Hole, after, parts_of
from ingest.sources.binance.gap_book import FRAMES_LOST, HALT, GapBook
from ingest.sources.binance.listings import Listings
from ingest.sources.binance.parse import Receipt
from ingest.sources.binance.refill import Probed, Recalled, Refilled, Refiller
from ingest.sources.binance.rest import BinanceRest
from ingest.sources.binance.tracks import AggTradeTrack, KlineTrack, Track

KLINES = "binance_klines"
AGG_TRADES = "binance_agg_trades"
SILENT = "the stream went silent"
_QUEUED = 2000
"""Frames that wait to be read at most; then the socket waits."""
_LATER_SECONDS = 60.0
_LATEST_SECONDS = 900.0
"""When a hole that REST could not fill is asked for again: after a minute, then after twice as long, up to these."""

Arrival = Frame | Refilled | Recalled | Probed


@dataclass(frozen=True)
class Pace:
    """Times of the wall clock, in seconds."""

    reorder_seconds: float = 2.0
    """How long a frame that others overtook is waited for before REST is asked."""
    tick_seconds: float = 0.25


class Feed:
    """All tracks of one stream: what they know outlives a lost connection."""

    venue = VENUE
    refills = True
    topic_forgets = False

    def __init__(
        self,
        name: str,
        stream: Stream,
        settings: IngestSettings,
        around: Surroundings,
        *,
        probe_at_once: bool,
        patience: Patience | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.name = name
        self.stream = stream
        self.tracks: dict[str, Track] = {}
        self._settings = settings
        self._around = around
        self._rest = BinanceRest(settings.binance_url, around.http, around.weight, around.clock)
        self.listings = Listings(self._rest)
        self._probe_at_once = probe_at_once
        self._patience = patience or Patience(settings.binance_silence_seconds)
        self._pace = pace or Pace()
        self._gaps = GapBook(stream)
        self._asked: list[tuple[Track, Hole]] = []
        self._log = structlog.get_logger().bind(venue=name)
        self._newest: dt.datetime | None = None
        self._cause = NOT_RUNNING
        self._unseen: set[str] = set()
        self._heard: dict[str, float] = {}
        self._checked: dict[str, float] = {}
        self._probing: set[str] = set()
        self._on_record: list[Gap] = []

    def add(self, track: Track) -> None:
        """Follow one more stream."""
        self.tracks[track.name] = track
        self._unseen.add(track.name)

    @property
    def newest(self) -> dt.datetime | None:
        """Return the newest event time that was emitted or taken up."""
        return self._newest

    @property
    def whole(self) -> bool:
        """Say whether every stream was heard of since the connection was opened, and no hole is open but put off."""
        holes = (hole for track in self.tracks.values() for hole in track.continuity.holes)
        return not self._unseen and all(hole.tries for hole in holes)

    @property
    def symbols(self) -> Sequence[str]:
        """Name the symbols that are followed."""
        return list(dict.fromkeys(track.symbol for track in self.tracks.values()))

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Take up from the newest records of the topic; what is missing between them is a hole again.

        So is what a Gap says is missing and can be had, wherever it is; what a Gap says was a halt is none.
        """
        now = self._around.clock.monotonic()
        by_symbol: dict[str, list[Record]] = {}
        for record in records:
            by_symbol.setdefault(getattr(record, "symbol", ""), []).append(record)
        for track in self.tracks.values():
            track.resume(by_symbol.get(track.symbol, ()), now, NOT_RUNNING)
        self._newest = max((record.event_time for record in records), default=None)
        followed = set(self.symbols)
        self._on_record = [
            gap
            for gap in sorted(gaps, key=lambda gap: gap.from_time)
            if gap.symbol in followed and gap.to_time is not None and gap.repaired_at is None
            if not gap.recoverable or gap.to_time > self._cutoff(gap.to_time)
        ]
        self._gaps.know(gap for gap in gaps if gap.symbol in followed)

    def settle(self) -> Iterator[Gap]:
        """Yield how the holes stand whose refill was broken off: what came of them is filled, the rest is missing."""
        asked, self._asked = self._asked, []
        for track, hole in asked:
            for part, filled in parts_of(hole, track.continuity.left_of(hole)):
                write = self._gaps.repaired if filled else self._gaps.opened
                yield write(track.symbol, track.name, part, self._around.now())

    async def records(self) -> AsyncGenerator[Record, None]:
        """Yield what is pushed and what was missed, until a connection is lost or a stream is found silent.

        Raises:
            TransientSourceError: as the connection says, or kind `silent_stream`.
            FatalSourceError: a symbol is not listed.
        """
        for gap in self.settle():
            yield gap
        await self._rest.patiently(lambda: self.listings.know(self.symbols), tries=2)
        clock = self._around.clock
        inbox: asyncio.Queue[Arrival] = asyncio.Queue(_QUEUED)
        refiller = Refiller(self._rest, clock, inbox, self._receipt)  # type: ignore[arg-type]
        self._unseen = set(self.tracks)
        self._heard = dict.fromkeys(self.tracks, clock.monotonic())
        self._checked = dict(self._heard)
        self._probing.clear()
        for track in self.tracks.values():
            track.continuity.ask_again()
        tasks = {asyncio.create_task(connection.run()) for connection in self._connections(inbox)}
        tasks.add(asyncio.create_task(refiller.run()))
        at_once = list(self.tracks.values()) if self._probe_at_once else []
        probes: set[asyncio.Task[None]] = {
            asyncio.create_task(self._probe(at_once, inbox)),
            asyncio.create_task(self._recall(inbox)),
        }
        ticked = clock.monotonic()
        try:
            while True:
                for item in await self._arrived(inbox):
                    for record in self._judge(item, refiller):
                        yield record
                if clock.monotonic() - ticked < self._pace.tick_seconds:
                    continue
                ticked = clock.monotonic()
                for record in self._overdue(refiller):
                    yield record
                if silent := self._silent():
                    probes.add(asyncio.create_task(self._probe(silent, inbox)))
                probes = {probe for probe in probes if not probe.done()}
                if inbox.empty():
                    _demand_alive(tasks)
        except CoinlakeError as error:
            self._cause = str(error)
            raise
        finally:
            for task in (*tasks, *probes):
                task.cancel()
            await asyncio.gather(*tasks, *probes, return_exceptions=True)

    async def catch_up(self) -> AsyncGenerator[Record, None]:
        """Yield what was missed up to now over REST; where nothing is known, the newest of each stream alone.

        Raises:
            TransientSourceError, FatalSourceError: REST did not answer; what was yielded stays right.
        """
        for gap in self.settle():
            yield gap
        await self._rest.patiently(lambda: self.listings.know(self.symbols))
        recalled: asyncio.Queue[Recalled] = asyncio.Queue()
        await self._recall(recalled)  # type: ignore[arg-type]
        while not recalled.empty():
            for gap in self._recalled(recalled.get_nowait()):
                yield gap
        for track in self.tracks.values():
            reached = await self._rest.patiently(lambda asked=track: asked.probe(self._rest))  # type: ignore[misc]
            if reached is None:
                continue
            number, moment = reached
            now = self._around.clock.monotonic()
            fresh = track.continuity.next_number is None
            if fresh:
                track.continuity.expect(number - 1, moment, now, NOT_RUNNING)
            track.continuity.expect(number, moment, now, NOT_RUNNING)
            self._newest = max(self._newest or moment, moment)
            for hole in track.continuity.overdue(now):
                if not fresh:
                    yield self._open(track, hole)
                async with contextlib.aclosing(self._filled(track, hole)) as records:
                    async for record in records:
                        if not (fresh and isinstance(record, Gap)):
                            yield record
        self._unseen.clear()

    async def _filled(self, track: Track, hole: Hole) -> AsyncGenerator[Record, None]:
        """Yield what REST has of one hole as it comes, and how it stands in the end."""
        answers: asyncio.Queue[Refilled | None] = asyncio.Queue()
        refiller = Refiller(self._rest, self._around.clock, answers, self._receipt)  # type: ignore[arg-type]
        filling = asyncio.create_task(refiller.fill(track, hole, self._cutoff(hole.to_time)))
        filling.add_done_callback(lambda _: answers.put_nowait(None))
        try:
            while (answer := await answers.get()) is not None:
                for record in self._refilled(answer):
                    yield record
                refiller.taken()
            filling.result()
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    def _receipt(self) -> Receipt:
        return Receipt(self._around.now(), self._around.max_ahead)

    def _connections(self, inbox: "asyncio.Queue[Arrival]") -> Iterator[Connection]:
        names = list(self.tracks)
        for start in range(0, len(names), MOST_STREAMS):
            yield Connection(
                self._around.connect,
                self._settings.binance_stream_url,
                names[start : start + MOST_STREAMS],
                inbox,  # type: ignore[arg-type]
                patience=self._patience,
                attempts=self._around.attempts,
                clock=self._around.clock,
                venue=VENUE,
            )

    async def _arrived(self, inbox: "asyncio.Queue[Arrival]") -> Sequence[Arrival]:
        """Return what has arrived, waiting one tick for it at most."""
        if inbox.empty():
            try:
                async with asyncio.timeout(self._pace.tick_seconds):
                    return [await inbox.get()]
            except TimeoutError:
                return []
        return [inbox.get_nowait() for _ in range(min(inbox.qsize(), 100))]

    def _judge(self, item: Arrival, refiller: Refiller) -> Iterator[Record]:
        if isinstance(item, Frame):
            yield from self._pushed(item)
        elif isinstance(item, Refilled):
            yield from self._refilled(item)
            refiller.taken()
        elif isinstance(item, Recalled):
            yield from self._recalled(item)
        else:
            self._probed(item)

    def _pushed(self, frame: Frame) -> Iterator[Record]:
        track, now, receipt = self.tracks.get(frame.stream), self._around.clock.monotonic(), self._receipt()
        if track is None:
            found = frame.stream or "a message that is no push"
            yield self._reject(f"expected a stream that was asked for, found {found[:60]}", frame.data, receipt)
            return
        cause = self._cause if track.name in self._unseen else FRAMES_LOST
        judged = track.pushed(frame.data, receipt, now, cause)
        if judged.stale:
            self._around.count_stale(self.name, 1)
        if isinstance(judged.record, Rejected):
            yield judged.record
            return
        self._heard[track.name] = now
        self._unseen.discard(track.name)
        if judged.record is not None:
            self._newest = max(self._newest or judged.record.event_time, judged.record.event_time)
            yield judged.record

    def _reject(self, reason: str, raw: object, receipt: Receipt) -> Rejected:
        now = receipt.ingest_time
        return reject(VENUE, self.stream, reason, raw, poll_time=now, ingest_time=now)

    def _overdue(self, refiller: Refiller) -> Iterator[Record]:
        """Put holes that did not close by themselves on record, and ask REST for what is young enough.

        Raises:
            TransientSourceError: kind `silent_stream`; REST has what a stream that is still silent did not push.
        """
        now = self._around.clock.monotonic()
        dead: str | None = None
        for track in self.tracks.values():
            for hole in track.continuity.overdue(now - self._pace.reorder_seconds):
                yield self._open(track, hole)
                refiller.ask(track, hole, self._cutoff(hole.to_time))
                if hole.cause == SILENT and not hole.tries and self._heard[track.name] < hole.found_at:
                    dead = track.name
        if dead is not None:
            raise TransientSourceError(f"{VENUE}: {SILENT} ({dead})", kind="silent_stream")

    def _cutoff(self, moment: dt.datetime) -> dt.datetime:
        """Return the moment before which nothing is filled over REST, seen from the newest time of the venue."""
        newest = max(self._newest or moment, moment)
        return newest - dt.timedelta(hours=self._settings.binance_refill_hours)

    def _open(self, track: Track, hole: Hole) -> Gap:
        self._log.warning("hole_found", **_facts(track, hole), cause=hole.cause)
        self._asked.append((track, hole))
        return self._gaps.opened(track.symbol, track.name, hole, self._around.now())

    def _refilled(self, answer: Refilled) -> Iterator[Record]:
        track, hole, now = answer.track, answer.hole, self._around.now()
        for row in answer.rows:
            if isinstance(row, Rejected):
                yield row
            elif track.refilled(row, self._around.clock.monotonic()):
                self._newest = max(self._newest or row.event_time, row.event_time)
                yield row
        if not answer.ended:
            return
        left = track.continuity.left_of(hole)
        if answer.later:
            pause = min(_LATER_SECONDS * 2 ** min(hole.tries, 10), _LATEST_SECONDS)
            until = self._around.clock.monotonic() + pause
            track.continuity.put_off(hole.first, hole.last, until)
        else:
            track.continuity.give_up(hole.first, hole.last)
        self._asked = [
            (of, part) for of, asked in self._asked for part in ([asked] if of is not track else after(asked, hole))
        ]
        for part, filled in parts_of(hole, left):
            if filled:
                yield self._gaps.repaired(track.symbol, track.name, part, now)
            elif answer.error is None:
                yield self._gaps.lost(track.symbol, track.name, part, now, HALT, recoverable=False)
            else:
                yield self._gaps.lost(track.symbol, track.name, part, now, answer.error, recoverable=True)
            self._log.info("hole_refilled" if filled else "hole_stays", **_facts(track, part))

    def _silent(self) -> list[Track]:
        """Return the tracks that said nothing for too long and are not asked about yet."""
        before = self._around.clock.monotonic() - self._patience.silence_seconds
        silent = [
            track
            for name, track in self.tracks.items()
            if max(self._heard[name], self._checked[name]) < before and name not in self._probing
        ]
        self._probing.update(track.name for track in silent)
        return silent

    async def _recall(self, inbox: "asyncio.Queue[Arrival]") -> None:
        """Find out which numbers the Gaps on record stand for; what REST does not answer is asked at the next time."""
        while self._on_record:
            gap = self._on_record[0]
            try:
                for track in self.tracks.values():
                    if track.symbol == gap.symbol and (
                        hole := await track.hole_of(self._rest, gap, self._around.clock.monotonic())
                    ):
                        await inbox.put(Recalled(track, gap, hole))
            except CoinlakeError as error:
                self._log.warning("recall_failed", symbol=gap.symbol, error=str(error))
                return
            self._on_record.pop(0)

    def _recalled(self, found: Recalled) -> Iterator[Gap]:
        """Take up what is missing before all that is known; tell of what has come though its Gap does not say so."""
        track, hole = found.track, found.hole
        if not found.gap.recoverable:
            track.continuity.give_up(hole.first, hole.last)
        else:
            track.continuity.reopen(hole)
            self._gaps.resolved(found.gap)
            for part, filled in parts_of(hole, track.continuity.left_of(hole)):
                # What comes after the Gap was never missing.
                if filled and (part.first == hole.first or part.from_time < hole.to_time):
                    came = replace(part, to_time=min(part.to_time, hole.to_time))
                    if gap := self._gaps.came(track.symbol, track.name, came, self._around.now()):
                        yield gap

    async def _probe(self, tracks: Sequence[Track], inbox: "asyncio.Queue[Arrival]") -> None:
        for track in tracks:
            try:
                reached = await self._rest.patiently(lambda asked=track: asked.probe(self._rest))  # type: ignore[misc]
            except CoinlakeError as error:
                self._log.warning("probe_failed", stream=track.name, error=str(error))
                reached = None
            await inbox.put(Probed(track, reached))

    def _probed(self, answer: Probed) -> None:
        track, now = answer.track, self._around.clock.monotonic()
        self._probing.discard(track.name)
        self._checked[track.name] = now
        if answer.reached is None:
            return
        number, moment = answer.reached
        young = now - self._heard[track.name] < self._patience.silence_seconds
        if track.continuity.next_number is not None:
            cause = self._cause if young and track.name in self._unseen else SILENT
            track.continuity.expect(number, moment, now, cause)
        self._unseen.discard(track.name)


def _demand_alive(tasks: "set[asyncio.Task[None]]") -> None:
    for task in tasks:
        if task.done():
            task.result()


def _facts(track: Track, hole: Hole) -> dict[str, object]:
    since, to = hole.from_time.isoformat(), hole.to_time.isoformat()
    return {"stream": track.name, "missed": hole.count, "since": since, "to": to}


def build_klines(settings: IngestSettings, around: Surroundings) -> PushedSource:
    """Build the feed of all symbols and intervals."""
    feed = Feed(KLINES, CRYPTO_KLINE_DATA, settings, around, probe_at_once=False)
    for symbol in settings.binance_symbols:
        for interval in settings.binance_kline_intervals:
            feed.add(KlineTrack(symbol, interval, feed.listings))
    return feed


def build_agg_trades(settings: IngestSettings, around: Surroundings) -> PushedSource:
    """Build the feed of all symbols; a quiet one is asked about over REST as soon as it is connected."""
    feed = Feed(AGG_TRADES, BINANCE_AGG_TRADES, settings, around, probe_at_once=True)
    for symbol in settings.binance_symbols:
        feed.add(AggTradeTrack(symbol, feed.listings))
    return feed
