"""The venues the simulator knows. Adding one is a file of its own and a line in `VENUES`."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from contracts.errors import SettingsError
from simulator import coinmarketcap, coinmarketcap_generated, wallex
from simulator.binance import futures
from simulator.binance.frames import pushes_of
from simulator.binance.generated import GeneratedTape
from simulator.binance.halts import Halts
from simulator.binance.limits import MESSAGES_PER_SECOND
from simulator.binance.recorded import recorded_tape, shift_times
from simulator.binance.rest import Binance, epoch_ms
from simulator.binance.streams import Pushing
from simulator.config import SimulatorConfig
from simulator.market import Market
from simulator.recording import Recorded, content_of
from simulator.wire import Venue
from simulator.x import VENUE as X_VENUE
from simulator.x.generated import GeneratedPosts
from simulator.x.recorded import RecordedPosts
from simulator.x.recorded import shift_body as shift_posts
from simulator.x.venue import X


class VenueKind(msgspec.Struct, frozen=True):
    """How to open a venue on a generated market, and on a recording; `shift_body` moves the times in a body.

    `pushing` shows a venue to its streams, None where it has none.
    """

    generated: Callable[[Market, SimulatorConfig], Venue]
    recorded: Callable[[list[Recorded], SimulatorConfig], Venue]
    shift_body: Callable[[bytes, dt.timedelta], bytes]
    pushing: Callable[[Any], Pushing] | None = None


def _spot(venue: Binance) -> Pushing:
    """Show Binance spot: one route; a ping every 20 s, a minute to answer it."""
    return Pushing(
        venue="binance",
        tally=venue.tally,
        routes={"": lambda name, updates: pushes_of(name, venue.tape, updates)},
        ping_seconds=20,
        pong_seconds=60,
        messages_per_second=MESSAGES_PER_SECOND,
    )


VENUES: dict[str, VenueKind] = {
    "coinmarketcap": VenueKind(
        generated=lambda market, config: coinmarketcap.CoinMarketCap(
            coinmarketcap_generated.generated(market), config.coinmarketcap
        ),
        recorded=lambda lines, config: coinmarketcap.CoinMarketCap(
            content_of(lines, frozenset({"id", "symbol", "slug"})), config.coinmarketcap
        ),
        shift_body=coinmarketcap.shift_body,
    ),
    "wallex": VenueKind(
        generated=lambda market, config: wallex.Wallex(wallex.generated(market)),
        recorded=lambda lines, config: wallex.Wallex(content_of(lines, frozenset({"symbol"}))),
        shift_body=wallex.shift_body,
    ),
    "binance": VenueKind(
        generated=lambda market, config: Binance(GeneratedTape(market, config.trades_a_minute), _halts(config)),
        recorded=lambda lines, config: Binance(
            recorded_tape(lines), _halts(config), content_of(lines, frozenset({"symbol", "interval", "fromId"}))
        ),
        shift_body=shift_times,
        pushing=_spot,
    ),
    futures.VENUE: VenueKind(
        generated=lambda market, config: futures.generated(market, config.liquidations_a_minute),
        recorded=lambda lines, config: futures.recorded(lines),
        shift_body=shift_times,
        pushing=lambda venue: venue.pushing(),
    ),
    X_VENUE: VenueKind(
        generated=lambda market, config: X(GeneratedPosts(market, config.posts_a_minute), config.x),
        recorded=lambda lines, config: X(RecordedPosts(lines), config.x),
        shift_body=shift_posts,
    ),
}


def _halts(config: SimulatorConfig) -> Halts:
    return Halts([(epoch_ms(begin), epoch_ms(end)) for begin, end in config.halts])


def demand_known(venue: str) -> None:
    """Refuse a venue nobody simulates.

    Raises:
        SettingsError: there is no such venue.
    """
    if venue not in VENUES:
        raise SettingsError(f"expected a venue of {', '.join(VENUES)}, found {venue!r}")


def pushing(venues: Mapping[str, Venue]) -> Iterator[Pushing]:
    """Show the venues that push to their streams."""
    for name, venue in venues.items():
        if (show := VENUES[name].pushing) is not None:
            yield show(venue)
