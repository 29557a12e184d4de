"""Binance's REST API: four requests, their weights, its error codes, and its pauses obeyed."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from contracts.errors import FatalSourceError, TransientSourceError
from ingest.backoff import waits
from ingest.clock import Clock
from ingest.http import Answer, HttpClient
from ingest.sources.binance import VENUE
from ingest.weight import RESERVE, WeightBudget
from ingest.wire_json import Members, NumberText, dump, load, show, wrong_shape

PAGE_ROWS = 1000
"""The most rows one answer of klines or aggTrades holds."""

MOST_NAMED = 100
"""The most symbols that one request names."""

EXCHANGE_INFO_WEIGHT = 20
KLINES_WEIGHT = 2
AGG_TRADES_WEIGHT = 4
PRICES_WEIGHT = 4

_TRY_AGAIN = frozenset({"-1000", "-1001", "-1003", "-1006", "-1007", "-1008", "-1015", "-1016", "-1034"})
"""Codes that say nothing against the request: https://github.com/binance/binance-spot-api-docs/blob/master/errors.md"""

_PAUSE_SECONDS = {418: 120.0, 429: 60.0}
"""How long we ask nothing where the venue does not say: its limits are those of a minute, its bans start at two."""

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    """The rows of one answer as loaded JSON, and the venue's clock when it answered."""

    rows: list[object]
    venue_time: dt.datetime


def check(answer: Answer) -> object:
    """Return the loaded body of an answer that is no error.

    Raises:
        TransientSourceError: 429, 418, 403 (the venue's firewall), 5xx, HTML, no JSON, or a code that passes.
        FatalSourceError: another code, whatever the HTTP status, or another status.
    """
    try:
        document = load(answer.body)
    except TransientSourceError:
        document = None
    code = document.get("code") if isinstance(document, Members) else None
    if isinstance(document, Members) and isinstance(code, NumberText) and answer.status < 500:
        said = f"{VENUE}: {_text(document)} (code {code})"
        if answer.status in _PAUSE_SECONDS or code in _TRY_AGAIN:
            kind = (
                "banned" if answer.status == 418 else "rate_limited" if code in {"-1003", "-1015"} else f"code_{code}"
            )
            raise TransientSourceError(said, kind=kind, retry_after=answer.retry_after)
        raise FatalSourceError(said, kind=f"code_{code}")
    if answer.status == 403:
        raise TransientSourceError(
            f"{answer.origin}: expected status 200, found 403", kind="firewall", retry_after=answer.retry_after
        )
    answer.check()
    return load(answer.body)


def _text(document: Members) -> str:
    message = document.get("msg")
    text = message if isinstance(message, str) else show(message)
    return "".join(c for c in text[:200] if c.isprintable()).rstrip(".")


class BinanceRest:
    """Asks within one budget of weight; `patient` asks leave some of it to polls."""

    def __init__(self, base_url: str, http: HttpClient, budget: WeightBudget, clock: Clock) -> None:
        self._base_url = base_url
        self._http = http
        self._budget = budget
        self._clock = clock

    async def exchange_info(self, symbols: Sequence[str]) -> object:
        """Ask what the symbols are made of; an unknown one fails the whole request (code -1121)."""
        return check(await self._get("exchangeInfo", _listed(symbols), EXCHANGE_INFO_WEIGHT))

    async def prices(self, symbols: Sequence[str]) -> Answer:
        """Ask for the latest prices: the answer as it came, its error codes looked at."""
        answer = await self._get("ticker/price", _listed(symbols), PRICES_WEIGHT)
        check(answer)
        return answer

    async def klines(
        self,
        symbol: str,
        interval: str,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        *,
        limit: int = PAGE_ROWS,
    ) -> Page:
        """Ask for klines whose open time is in [start, end), oldest first; without times for the newest."""
        asked = {"symbol": symbol, "interval": interval, "limit": str(limit)}
        if start is not None:
            asked["startTime"] = str(epoch_ms(start))
        if end is not None:
            asked["endTime"] = str(epoch_ms(end) - 1)
        return _page(await self._get("klines", asked, KLINES_WEIGHT, reserve=RESERVE))

    async def agg_trades(
        self, symbol: str, *, from_id: int | None = None, start: dt.datetime | None = None, limit: int = PAGE_ROWS
    ) -> Page:
        """Ask for aggregate trades from an id or a time on, oldest first; with neither for the newest."""
        asked = {"symbol": symbol, "limit": str(limit)}
        if from_id is not None:
            asked["fromId"] = str(from_id)
        if start is not None:
            asked["startTime"] = str(epoch_ms(start))
        return _page(await self._get("aggTrades", asked, AGG_TRADES_WEIGHT, reserve=RESERVE))

    async def patiently(self, ask: Callable[[], Awaitable[T]], *, tries: int = 8) -> T:
        """Ask again where the venue may answer later, after the pause it asks for.

        Raises:
            TransientSourceError: the last try failed too.
            FatalSourceError: the venue will refuse every further try.
        """
        backoff = waits(self._clock.jitter, first=0.5, longest=30)
        for _ in range(tries - 1):
            try:
                return await ask()
            except TransientSourceError as error:
                pause = next(backoff)
                await self._clock.sleep(pause if error.retry_after is None else error.retry_after + 0.01)
        return await ask()

    async def _get(self, path: str, params: Mapping[str, str], weight: int, *, reserve: int = 0) -> Answer:
        while wait := self._budget.take(weight, reserve=reserve):
            await self._clock.sleep(wait)
        answer = await self._http.get(f"{self._base_url}/api/v3/{path}", params, {"Accept": "application/json"})
        used = answer.headers.get("x-mbx-used-weight-1m", "")
        if used.isascii() and used.isdigit() and len(used) < 10:
            self._budget.told(int(used))
        if answer.status in _PAUSE_SECONDS:
            seconds = _PAUSE_SECONDS[answer.status] if answer.retry_after is None else answer.retry_after
            self._budget.pause(seconds, f"{VENUE}: told to pause for {seconds:g} s (status {answer.status})")
        return answer


def _listed(symbols: Sequence[str]) -> dict[str, str]:
    """Name the symbols in the request, or none where they are too many for a URL: the answer then holds all."""
    return {"symbols": f"[{','.join(map(dump, symbols))}]"} if len(symbols) <= MOST_NAMED else {}


def _page(answer: Answer) -> Page:
    rows = check(answer)
    if not isinstance(rows, list):
        wrong_shape("answer", "an array", rows)
    return Page(rows, answer.venue_time())


def epoch_ms(moment: dt.datetime) -> int:
    """Return milliseconds since 1970, exact.

    >>> epoch_ms(dt.datetime(2023, 3, 24, 12, 40, tzinfo=dt.UTC))
    1679661600000
    """
    return (moment - dt.datetime.fromtimestamp(0, dt.UTC)) // dt.timedelta(milliseconds=1)
