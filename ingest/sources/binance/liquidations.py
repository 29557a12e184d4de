"""Liquidations of Binance's USD-M futures: a pushed feed that nobody can fill, so that every hole stays on record.

They are pushed below `/market` alone. The old routes, `/ws` and `/stream`, still connect and acknowledge, and push
nothing; so does a market without liquidations. To tell the two apart the same connection asks for the mark price of one
symbol, which the venue pushes every 3 seconds, liquidations or not. The venue does not tell all: at most one order of a
symbol in a second, about a second after it was traded. What was missed cannot be had over REST (`allForceOrders` is
gone).
"""

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Iterator

from contracts.errors import CoinlakeError, TransientSourceError
from contracts.records import Liquidation, Record, Rejected
from contracts.settings import IngestSettings
from contracts.streams import ALT_LIQUIDATIONS
from ingest.arrivals import next_of
from ingest.http import origin_of
from ingest.reject import reject
from ingest.source import PushedSource, Surroundings
from ingest.sources.binance.connection import Connection, Frame, Patience
from ingest.sources.binance.parse import Receipt
from ingest.sources.binance.parse_liquidation import VENUE, parse_liquidation_push, parse_mark_price_push
from ingest.unrefilled import UnrefilledFeed

NAME = "binance_liquidations"
ROUTE = "/market"
ORDERS = "!forceOrder@arr"
HEARTBEAT = "btcusdt@markPrice"
_PING_SECONDS = 4 * 60
"""The venue pings every 3 minutes, and waits 10 for the answer."""
_QUEUED = 2000
_TICK_SECONDS = 0.25


class LiquidationFeed(UnrefilledFeed):
    """The orders of all symbols: what it knows outlives a lost connection."""

    def __init__(self, settings: IngestSettings, around: Surroundings) -> None:
        super().__init__(NAME, VENUE, ALT_LIQUIDATIONS, around)
        self._url = settings.binance_futures_stream_url + ROUTE
        self._patience = Patience(settings.binance_futures_silence_seconds, ping_seconds=_PING_SECONDS)

    async def records(self) -> AsyncGenerator[Record | None, None]:
        """Yield what is pushed, a Gap before it where something was missed, and None for each mark price.

        Raises:
            TransientSourceError: as the connection says, or kind `silent_stream`.
        """
        clock = self.around.clock
        inbox: asyncio.Queue[Frame] = asyncio.Queue(_QUEUED)
        connection = Connection(
            self.around.connect,
            self._url,
            (ORDERS, HEARTBEAT),
            inbox,
            patience=self._patience,
            attempts=self.around.attempts,
            clock=clock,
            venue=VENUE,
        )
        reading = asyncio.create_task(connection.run())
        heard = clock.monotonic()
        try:
            while True:
                frame = await next_of(inbox, _TICK_SECONDS)
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
            self.state.lost(str(error), self.around.now())
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    def _silent(self) -> TransientSourceError:
        return TransientSourceError(
            f"{origin_of(self._url)}{ROUTE}/stream: expected a mark price every 3 s, found nothing pushed for"
            f" {self._patience.silence_seconds:g} s (the old routes /ws and /stream acknowledge and push nothing)",
            kind="silent_stream",
        )

    def _judge(self, frame: Frame) -> Iterator[Record | None]:
        receipt = Receipt(self.around.now(), self.around.max_ahead)
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
        yield from self.state.heard(order.event_time, order.event_time, order.ingest_time)
        if self.state.is_new(order):
            yield order

    def _beat(self, pushed: dt.datetime | Rejected) -> Iterator[Record | None]:
        if isinstance(pushed, Rejected):
            yield pushed
            return
        yield from self.state.heard(pushed, pushed, self.around.now())
        yield None


def build(settings: IngestSettings, around: Surroundings) -> PushedSource:
    """Build the feed."""
    return LiquidationFeed(settings, around)
