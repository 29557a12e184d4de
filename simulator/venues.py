"""The venues the simulator knows. Adding one is a file of its own and a line in `VENUES`."""

import datetime as dt
from collections.abc import Callable

import msgspec

from contracts.errors import SettingsError
from simulator import coinmarketcap, coinmarketcap_generated, wallex
from simulator.binance.generated import GeneratedTape
from simulator.binance.halts import Halts
from simulator.binance.recorded import recorded_tape, shift_times
from simulator.binance.rest import Binance, epoch_ms
from simulator.config import SimulatorConfig
from simulator.market import Market
from simulator.recording import Recorded, content_of
from simulator.wire import Venue


class VenueKind(msgspec.Struct, frozen=True):
    """How to open a venue on a generated market, and on a recording; `shift_body` moves the times in a body."""

    generated: Callable[[Market, SimulatorConfig], Venue]
    recorded: Callable[[list[Recorded], SimulatorConfig], Venue]
    shift_body: Callable[[bytes, dt.timedelta], bytes]


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
