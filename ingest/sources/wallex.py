"""Wallex: every market of GET /v1/markets.

Venue rules: https://api-docs.wallex.ir. The body has no time: the response's `Date` header is the event time.
A value the venue does not have is the text "-"; `lastQty` repeats `lastPrice` in the real feed and is not read.
"""

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal

from contracts.errors import TransientSourceError
from contracts.records import MarketTicker, Record, Rejected, wire_time
from contracts.settings import IngestSettings
from contracts.streams import WALLEX, Stream
from ingest.fields import FieldError, decimal_field, member, not_ahead, object_field, text_field
from ingest.reject import reject
from ingest.source import Source, Surroundings
from ingest.wire_json import Members, load, show, wrong_shape

VENUE = "wallex"
TETHER_MARKET = "USDTTMN"

_STATS = {
    "price": "lastPrice",
    "bid_price": "bidPrice",
    "ask_price": "askPrice",
    "volume_24h": "24h_volume",
    "quote_volume_24h": "24h_quoteVolume",
}


def parse(
    body: str,
    poll_time: dt.datetime,
    ingest_time: dt.datetime,
    max_ahead: dt.timedelta = dt.timedelta(seconds=60),
) -> list[MarketTicker | Rejected]:
    """Turn the body of /v1/markets into one ticker or rejection per market, in the venue's order.

    A poll time that is too far ahead rejects the answer as a whole.

    Raises:
        TransientSourceError: the body is no JSON, has another shape or no market, or says it is no success.
    """
    markets = _markets(load(body))
    try:
        not_ahead("Date", poll_time, ingest_time, max_ahead)
    except FieldError as error:
        return [_reject(error, body, poll_time, ingest_time)]
    usdt_tmn = _usdt_tmn(markets)
    seen: set[str] = set()
    parsed: list[MarketTicker | Rejected] = []
    for _, row in markets.pairs:
        try:
            ticker = _ticker(row, usdt_tmn, poll_time, ingest_time)
            if ticker.symbol in seen:
                raise FieldError(f"symbol: expected once per answer, found {show(ticker.symbol)} again")
            seen.add(ticker.symbol)
            parsed.append(ticker)
        except FieldError as error:
            parsed.append(_reject(error, row, poll_time, ingest_time))
    return parsed


def _reject(error: Exception, raw: object, poll_time: dt.datetime, ingest_time: dt.datetime) -> Rejected:
    return reject(VENUE, WALLEX, str(error), raw, poll_time=poll_time, ingest_time=ingest_time)


def _markets(document: object) -> Members:
    if not isinstance(document, Members):
        wrong_shape("answer", "an object", document)
    if document.get("success") is not True:
        code = f" (code {show(document['code'])})" if "code" in document else ""
        raise TransientSourceError(
            f"{VENUE}: expected success true, found {show(member(document, 'success'))}{code}", kind="no_success"
        )
    result = member(document, "result")
    if not isinstance(result, Members):
        wrong_shape("result", "an object", result)
    markets = member(result, "symbols")
    if not isinstance(markets, Members):
        wrong_shape("result.symbols", "an object", markets)
    if not markets:
        raise TransientSourceError(f"{VENUE}: expected at least one market, found none", kind="empty")
    return markets


def _number(stats: Members, name: str) -> Decimal | None:
    value = stats.get(_STATS[name])
    return None if value is None or value == "-" else decimal_field(MarketTicker, name, value)


def _stats(row: Members) -> Members:
    return object_field("stats", row["stats"]) if row.get("stats") is not None else Members()


def _usdt_tmn(markets: Members) -> Decimal | None:
    """Return the last price of USDTTMN in this answer; null where there is none or it is no number."""
    for _, row in markets.pairs:
        if isinstance(row, Members) and row.get("symbol") == TETHER_MARKET:
            try:
                return _number(_stats(row), "price")
            except FieldError:
                return None
    return None


def _ticker(raw: object, usdt_tmn: Decimal | None, poll_time: dt.datetime, ingest_time: dt.datetime) -> MarketTicker:
    row = object_field("market", raw)
    stats = _stats(row)
    return MarketTicker(
        venue=VENUE,
        event_time=poll_time,
        ingest_time=ingest_time,
        symbol=text_field("symbol", member(row, "symbol")),
        base=text_field("baseAsset", member(row, "baseAsset")),
        quote=text_field("quoteAsset", member(row, "quoteAsset")),
        usdt_tmn=usdt_tmn,
        **{name: _number(stats, name) for name in _STATS},
    )


class Wallex:
    """Source of all markets, one request a poll."""

    name = VENUE
    stream: Stream = WALLEX

    def __init__(self, settings: IngestSettings, surroundings: Surroundings) -> None:
        self._url = f"{settings.wallex_url}/v1/markets"
        self._around = surroundings
        self._newest: dt.datetime | None = None

    async def records(self) -> AsyncIterator[Record]:
        """Poll once; an answer whose `Date` is older than the newest emitted is left out as a whole and counted.

        Raises:
            TransientSourceError: as `Answer.check`, `parse` and the HTTP client say; kind `stale` for an older answer.
            FatalSourceError: as `Answer.check` says.
        """
        answer = await self._around.http.get(self._url, {}, {"Accept": "application/json"})
        ingest_time = self._around.now()
        answer.check()
        poll_time = answer.venue_time()
        try:
            rows = parse(answer.body, poll_time, ingest_time, self._around.max_ahead)
        except TransientSourceError as error:
            yield _reject(error, answer.body, poll_time, ingest_time)
            raise
        if self._newest is not None and poll_time < self._newest:
            self._around.count_stale(VENUE, len(rows))
            raise TransientSourceError(
                f"{VENUE}: expected a Date of {wire_time(self._newest)} or later, found {wire_time(poll_time)}",
                kind="stale",
            )
        if any(isinstance(row, MarketTicker) for row in rows):
            self._newest = poll_time
        for row in rows:
            yield row


def build(settings: IngestSettings, surroundings: Surroundings) -> Source:
    """Build the source."""
    return Wallex(settings, surroundings)
