"""Messages become rows of prices, rows of posts, or rejected with a reason; none is lost on the way.

Pure and total: what a message becomes depends on its bytes alone.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from contracts.errors import RecordError, SettingsError
from contracts.records import Post, Record, decode, wire_text
from contracts.streams import POSTS, STREAMS, Stream
from serve.export.feed import Message
from serve.export.layout import NULL
from serve.export.market import PRICES, Prices
from serve.export.settings import Rules

EXPORTED: Mapping[str, Stream] = {
    stream.topic: stream for stream in STREAMS if stream.topic in PRICES or stream in POSTS
}
"""The streams that an export takes, by topic."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_FROM, _TO = dt.datetime(1678, 1, 1, tzinfo=dt.UTC), dt.datetime(2262, 1, 1, tzinfo=dt.UTC)
_INT64 = range(-(2**63), 2**63)
_PRICE_COLUMNS = (
    *("topic", "lane", "offset", "venue", "symbol", "kline"),
    *("at", "tie", "identity", "price"),
)
_STATISTICS = ("likes", "reposts", "replies", "quotes", "followers")
_POST_COLUMNS = (
    *("topic", "lane", "offset", "venue", "coin", "post_id", "at"),
    *("lang", "author_id", "text", *_STATISTICS),
)


class Refused(NamedTuple):
    """A message that is no record for the files, and why."""

    message: Message
    reason: str


class Parsed(NamedTuple):
    """What messages became, in their order; `at` is the event time in milliseconds since 1970."""

    prices: pd.DataFrame
    posts: pd.DataFrame
    refused: Sequence[Refused]
    without_price: Mapping[str, int]
    """By topic, how many records tell no price, as Wallex where a market has no trade."""


def parse(messages: Iterable[Message], rules: Rules) -> Parsed:
    """Sort messages into what they become."""
    prices: list[tuple[object, ...]] = []
    posts: list[tuple[object, ...]] = []
    refused: list[Refused] = []
    without_price: Counter[str] = Counter()
    for message in messages:
        stream = EXPORTED[message.lane.topic]
        try:
            record = _record(message, stream, rules)
            if isinstance(record, Post):
                posts.append(_post(message, record))
            elif (row := _price(message, record, PRICES[stream.topic])) is not None:
                prices.append(row)
            else:
                without_price[stream.topic] += 1
        except RecordError as error:
            refused.append(Refused(message, str(error)))
    return Parsed(
        pd.DataFrame(prices, columns=list(_PRICE_COLUMNS)),
        pd.DataFrame(posts, columns=list(_POST_COLUMNS)),
        refused,
        without_price,
    )


def _record(message: Message, stream: Stream, rules: Rules) -> Record:
    """Decode a message and refuse what the files cannot hold."""
    record = decode(message.value, stream.record)
    if not stream.carries(record):
        raise RecordError(
            f"expected a record of {stream.topic}, found one of {stream.only and getattr(record, stream.only[0])}"
        )
    for name in ("event_time", "ingest_time"):
        moment = getattr(record, name)
        if moment.tzinfo is None or not _FROM <= moment < _TO:
            raise RecordError(f"expected {name} in UTC between 1678 and 2262, found {moment.isoformat()}")
    ahead = (record.event_time - record.ingest_time) / _MILLISECOND
    if ahead > rules.max_ahead:
        raise RecordError(
            f"expected an event time at most {rules.max_ahead / 1000:g} s ahead of the ingest time,"
            f" found {ahead / 1000:g} s"
        )
    return record


def _price(message: Message, record: Record, prices: Prices) -> tuple[object, ...] | None:
    price = prices.of(record)
    if price is None:
        return None
    if not price.is_finite():
        raise RecordError(f"expected a number in {prices.price}, found {price}")
    tie = prices.tie(record)
    if tie not in _INT64:
        raise RecordError(f"expected a number of 64 bits, found {tie}")
    symbol, kline = getattr(record, prices.symbol), getattr(record, prices.kline) if prices.kline else ""
    identity = ":".join(wire_text(getattr(record, name)) for name in prices.stream.identity)
    _storable(venue=record.venue, symbol=symbol, kline=kline)
    return (*_place(message), record.venue, symbol, kline, _at(record), tie, identity, price)


def _post(message: Message, post: Post) -> tuple[object, ...]:
    _storable(venue=post.venue, post_id=post.post_id, lang=post.lang, author_id=post.author_id)
    if post.text == NULL:
        raise RecordError("expected a text, found the one that stands for a null in the files")
    statistics = [getattr(post, name) for name in _STATISTICS]
    if any(number is not None and number not in _INT64 for number in statistics):
        raise RecordError(f"expected {', '.join(_STATISTICS)} of 64 bits, found a greater one")
    return (
        *(*_place(message), post.venue, post.coin, post.post_id, _at(post)),
        *(post.lang, post.author_id, post.text, *statistics),
    )


def _place(message: Message) -> tuple[str, str, int]:
    return message.lane.topic, message.lane.name, message.offset


def _at(record: Record) -> int:
    return (record.event_time - _EPOCH) // _MILLISECOND


def _storable(**texts: str | None) -> None:
    """Refuse a name that a file would not give back as it is: a NUL at its end is lost in a fixed width."""
    for name, text in texts.items():
        if text is not None and ("\0" in text or text == NULL):
            raise RecordError(f"expected a {name} without NUL characters, found {text!r}")


def chosen(topics: Sequence[str]) -> tuple[str, ...]:
    """Return the topics to take, each once: all of them where none is named.

    Raises:
        SettingsError: a topic is none of them.
    """
    for topic in topics:
        if topic not in EXPORTED:
            raise SettingsError(f"expected topics of {', '.join(EXPORTED)}, found {topic!r}")
    return tuple(dict.fromkeys(topics or EXPORTED))
