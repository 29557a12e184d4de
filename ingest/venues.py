"""The venues that can be taken from, as data. Adding one adds its file in `sources/` and a line here."""

from collections.abc import Mapping

from ingest.source import PushedFactory, SourceFactory
from ingest.sources import coin_market_cap, wallex
from ingest.sources.binance import VENUE as BINANCE
from ingest.sources.binance import feed, liquidations, ticker
from ingest.sources.cryptofeed.dialects import DIALECTS
from ingest.sources.cryptofeed.liquidations import build as build_cryptofeed
from ingest.sources.x.feed import QUERIES
from ingest.sources.x.feed import build as build_posts

POLLED: Mapping[str, SourceFactory] = {
    coin_market_cap.VENUE: coin_market_cap.build,
    wallex.VENUE: wallex.build,
    BINANCE: ticker.build,
}
PUSHED: Mapping[str, PushedFactory] = {
    feed.KLINES: feed.build_klines,
    feed.AGG_TRADES: feed.build_agg_trades,
    liquidations.NAME: liquidations.build,
    **{name: build_cryptofeed(name) for name in DIALECTS},
    **{name: build_posts(name) for name in QUERIES},
}
VENUES: tuple[str, ...] = (*POLLED, *PUSHED)

_ASKED_FOR = (feed.AGG_TRADES, liquidations.NAME, *DIALECTS, *QUERIES)
BY_DEFAULT: tuple[str, ...] = tuple(name for name in VENUES if name not in _ASKED_FOR)
"""What some users alone want is taken where it is asked for: aggregate trades are some 200 records a second for three
large pairs, liquidations are of another market, and posts cost money."""
