"""CoinMarketCap: listings and quotes in the v1 and v3 shapes, its error codes, and its credits.

Venue rules: https://coinmarketcap.com/api/documentation (errors and rate limits, listings/latest, quotes/latest).
"""

import datetime as dt
from collections.abc import AsyncIterator, Iterator

import structlog

from contracts.errors import FatalSourceError, TransientSourceError
from contracts.records import CoinQuote, Record, Rejected
from contracts.settings import IngestSettings
from contracts.streams import COIN_MARKET_CAP, Stream
from ingest.credits import CreditBudget, next_day, next_minute, next_month
from ingest.fields import (
    FieldError,
    decimal_field,
    integer_field,
    member,
    not_ahead,
    object_field,
    text_field,
    time_field,
)
from ingest.http import Answer
from ingest.reject import reject
from ingest.source import Source, Surroundings
from ingest.wire_json import Members, load, show, wrong_shape

VENUE = "coin_market_cap"
CURRENCY = "USD"
COINS_PER_CREDIT = 200

_KEY = "COINLAKE_COINMARKETCAP_API_KEY"
_PLAN = "see your plan at the venue"
_FATAL = {
    "400": "the request is not valid: check COINLAKE_COINMARKETCAP_URL, _API and _COINS (code 400)",
    "1001": f"the API key is invalid: check {_KEY} (code 1001)",
    "1002": f"the API key is missing: set {_KEY} (code 1002)",
    "1003": f"the API key is not activated: {_PLAN} (code 1003)",
    "1004": f"the plan of the API key has expired: {_PLAN} (code 1004)",
    "1005": f"an API key is required: set {_KEY} (code 1005)",
    "1006": f"the plan of the API key does not include this endpoint: {_PLAN} (code 1006)",
    "1007": f"the API key is disabled: {_PLAN} (code 1007)",
}
_PERIODS = {
    "1008": ("rate_limited_minute", "requests of this minute are used up (code 1008)", next_minute),
    "1009": ("rate_limited_day", "requests of this day are used up (code 1009)", next_day),
    "1010": ("rate_limited_month", "credits of this month are used up (code 1010)", next_month),
}
_BACK_OFF = {
    "1011": ("rate_limited_ip", "too many requests from this IP address (code 1011)"),
    "500": ("server_error", "the venue has an internal error (code 500)"),
}
_OPTIONAL = ("market_cap", "volume_24h", "percent_change_24h")


def check_status(document: object, now: dt.datetime, retry_after: float | None = None) -> None:
    """Check the `status` object, which counts even where HTTP says 200.

    Raises:
        FatalSourceError: codes 400 and 1001 to 1007.
        TransientSourceError: 1008 to 1010 with `retry_after` at least to the next minute, UTC day or UTC month;
            1011, 500 and unknown codes as asked by the venue; kind `shape` where there is no error code.
    """
    if not isinstance(document, Members):
        wrong_shape("answer", "an object", document)
    status = member(document, "status")
    if not isinstance(status, Members):
        wrong_shape("status", "an object", status)
    code = member(status, "error_code")
    if not isinstance(code, str) or not code.isascii() or not code.isdigit():
        wrong_shape("status.error_code", "a whole number", code)
    if int(code) == 0:
        return
    if code in _FATAL:
        raise FatalSourceError(f"{VENUE}: {_FATAL[code]}", kind=f"code_{code}")
    if code in _PERIODS:
        kind, text, rest = _PERIODS[code]
        raise TransientSourceError(f"{VENUE}: {text}", kind=kind, retry_after=max(rest(now), retry_after or 0))
    kind, text = _BACK_OFF.get(code, ("unknown_code", f"an unknown error code ({show(code)})"))
    raise TransientSourceError(f"{VENUE}: {text}", kind=kind, retry_after=retry_after)


def parse(
    body: str,
    poll_time: dt.datetime,
    ingest_time: dt.datetime,
    max_ahead: dt.timedelta = dt.timedelta(seconds=60),
) -> list[CoinQuote | Rejected]:
    """Turn the body of listings/latest or quotes/latest into one quote or rejection per coin.

    `data` may be an array of coins, or an object whose members are a coin (v1 quotes) or an array of coins
    (v2 quotes by symbol); `quote` may be an object by currency (v1, v2) or an array (v3).

    Raises:
        TransientSourceError: the body is no JSON, has another shape or no coin, or carries an error code.
        FatalSourceError: it carries an error code that every further try would meet.
    """
    document = load(body)
    check_status(document, ingest_time)
    assert isinstance(document, Members)
    rows = list(_rows(member(document, "data")))
    if not rows:
        raise TransientSourceError(f"{VENUE}: expected at least one coin, found none", kind="empty")
    bearers = _best_bearers(rows)
    seen: set[int] = set()
    parsed: list[CoinQuote | Rejected] = []
    for row in rows:
        try:
            quote = _quote(row, bearers, poll_time, ingest_time)
            not_ahead("last_updated", quote.event_time, ingest_time, max_ahead)
            if quote.cmc_id in seen:
                raise FieldError(f"id: expected once per answer, found {quote.cmc_id} again")
            seen.add(quote.cmc_id)
            parsed.append(quote)
        except FieldError as error:
            parsed.append(_reject(error, row, poll_time, ingest_time))
    return parsed


def _reject(error: Exception, raw: object, poll_time: dt.datetime, ingest_time: dt.datetime) -> Rejected:
    return reject(VENUE, COIN_MARKET_CAP, str(error), raw, poll_time=poll_time, ingest_time=ingest_time)


def _rows(data: object) -> Iterator[object]:
    if isinstance(data, list):
        yield from data
    elif isinstance(data, Members):
        for _, value in data.pairs:
            if isinstance(value, list):
                yield from value
            else:
                yield value
    else:
        wrong_shape("data", "an array or an object", data)


def _best_bearers(rows: list[object]) -> dict[str, int]:
    """Map each symbol to the id of its best-ranked coin (lowest rank, none last, then lowest id).

    Rows that will be rejected count too: one bad price must not hand a symbol to another coin.
    """
    best: dict[str, tuple[bool, int, int]] = {}
    for row in rows:
        if not isinstance(row, Members):
            continue
        try:
            symbol = text_field("symbol", member(row, "symbol"))
            cmc_id = integer_field("id", member(row, "id"), least=1)
        except FieldError:
            continue
        try:
            rank = (False, integer_field("cmc_rank", member(row, "cmc_rank")), cmc_id)
        except FieldError:
            rank = (True, 0, cmc_id)
        best[symbol] = min(best.get(symbol, rank), rank)
    return {symbol: cmc_id for symbol, (_, _, cmc_id) in best.items()}


def _quote(raw: object, bearers: dict[str, int], poll_time: dt.datetime, ingest_time: dt.datetime) -> CoinQuote:
    row = object_field("coin", raw)
    cmc_id = integer_field("id", member(row, "id"), least=1)
    symbol = text_field("symbol", member(row, "symbol"))
    rank, supply = row.get("cmc_rank"), row.get("circulating_supply")
    priced = _priced(member(row, "quote"))
    optional = {
        name: None if priced.get(name) is None else decimal_field(CoinQuote, name, priced[name]) for name in _OPTIONAL
    }
    return CoinQuote(
        venue=VENUE,
        event_time=time_field("last_updated", member(row, "last_updated")),
        ingest_time=ingest_time,
        poll_time=poll_time,
        cmc_id=cmc_id,
        coin=symbol if bearers.get(symbol) == cmc_id else f"{symbol}-{cmc_id}",
        symbol=symbol,
        name=text_field("name", member(row, "name")),
        quote=CURRENCY,
        price=decimal_field(CoinQuote, "price", member(priced, "price")),
        cmc_rank=None if rank is None else integer_field("cmc_rank", rank),
        circulating_supply=None if supply is None else decimal_field(CoinQuote, "circulating_supply", supply),
        **optional,
    )


def _priced(quotes: object) -> Members:
    if isinstance(quotes, Members):
        return object_field(f"quote.{CURRENCY}", member(quotes, CURRENCY))
    if isinstance(quotes, list):
        for quote in quotes:
            if isinstance(quote, Members) and quote.get("symbol") == CURRENCY:
                return quote
        raise FieldError(f"quote: expected one in {CURRENCY}, found none")
    raise FieldError(f"quote: expected an object or an array, found {show(quotes)}")


class CoinMarketCap:
    """Source of the best-ranked coins, one listings/latest request a poll."""

    name = VENUE
    stream: Stream = COIN_MARKET_CAP

    def __init__(self, settings: IngestSettings, surroundings: Surroundings) -> None:
        self._url = f"{settings.coinmarketcap_url}/{settings.coinmarketcap_api}/cryptocurrency/listings/latest"
        self._params = {"start": "1", "limit": str(settings.coinmarketcap_coins), "convert": CURRENCY}
        self._key = settings.coinmarketcap_api_key
        self._cost = credits_per_poll(settings.coinmarketcap_coins)
        self._budget = CreditBudget(settings.coinmarketcap_credits_per_month)
        self._around = surroundings
        self._newest: dict[int, dt.datetime] = {}

    async def records(self) -> AsyncIterator[Record]:
        """Poll once; quotes older than the newest emitted of their coin (a stale cache) are left out and counted.

        Raises:
            TransientSourceError: as `check_status`, `Answer.check`, `parse` and the HTTP client say; kind
                `credit_budget` where this month's budget is spent; kind `stale` where no quote is left.
            FatalSourceError: as `check_status` and `Answer.check` say.
        """
        now = self._around.now()
        if not self._budget.take(self._cost, now):
            raise TransientSourceError("credit budget spent", kind="credit_budget", retry_after=next_month(now))
        headers = {"Accept": "application/json"}
        if self._key.get_secret_value():
            headers["X-CMC_PRO_API_KEY"] = self._key.get_secret_value()
        answer = await self._around.http.get(self._url, self._params, headers)
        ingest_time = self._around.now()
        try:
            self._check(answer, ingest_time)
        except (TransientSourceError, FatalSourceError):
            self._budget.give_back(self._cost)
            raise
        poll_time = answer.venue_time()
        try:
            rows = parse(answer.body, poll_time, ingest_time, self._around.max_ahead)
        except TransientSourceError as error:
            yield _reject(error, answer.body, poll_time, ingest_time)
            raise
        fresh = [row for row in rows if self._is_fresh(row)]
        if len(fresh) < len(rows):
            self._around.count_stale(VENUE, len(rows) - len(fresh))
        if not fresh:
            raise TransientSourceError(f"{VENUE}: expected newer quotes, found only older ones", kind="stale")
        for row in fresh:
            if isinstance(row, CoinQuote):
                self._newest[row.cmc_id] = row.event_time
            yield row

    def _check(self, answer: Answer, now: dt.datetime) -> None:
        """Look at the venue's error code first, whatever the HTTP status says, then at the status."""
        try:
            document = load(answer.body)
        except TransientSourceError:
            document = None
        if isinstance(document, Members) and isinstance(member(document, "status"), Members):
            check_status(document, now, answer.retry_after)
        answer.check()

    def _is_fresh(self, row: CoinQuote | Rejected) -> bool:
        if isinstance(row, Rejected):
            return True
        newest = self._newest.get(row.cmc_id)
        return newest is None or row.event_time >= newest


def credits_per_poll(coins: int) -> int:
    """Return what one listings request costs: a credit for each 200 coins, rounded up.

    >>> credits_per_poll(100), credits_per_poll(201)
    (1, 2)
    """
    return -(-coins // COINS_PER_CREDIT)


def build(settings: IngestSettings, surroundings: Surroundings) -> Source:
    """Build the source, and say in the log how long the credit budget lasts at this pace."""
    cost = credits_per_poll(settings.coinmarketcap_coins)
    seconds = settings.coinmarketcap_credits_per_month / cost * settings.poll_seconds
    structlog.get_logger().info(
        "credit_budget",
        venue=VENUE,
        credits_per_month=settings.coinmarketcap_credits_per_month,
        credits_per_poll=cost,
        poll_seconds=settings.poll_seconds,
        lasts_hours=round(seconds / 3600, 1),
    )
    return CoinMarketCap(settings, surroundings)
