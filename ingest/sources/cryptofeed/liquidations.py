"""Liquidations of other venues, by cryptofeed (an extra: `pip install 'coinlake[cryptofeed]'`, Python 3.13).

cryptofeed speaks to the venue and tells each liquidation to a callback. It is asked to give up where a connection
fails, not to try again by itself, and held to it: so the follower does, and every hole is on record.
"""

import asyncio
import datetime as dt
import importlib
import importlib.metadata
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, Protocol

from contracts.errors import SettingsError, TransientSourceError
from contracts.records import Record, Rejected
from contracts.settings import IngestSettings
from contracts.streams import ALT_LIQUIDATIONS
from ingest.arrivals import next_of
from ingest.source import PushedFactory, PushedSource, Surroundings
from ingest.sources.cryptofeed.dialects import DIALECTS, Dialect, Told, parse
from ingest.unrefilled import UnrefilledFeed

_VERSION = 3
"""The major version of cryptofeed: 2.4, the last for Python 3.11, asks Bybit for a topic that is gone."""
_QUIET_SECONDS = 600
"""A connection on which no venue of this size closes a position for so long is given up."""
_BEAT_SECONDS = 5.0
_SUBSCRIBING_SECONDS = 10.0
"""cryptofeed calls a connection open before it asks for anything on it; then all has been asked for."""
_DEAD_AFTER = dt.timedelta(seconds=80)
"""A dead connection is noticed by cryptofeed's pings: one every 20 s, a minute to answer it."""
_QUEUED = 2000
_TICK_SECONDS = 0.25


class Running(Protocol):
    """A feed of cryptofeed that is set up."""

    async def run(self) -> None:
        """Tell what happens until a connection fails; raise what it failed with."""

    @property
    def connected(self) -> bool:
        """Say whether every connection is open."""


Open = Callable[[Dialect, "asyncio.Queue[Told]"], Running]
"""Set a feed up that puts what it is told into the queue."""


class CryptofeedLiquidations(UnrefilledFeed):
    """The liquidations of one venue: what it knows outlives a lost connection."""

    def __init__(self, name: str, dialect: Dialect, around: Surroundings, opened: Open) -> None:
        super().__init__(name, dialect.venue, ALT_LIQUIDATIONS, around)
        self._dialect = dialect
        self._open = opened

    async def records(self) -> AsyncGenerator[Record | None, None]:
        """Yield what is told, and while all is surely asked for now and then a Gap that ends there, or None.

        Raises:
            TransientSourceError: kind `cryptofeed`, with the name of the error it ended with.
        """
        told: asyncio.Queue[Told] = asyncio.Queue(_QUEUED)
        feed = self._open(self._dialect, told)
        running = asyncio.create_task(feed.run())
        due: float | None = None
        try:
            while True:
                liquidation = await next_of(told, _TICK_SECONDS)
                if liquidation is not None:
                    for record in self._heard(liquidation):
                        yield record
                elif running.done():
                    raise self._lost(running)
                moment = self.around.clock.monotonic()
                if running.done() or not feed.connected:
                    due = None
                elif due is None:
                    due = moment + _SUBSCRIBING_SECONDS
                elif moment >= due:
                    due, now = moment + _BEAT_SECONDS, self.around.now()
                    for gap in self.state.heard(now, now - _DEAD_AFTER, now):
                        yield gap
                    yield None
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _heard(self, told: Told) -> Iterator[Record]:
        """Yield a liquidation that is new. It ends no hole: that of another contract may not be asked for yet."""
        record = parse(told, self._dialect, self.around.now(), self.around.max_ahead)
        if isinstance(record, Rejected):
            yield record
            return
        if self.state.whole:
            yield from self.state.heard(record.event_time, record.event_time, record.ingest_time)
        if self.state.is_new(record):
            yield record

    def _lost(self, running: "asyncio.Task[None]") -> TransientSourceError:
        error = running.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        found = "an end" if error is None else f"{type(error).__name__} ({str(error)[:100]})"
        cause = f"{self.venue}: expected cryptofeed to go on, found {found}"
        self.state.lost(cause, self.around.now())
        return TransientSourceError(cause, kind="cryptofeed")


class _Feed:
    """A feed of cryptofeed: one venue's liquidations, all contracts that its dialect can be read of."""

    def __init__(self, dialect: Dialect, told: "asyncio.Queue[Told]") -> None:
        self._dialect = dialect
        self._told = told
        self._feed: Any = None

    @property
    def connected(self) -> bool:
        """Say whether every connection is open."""
        handlers = [] if self._feed is None else self._feed.connection_handlers
        return bool(handlers) and all(handler.conn.is_open for handler in handlers)

    async def run(self) -> None:
        """Learn the venue's contracts, connect, and tell what comes until a connection fails."""
        exchange = importlib.import_module("cryptofeed.exchanges").EXCHANGE_MAP[self._dialect.exchange]
        symbols = [name for name in await exchange.load_symbols() if self._is_asked_for(name)]

        async def tell(told: Told, _: float) -> None:
            await self._told.put(told)

        self._feed = exchange(
            symbols=symbols,
            channels=["liquidations"],
            callbacks={"liquidations": tell},
            retries=0,
            exceptions=[Exception],
            timeout=_QUIET_SECONDS,
        )
        self._feed.subscribe = subscribing_once(self._feed.subscribe)
        await self._feed.run(asyncio.Event())

    def _is_asked_for(self, name: str) -> bool:
        base, *rest = name.split("-")
        return bool(base) and len(rest) == 2 and rest[0] in self._dialect.quotes


def subscribing_once(subscribe: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Refuse to subscribe on a connection for the second time.

    cryptofeed 3 takes a connection that was closed in an orderly way, by the venue or by its own watch for silence,
    for no failure: without a word it connects again, whatever its `retries`.

    Raises:
        ConnectionResetError: the returned function is called again with a connection.
    """
    subscribed: set[int] = set()

    async def once(connection: Any) -> None:
        if id(connection) in subscribed:
            raise ConnectionResetError("the connection was closed")
        subscribed.add(id(connection))
        await subscribe(connection)

    return once


def demand_cryptofeed() -> None:
    """Refuse to go on without a cryptofeed that can be used.

    Raises:
        SettingsError: it is not installed, or too old.
    """
    how = "install it with pip install 'coinlake[cryptofeed]', which needs Python 3.13"
    try:
        version = importlib.metadata.version("cryptofeed")
    except importlib.metadata.PackageNotFoundError:
        raise SettingsError(f"expected cryptofeed {_VERSION}, found none: {how}") from None
    if int(version.partition(".")[0]) < _VERSION:
        raise SettingsError(f"expected cryptofeed {_VERSION}, found {version}: {how}")


def build(name: str) -> PushedFactory:
    """Return what builds the feed of this name."""

    def built(settings: IngestSettings, around: Surroundings) -> PushedSource:
        demand_cryptofeed()
        return CryptofeedLiquidations(name, DIALECTS[name], around, _Feed)

    return built
