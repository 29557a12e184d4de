"""Liquidations of Binance's USD-M futures: a pushed feed that nobody can fill, so that every hole stays on record.

They are pushed below `/market` alone. The old routes, `/ws` and `/stream`, still connect and acknowledge, and push
nothing; so does a market without liquidations. To tell the two apart the same connection asks for the mark price of one
symbol, which the venue pushes every 3 seconds, liquidations or not. The venue does not tell all: at most one order of a
symbol in a second, about a second after it was traded. What was missed cannot be had over REST (`allForceOrders` is
gone).
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

from contracts.errors import CoinlakeError, TransientSourceError
from contracts.records import Gap, Liquidation, Record, Rejected, replace
from contracts.settings import IngestSettings
from contracts.streams import ALT_LIQUIDATIONS
from ingest.gaps import NOT_RUNNING, WHOLE_STREAM, still_open
from ingest.http import origin_of
from ingest.reject import reject
from ingest.source import PushedSource, Surroundings
from ingest.sources.binance.connection import Connection, Frame, Patience
from ingest.sources.binance.parse import Receipt
from ingest.sources.binance.parse_liquidation import VENUE, parse_liquidation_push, parse_mark_price_push

NAME = "binance_liquidations"
ROUTE = "/market"
ORDERS = "!forceOrder@arr"
HEARTBEAT = "btcusdt@markPrice"
_PING_SECONDS = 4 * 60
"""The venue pings every 3 minutes, and waits 10 for the answer."""
_SAMPLED = dt.timedelta(seconds=1)
"""An order is pushed a second after it was traded, or a few milliseconds later: 1,004 to 1,012 ms were seen."""
_ONE_BATCH = dt.timedelta(seconds=10)
"""Of what was received within so long a batch may have been acknowledged in part when the run before ended."""
_REMEMBERED = 10_000
"""Identities of orders that are known again when they come twice: hours of them."""
_QUEUED = 2000
_TICK_SECONDS = 0.25

Identity = tuple[dt.datetime, str, str]


class LiquidationFeed:
    """The orders of all symbols: what it knows outlives a lost connection.

    `newest` is the moment up to which, on the venue's clock, everything that was pushed has come.
    """

    name = NAME
    venue = VENUE
    stream = ALT_LIQUIDATIONS
    symbols: Sequence[str] = ()
    refills = False

    def __init__(self, settings: IngestSettings, around: Surroundings) -> None:
        self._around = around
        self._url = settings.binance_futures_stream_url + ROUTE
        self._patience = Patience(settings.binance_futures_silence_seconds, ping_seconds=_PING_SECONDS)
        self._known: dict[Identity, Liquidation] = {}
        self._newest: dt.datetime | None = None
        self._hole: tuple[dt.datetime, str] | None = None
        """From when something is missing, and why, until the first frame that comes again."""

    @property
    def newest(self) -> dt.datetime | None:
        """Return the moment up to which everything pushed has come, ours where nothing ever came and a try failed."""
        return self._newest

    @property
    def whole(self) -> bool:
        """Say whether the route delivers, and what it did not deliver before is on record."""
        return self._hole is None

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Take up from the newest records of the topic: since then something is missing, or since the Gap left open."""
        found = [record for record in records if isinstance(record, Liquidation)]
        for record in found[-_REMEMBERED:]:
            self._known[_identity(record)] = record
        gap = still_open(gaps)
        if found:
            last = max(record.ingest_time for record in found) - _ONE_BATCH
            self._newest = min(record.event_time for record in found if record.ingest_time >= last)
            self._hole = (self._newest, NOT_RUNNING)
        if gap is not None:
            told = gap.cause.endswith(NOT_RUNNING)
            cause = gap.cause if told else f"{gap.cause}; then {NOT_RUNNING}"
            self._newest, self._hole = gap.from_time, (gap.from_time, cause)

    def settle(self) -> Iterable[Gap]:
        """Yield nothing: nothing is ever being filled."""
        return ()

    async def records(self) -> AsyncGenerator[Record | None, None]:
        """Yield what is pushed, a Gap before it where something was missed, and None for each mark price.

        Raises:
            TransientSourceError: as the connection says, or kind `silent_stream`.
        """
        clock = self._around.clock
        inbox: asyncio.Queue[Frame] = asyncio.Queue(_QUEUED)
        connection = Connection(
            self._around.connect,
            self._url,
            (ORDERS, HEARTBEAT),
            inbox,
            patience=self._patience,
            attempts=self._around.attempts,
            clock=clock,
            venue=VENUE,
        )
        reading = asyncio.create_task(connection.run())
        heard = clock.monotonic()
        try:
            while True:
                frame = await _next(inbox)
                if frame is not None:
                    heard = clock.monotonic()
                    for record in self._judge(frame):
                        yield record
                elif reading.done():
                    reading.result()
                elif not connection.opened:
                    heard = clock.monotonic()
                elif clock.monotonic() - heard > self._patience.silence_seconds:
                    raise self._silent()
        except CoinlakeError as error:
            self._newest = self._newest or self._around.now()
            self._hole = self._hole or (self._newest, str(error))
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def catch_up(self) -> AsyncGenerator[Record | None, None]:
        """Yield the Gap since the newest record, still open: there is nothing to fetch, for the venue tells no past.

        Where the topic holds no record, nothing is known to be missing, and nothing is yielded.
        """
        if self._hole is not None:
            yield self._gap(None)

    def _silent(self) -> TransientSourceError:
        return TransientSourceError(
            f"{origin_of(self._url)}{ROUTE}/stream: expected a mark price every 3 s, found nothing pushed for"
            f" {self._patience.silence_seconds:g} s (the old routes /ws and /stream acknowledge and push nothing)",
            kind="silent_stream",
        )

    def _judge(self, frame: Frame) -> Iterator[Record | None]:
        receipt = Receipt(self._around.now(), self._around.max_ahead)
        if frame.stream == ORDERS:
            yield from self._pushed(parse_liquidation_push(frame.data, receipt))
        elif frame.stream == HEARTBEAT:
            yield from self._beat(parse_mark_price_push(frame.data, receipt))
        else:
            now, found = receipt.ingest_time, frame.stream or "a message that is no push"
            reason = f"expected a stream that was asked for, found {found[:60]}"
            yield reject(VENUE, ALT_LIQUIDATIONS, reason, frame.data, poll_time=now, ingest_time=now)

    def _pushed(self, order: Liquidation | Rejected) -> Iterator[Record]:
        """Yield an order, unless it came before, as it does on both connections of a hand-over.

        Orders of different symbols overtake each other: an older one is as good as a newer.
        """
        if isinstance(order, Rejected):
            yield order
            return
        yield from self._heard(order.event_time, covered=order.event_time - _SAMPLED)
        before = self._known.get(_identity(order))
        if before is not None and replace(order, ingest_time=before.ingest_time) == before:
            return
        self._known[_identity(order)] = order
        while len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        yield order

    def _beat(self, pushed: dt.datetime | Rejected) -> Iterator[Record | None]:
        if isinstance(pushed, Rejected):
            yield pushed
            return
        yield from self._heard(pushed, covered=pushed - 2 * _SAMPLED)
        yield None

    def _heard(self, moment: dt.datetime, covered: dt.datetime) -> Iterator[Gap]:
        """Close the hole at the first frame after it, and note up to when everything has come."""
        if self._hole is not None:
            yield self._gap(moment)
            self._newest, self._hole = None, None
        self._newest = max(self._newest or covered, covered)

    def _gap(self, until: dt.datetime | None) -> Gap:
        assert self._hole is not None
        since, cause = self._hole
        return Gap(
            venue=VENUE,
            event_time=since,
            ingest_time=self._around.now(),
            symbol=WHOLE_STREAM,
            stream=ALT_LIQUIDATIONS.topic,
            from_time=since,
            to_time=None if until is None else max(until, since),
            cause=cause,
            recoverable=False,
        )


def _identity(order: Liquidation) -> Identity:
    return order.event_time, order.symbol, order.side


async def _next(inbox: "asyncio.Queue[Frame]") -> Frame | None:
    """Return the next frame, None where none comes within a tick."""
    with contextlib.suppress(asyncio.QueueEmpty):
        return inbox.get_nowait()
    try:
        async with asyncio.timeout(_TICK_SECONDS):
            return await inbox.get()
    except TimeoutError:
        return None


def build(settings: IngestSettings, around: Surroundings) -> PushedSource:
    """Build the feed."""
    return LiquidationFeed(settings, around)
