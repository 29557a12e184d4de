"""What each symbol is made of, asked once and again when a new symbol turns up."""

from collections.abc import Iterator, Mapping, Sequence

from contracts.errors import FatalSourceError
from ingest.sources.binance.parse import Listing, parse_listings
from ingest.sources.binance.rest import BinanceRest


class Listings(Mapping[str, Listing]):
    """Listings by symbol, empty until `know` has asked for them."""

    def __init__(self, rest: BinanceRest) -> None:
        self._rest = rest
        self._known: dict[str, Listing] = {}

    async def know(self, symbols: Sequence[str]) -> None:
        """Ask for the symbols that are not known yet; nothing where there are none.

        Raises:
            TransientSourceError, FatalSourceError: as the request; fatal too where a symbol is not listed.
        """
        unknown = [symbol for symbol in symbols if symbol not in self._known]
        if not unknown:
            return
        try:
            self._known.update(parse_listings(await self._rest.exchange_info(unknown)))
        except FatalSourceError as error:
            raise FatalSourceError(f"{error}: check COINLAKE_BINANCE_SYMBOLS", kind=error.kind) from None
        left = [symbol for symbol in unknown if symbol not in self._known]
        if left:
            raise FatalSourceError(
                "binance: expected the symbols of COINLAKE_BINANCE_SYMBOLS in exchangeInfo, "
                f"found no {', '.join(left)}",
                kind="unknown_symbol",
            )

    def __getitem__(self, symbol: str) -> Listing:
        return self._known[symbol]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
