"""Source of the latest prices of the symbols of interest, one request a poll."""

import datetime as dt
from collections.abc import AsyncIterator

from contracts.errors import TransientSourceError
from contracts.records import PriceTicker, Record, wire_time
from contracts.settings import IngestSettings
from contracts.streams import BINANCE_TICKER, Stream
from ingest.reject import reject
from ingest.source import Source, Surroundings
from ingest.sources.binance import VENUE
from ingest.sources.binance.listings import Listings
from ingest.sources.binance.parse import Receipt, parse_prices, symbols_named
from ingest.sources.binance.rest import BinanceRest
from ingest.wire_json import load


class BinanceTicker:
    """Source of prices; what a symbol is made of is asked once."""

    name = VENUE
    stream: Stream = BINANCE_TICKER

    def __init__(self, settings: IngestSettings, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._symbols = settings.binance_symbols
        self._rest = BinanceRest(settings.binance_url, surroundings.http, surroundings.weight, surroundings.clock)
        self._listings = Listings(self._rest)
        self._newest: dt.datetime | None = None

    async def records(self) -> AsyncIterator[Record]:
        """Poll once; an answer whose `Date` is older than the newest emitted is left out as a whole and counted.

        Raises:
            TransientSourceError: as `check`, `parse_prices` and the HTTP client say; kind `stale` for an older answer,
                `missing` where a symbol of interest is not in it.
            FatalSourceError: as `check` says, and for a symbol that the venue does not list.
        """
        await self._listings.know(self._symbols)
        answer = await self._rest.prices(self._symbols)
        receipt = Receipt(self._around.now(), self._around.max_ahead)
        poll_time = answer.venue_time()
        try:
            document = load(answer.body)
            rows = parse_prices(document, self._listings, set(self._symbols), poll_time, receipt)
        except TransientSourceError as error:
            yield reject(
                VENUE, self.stream, str(error), answer.body, poll_time=poll_time, ingest_time=receipt.ingest_time
            )
            raise
        if self._newest is not None and poll_time < self._newest:
            self._around.count_stale(VENUE, len(rows))
            raise TransientSourceError(
                f"{VENUE}: expected a Date of {wire_time(self._newest)} or later, found {wire_time(poll_time)}",
                kind="stale",
            )
        named = symbols_named(document)
        if missing := [symbol for symbol in self._symbols if symbol not in named]:
            raise TransientSourceError(
                f"{VENUE}: expected prices of {len(self._symbols)} symbols, found none of {', '.join(missing[:5])}",
                kind="missing",
            )
        if any(isinstance(row, PriceTicker) for row in rows):
            self._newest = poll_time
        for row in rows:
            yield row


def build(settings: IngestSettings, surroundings: Surroundings) -> Source:
    """Build the source."""
    return BinanceTicker(settings, surroundings)
