"""The venues that can be polled, as data. Adding one adds its file in `sources/` and a line here."""

from collections.abc import Mapping

from ingest.source import SourceFactory
from ingest.sources import coin_market_cap, wallex

VENUES: Mapping[str, SourceFactory] = {
    coin_market_cap.VENUE: coin_market_cap.build,
    wallex.VENUE: wallex.build,
}
