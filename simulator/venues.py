"""The venues the simulator knows. Adding one is a file of its own and a line in `VENUES`."""

import datetime as dt
from collections.abc import Callable

import msgspec

from contracts.errors import SettingsError
from simulator import coinmarketcap, coinmarketcap_generated, wallex
from simulator.config import SimulatorConfig
from simulator.market import Market
from simulator.wire import Content, Venue


class VenueKind(msgspec.Struct, frozen=True):
    """How to open a venue before some content, how to generate that content, and how to play it.

    `resources` are the query parameters that choose what is asked for; `shift_body` moves the times in a body.
    """

    open: Callable[[Content, SimulatorConfig], Venue]
    generate: Callable[[Market], Content]
    resources: frozenset[str]
    shift_body: Callable[[bytes, dt.timedelta], bytes]


VENUES: dict[str, VenueKind] = {
    "coinmarketcap": VenueKind(
        open=lambda content, config: coinmarketcap.CoinMarketCap(content, config.coinmarketcap),
        generate=coinmarketcap_generated.generated,
        resources=frozenset({"id", "symbol", "slug"}),
        shift_body=coinmarketcap.shift_body,
    ),
    "wallex": VenueKind(
        open=lambda content, config: wallex.Wallex(content),
        generate=wallex.generated,
        resources=frozenset({"symbol"}),
        shift_body=wallex.shift_body,
    ),
}


def demand_known(venue: str) -> None:
    """Refuse a venue nobody simulates.

    Raises:
        SettingsError: there is no such venue.
    """
    if venue not in VENUES:
        raise SettingsError(f"expected a venue of {', '.join(VENUES)}, found {venue!r}")
