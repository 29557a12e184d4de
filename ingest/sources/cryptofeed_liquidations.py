"""Liquidations of other venues, by cryptofeed (an extra: `pip install 'coinlake[cryptofeed]'`, Python 3.13).

cryptofeed speaks to the venue and tells each liquidation to a callback. It is asked to give up where a connection
fails, not to try again by itself: so the follower does, and every hole is on record. What cryptofeed tells is not one
thing: its `side` is as the venue has it, of the order or of the position, and its `quantity` may count contracts. A
venue is here only where both are known; Binance never, or its liquidations were there twice.
"""

import asyncio
import datetime as dt
import importlib
import importlib.metadata
import json
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from contracts.errors import SettingsError, TransientSourceError
from contracts.records import Gap, Liquidation, Record, Rejected, Side
from contracts.settings import IngestSettings
from contracts.streams import ALT_LIQUIDATIONS
from ingest.arrivals import next_of
from ingest.fields import FieldError, amount_field, not_ahead
from ingest.notional import notional_of
from ingest.reject import reject
from ingest.source import PushedFactory, PushedSource, Surroundings
from ingest.unrefilled import Unrefilled
from ingest.wire_json import NumberText, show

_VERSION = 3
"""The major version of cryptofeed: 2.4, the last for Python 3.11, asks Bybit for a topic that is gone."""
_QUIET_SECONDS = 600
"""A connection on which no venue of this size closes a position for so long is given up."""
_BEAT_SECONDS = 5.0
_DEAD_AFTER = dt.timedelta(seconds=80)
"""A dead connection is noticed by cryptofeed's pings: one every 20 s, a minute to answer it."""
_QUEUED = 2000
_TICK_SECONDS = 0.25


@dataclass(frozen=True)
class Dialect:
    """How cryptofeed tells a venue's liquidations.

    `exchange` is its name for the venue, `bought` the position that was closed where its side is "buy". Contracts of
    `quotes` have quantities in their base; others are not asked for. `sampled`: the venue does not tell all of them.
    """

    exchange: str
    venue: str
    bought: Side
    quotes: tuple[str, ...]
    sampled: bool


DIALECTS: Mapping[str, Dialect] = {
    # Bybit's side is that of the position: "Buy" is a long that was closed (cryptofeed issue 985). It tells all.
    "bybit_liquidations": Dialect("BYBIT", "bybit", bought="long", quotes=("USDT", "USDC"), sampled=False),
}
"""OKX and Deribit are left out: of them cryptofeed 3 tells contracts, or dollars, without what a contract is worth."""


class Told(Protocol):
    """A liquidation as cryptofeed tells it; `timestamp` is in seconds since 1970."""

    exchange: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    timestamp: float | None


class Running(Protocol):
    """A feed of cryptofeed that is set up."""

    async def run(self) -> None:
        """Tell what happens until a connection fails; raise what it failed with."""

    @property
    def connected(self) -> bool:
        """Say whether every connection is open."""


Open = Callable[[Dialect, "asyncio.Queue[Told]"], Running]
"""Set a feed up that puts what it is told into the queue."""


def parse(told: Told, dialect: Dialect, ingest_time: dt.datetime, max_ahead: dt.timedelta) -> Liquidation | Rejected:
    """Turn what cryptofeed tells into a record: base and quote are those of its symbol, `BASE-QUOTE-PERP` or dated.

    Its price is the bankruptcy price; the average price is not told. Where it tells no time, it is that of receipt.
    """
    try:
        base, quote = _assets(told.symbol, dialect)
        quantity = amount_field(Liquidation, "quantity", _text(told.quantity), zero=False)
        price = amount_field(Liquidation, "bankruptcy_price", _text(told.price), zero=False)
        event_time = ingest_time if told.timestamp is None else _moment(told.timestamp)
        not_ahead("timestamp", event_time, ingest_time, max_ahead)
        return Liquidation(
            venue=dialect.venue,
            event_time=event_time,
            ingest_time=ingest_time,
            symbol=told.symbol,
            base=base,
            quote=quote,
            side=_side(told.side, dialect),
            quantity=quantity,
            filled_quantity=quantity,
            bankruptcy_price=price,
            notional=notional_of(price, quantity),
            sampled=dialect.sampled,
        )
    except FieldError as error:
        names = ("exchange", "symbol", "side", "quantity", "price", "timestamp")
        raw = json.dumps({name: getattr(told, name) for name in names}, default=str)
        return reject(dialect.venue, ALT_LIQUIDATIONS, str(error), raw, poll_time=ingest_time, ingest_time=ingest_time)


def _assets(symbol: str, dialect: Dialect) -> tuple[str, str]:
    base, *rest = symbol.split("-")
    if len(rest) != 2 or not base or rest[0] not in dialect.quotes:
        raise FieldError(f"symbol: expected a contract of {', '.join(dialect.quotes)}, found {show(symbol)}")
    return base, rest[0]


def _side(side: str, dialect: Dialect) -> Side:
    other: Side = "short" if dialect.bought == "long" else "long"
    sides: dict[str, Side] = {"buy": dialect.bought, "sell": other}
    if side not in sides:
        raise FieldError(f"side: expected buy or sell, found {show(side)}")
    return sides[side]


def _text(number: Decimal) -> NumberText:
    return NumberText(format(number, "f"))


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=round(seconds * 1000))


class CryptofeedLiquidations:
    """The liquidations of one venue: what it knows outlives a lost connection."""

    stream = ALT_LIQUIDATIONS
    symbols: Sequence[str] = ()
    refills = False

    def __init__(self, name: str, dialect: Dialect, around: Surroundings, opened: Open) -> None:
        self.name = name
        self.venue = dialect.venue
        self._dialect = dialect
        self._around = around
        self._open = opened
        self._state = Unrefilled(dialect.venue, ALT_LIQUIDATIONS)

    @property
    def newest(self) -> dt.datetime | None:
        """Return the moment up to which everything pushed has come."""
        return self._state.newest

    @property
    def whole(self) -> bool:
        """Say whether the venue is connected, and what was missed before is on record."""
        return self._state.whole

    def resume(self, records: Sequence[Record], gaps: Sequence[Gap]) -> None:
        """Take up from the newest records of the topic: since then something is missing, or since the Gap left open."""
        self._state.resume(records, gaps)

    def settle(self) -> Iterable[Gap]:
        """Yield nothing: nothing is ever being filled."""
        return ()

    async def records(self) -> AsyncGenerator[Record | None, None]:
        """Yield what is told, a Gap before it where something was missed, and None now and then while connected.

        Raises:
            TransientSourceError: kind `cryptofeed`, with the name of the error it ended with.
        """
        told: asyncio.Queue[Told] = asyncio.Queue(_QUEUED)
        feed = self._open(self._dialect, told)
        running = asyncio.create_task(feed.run())
        beat = float("-inf")
        try:
            while True:
                liquidation = await next_of(told, _TICK_SECONDS)
                if liquidation is not None:
                    for record in self._heard(liquidation):
                        yield record
                elif running.done():
                    raise self._lost(running)
                elif feed.connected and self._around.clock.monotonic() - beat >= _BEAT_SECONDS:
                    beat, now = self._around.clock.monotonic(), self._around.now()
                    for gap in self._state.heard(now, now - _DEAD_AFTER, now):
                        yield gap
                    yield None
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def catch_up(self) -> AsyncGenerator[Record | None, None]:
        """Yield the Gap since the newest record, still open: there is nothing to fetch, for nobody tells the past."""
        for gap in self._state.missing(self._around.now()):
            yield gap

    def _heard(self, told: Told) -> Iterator[Record]:
        record = parse(told, self._dialect, self._around.now(), self._around.max_ahead)
        if isinstance(record, Rejected):
            yield record
            return
        yield from self._state.heard(record.event_time, record.event_time, record.ingest_time)
        if self._state.is_new(record):
            yield record

    def _lost(self, running: "asyncio.Task[None]") -> TransientSourceError:
        error = running.exception()
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        found = "an end" if error is None else f"{type(error).__name__} ({str(error)[:100]})"
        cause = f"{self.venue}: expected cryptofeed to go on, found {found}"
        self._state.lost(cause, self._around.now())
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
        await self._feed.run(asyncio.Event())

    def _is_asked_for(self, name: str) -> bool:
        base, *rest = name.split("-")
        return bool(base) and len(rest) == 2 and rest[0] in self._dialect.quotes


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
