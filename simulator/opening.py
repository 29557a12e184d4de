"""Opens the venues of one run: generated, or played from a recording."""

import datetime as dt
from pathlib import Path

import msgspec

from simulator.config import SimulatorConfig
from simulator.market import Market
from simulator.recording import read_folder, shifted
from simulator.venues import VENUES
from simulator.wire import Venue


class Opened(msgspec.Struct, frozen=True):
    """The venues of a run, and where their clock begins (None: a span before the wall clock)."""

    venues: dict[str, Venue]
    begin: dt.datetime | None


def open_venues(config: SimulatorConfig) -> Opened:
    """Open the venues a configuration asks for.

    Raises:
        SettingsError, NoDataError: the recording cannot be played.
    """
    return _generated(config) if config.recording is None else _recorded(config, config.recording)


def _generated(config: SimulatorConfig) -> Opened:
    market = Market(config.seed)
    venues = {name: kind.generated(market, config) for name, kind in VENUES.items()}
    return Opened(venues, config.begin)


def _recorded(config: SimulatorConfig, folder: Path) -> Opened:
    recordings = read_folder(folder, VENUES)
    start = min(played[0].at for played in recordings.values())
    venues: dict[str, Venue] = {}
    for name, played in recordings.items():
        kind = VENUES[name]
        by = start - played[0].at if config.common_start else dt.timedelta(0)
        moved = shifted(played, by, kind.shift_body) if by else played
        venues[name] = kind.recorded(moved, config)
    return Opened(venues, config.begin or start)
