"""CoinMarketCap's errors: codes, HTTP statuses, messages and the body that carries them."""

import datetime as dt

import msgspec

from simulator.wire import Answer, venue_time

ERRORS: dict[int, tuple[int, str]] = {
    400: (400, "Bad Request"),
    500: (500, "An internal server error occurred."),
    1001: (401, "This API Key is invalid."),
    1002: (401, "API key missing."),
    1003: (402, "Your API Key must be activated. Please go to pro.coinmarketcap.com/account/plan."),
    1004: (402, "Your API Key's subscription plan has expired."),
    1005: (403, "An API Key is required for this call."),
    1006: (403, "Your API Key subscription plan doesn't support this endpoint."),
    1007: (403, "This API Key has been disabled. Please contact support."),
    1008: (429, "You've exceeded your API Key's HTTP request rate limit. Rate limits reset every minute."),
    1009: (429, "You've exceeded your API Key's daily rate limit."),
    1010: (429, "You've exceeded your API Key's monthly rate limit."),
    1011: (429, "You've hit an IP rate limit."),
}
"""Error code -> HTTP status and message. The ends of 1009 and 1010 are not confirmed by a recording."""

USUAL_CODE = {400: 400, 401: 1001, 402: 1004, 403: 1006, 429: 1008}


def error_answer(status: int, code: int, message: str, now: dt.datetime) -> Answer:
    """Write an error body: a status without data, at no credit."""
    body = {
        "status": {
            "timestamp": venue_time(now),
            "error_code": code,
            "error_message": message,
            "elapsed": 10,
            "credit_count": 0,
        }
    }
    return Answer(msgspec.json.encode(body), status=status)
