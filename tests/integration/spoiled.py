"""Messages that are no records, as somebody else's program could write them, and what is said of each."""

import json
from typing import NamedTuple


class Spoiled(NamedTuple):
    """One message, and the reason that the `rejected` table gives for it."""

    topic: str
    value: bytes
    reason: str


TIME = "2024-03-19T22:05:00.000Z"
PRICE = "expected a number with at most 20 digits before the point"


def ticker(**changes: object) -> bytes:
    """Write a ticker on the wire with some fields changed; None leaves the field out."""
    fields: dict[str, object] = {
        "venue": "wallex",
        "event_time": TIME,
        "ingest_time": TIME,
        "symbol": "BADTMN",
        "base": "BAD",
        "quote": "TMN",
        "price": "1.5",
    }
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not None}).encode()


def quote(**changes: object) -> bytes:
    """Write a quote on the wire with some fields changed; None leaves the field out."""
    fields: dict[str, object] = {
        "venue": "coin_market_cap",
        "event_time": TIME,
        "ingest_time": TIME,
        "poll_time": TIME,
        "cmc_id": 999_999,
        "coin": "BAD",
        "symbol": "BAD",
        "name": "Bad",
        "quote": "USD",
        "price": "1.5",
        "market_cap": "100",
    }
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not None}).encode()


SPOILED = (
    Spoiled("wallex", ticker()[:60], "expected a JSON object, found text that is none"),
    Spoiled("wallex", b"<html><body>502 Bad Gateway</body></html>", "expected a JSON object, found text that is none"),
    Spoiled("wallex", b"\xff\xfe\x00", "expected a JSON object, found text that is none"),
    Spoiled("wallex", b"[1, 2]", "expected a JSON object, found text that is none"),
    Spoiled("wallex", ticker(symbol=None), "symbol: expected a value, found none"),
    Spoiled("wallex", ticker(price="-"), f"price: {PRICE}, found -"),
    Spoiled("wallex", ticker().replace(b'"1.5"', b"NaN"), f'price: {PRICE}, found "NaN"'),
    Spoiled("wallex", ticker(price="1e25"), f"price: {PRICE}, found 1e25"),
    Spoiled("wallex", ticker(usdt_tmn="9" * 21), f"usdt_tmn: {PRICE}, found {'9' * 21}"),
    Spoiled(
        "wallex",
        ticker(event_time="2024-03-19T22:06:00.001Z"),
        "event_time: expected at most 60 s ahead of ingest_time, found 2024-03-19T22:06:00.001Z",
    ),
    Spoiled(
        "wallex",
        ticker(event_time="yesterday"),
        "event_time: expected a UTC time from 1970 on, such as 2024-03-19T22:05:00.000Z, found yesterday",
    ),
    Spoiled("coin_market_cap", quote(cmc_id="one"), "cmc_id: expected a whole number, found one"),
    Spoiled("coin_market_cap", quote(price=None), "price: expected a value, found none"),
    Spoiled(
        "coin_market_cap",
        quote(market_cap="1e30"),
        "market_cap: expected a number with at most 30 digits before the point, found 1e30",
    ),
)

TINY, HUGE = "0.000000000001", "1000000000000"
"""Prices that are odd and right."""
ODD_AND_RIGHT = (
    ("wallex", ticker(symbol="TINYTMN", base="TINY", price="1e-12")),
    ("wallex", ticker(symbol="HUGETMN", base="HUGE", price="1e12")),
)
