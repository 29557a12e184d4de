"""Which field of which stream is its price, as data. Adding a stream adds a line."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from contracts.records import Record
from contracts.streams import BINANCE_AGG_TRADES, BINANCE_TICKER, COIN_MARKET_CAP, CRYPTO_KLINE_DATA, WALLEX, Stream


def _no_tie(_record: Any) -> int:
    return 0


def _state_of_kline(record: Any) -> int:
    """Order the states of one push time: by the candle's start, a closed one last."""
    return int(record.open_time.timestamp()) * 2 + bool(record.closed)


class Prices(NamedTuple):
    """What a stream's records say of a price.

    `symbol`, `price` and `kline` name fields (`kline` that of the exchange's candle interval, empty where there is
    none). `tie` is a number of the record that orders those of one symbol and event time; it never is the order of
    arrival.
    """

    stream: Stream
    symbol: str = "symbol"
    price: str = "price"
    kline: str = ""
    tie: Callable[[Any], int] = _no_tie

    def of(self, record: Record) -> Decimal | None:
        """Return the record's price, None where the venue told none."""
        price: Decimal | None = getattr(record, self.price)
        return price


PRICES: Mapping[str, Prices] = {
    prices.stream.topic: prices
    for prices in (
        Prices(COIN_MARKET_CAP, symbol="coin", tie=lambda quote: quote.cmc_id),
        Prices(WALLEX),
        Prices(BINANCE_TICKER),
        Prices(BINANCE_AGG_TRADES, tie=lambda trade: trade.agg_trade_id),
        Prices(CRYPTO_KLINE_DATA, price="close", kline="interval", tie=_state_of_kline),
    )
}
"""By topic."""
