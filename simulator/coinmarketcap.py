"""CoinMarketCap's protocol: keys, credits, error bodies, and where its bodies keep rows and times.

Source of the rules: the official SDK (OpenCMC/coinmarketcap-api-python, 2026-08) and the public documentation.
"""

import datetime as dt
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from simulator.accounts import Accounts, Plan
from simulator.coinmarketcap_errors import ERRORS, USUAL_CODE, error_answer
from simulator.wire import Answer, Content, Request, venue_time

_KEY_HEADER, KEY_QUERY = "x-cmc_pro_api_key", "CMC_PRO_API_KEY"

_TIME = re.compile(
    rb'("(?:last_updated|timestamp)":\s*")([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z)(")'
)


class CoinMarketCap:
    """The venue in front of its content: it checks the key, counts credits and words the errors."""

    def __init__(self, content: Content, plan: Plan) -> None:
        self._content = content
        self._accounts = Accounts(plan)

    def answer(self, request: Request, now: dt.datetime, content_at: dt.datetime) -> Answer:
        """Answer a key that is let in, and charge it for what is served."""
        key = request.headers.get(_KEY_HEADER) or request.query.get(KEY_QUERY) or ""
        refusal = self._accounts.admit(key, now)
        if refusal is not None:
            return self.error(None, refusal, now)
        answer = self._content(request, content_at)
        if answer is None:
            # The gateway answers an unknown path itself, in its own shape; not confirmed by a recording.
            body = msgspec.json.encode({"statusCode": 404, "error": "Not Found", "message": "Not Found"})
            return Answer(body, status=HTTPStatus.NOT_FOUND)
        if answer.status == HTTPStatus.OK:
            self._accounts.spend(key, _credit_count(answer.body), now)
        return answer

    def error(self, status: int | None, code: int | None, now: dt.datetime) -> Answer:
        """Answer with the venue's error body; see `ERRORS`."""
        code = USUAL_CODE.get(status or 500, 500) if code is None else code
        usual_status, message = ERRORS.get(code, ERRORS[500])
        return error_answer(usual_status if status is None else status, code, message, now)

    def override(self, body: Any, row: str, fields: Mapping[str, Any]) -> bool:
        """Overwrite fields of every coin of a symbol or id, in its quotes where they are there."""
        found = _rows(body, row)
        for coin in found:
            for name, value in fields.items():
                places = _places(coin, name)
                for place in places:
                    place[name] = value
        return bool(found)

    def duplicate(self, body: Any, row: str) -> bool:
        """Repeat the coins of a symbol or id at the end of a listing."""
        found = _rows(body, row)
        if isinstance(body["data"], list):
            body["data"].extend(msgspec.json.decode(msgspec.json.encode(coin)) for coin in found)
            return bool(found)
        return False


def _rows(body: Any, row: str) -> list[dict[str, Any]]:
    """Find the coins of a decoded body whose symbol or id is `row`."""
    data = body.get("data") if isinstance(body, dict) else None
    values = data.values() if isinstance(data, dict) else data or []
    coins = [coin for value in values for coin in (value if isinstance(value, list) else [value])]
    return [coin for coin in coins if row in (coin["symbol"], str(coin["id"]))]


def _places(coin: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Find the objects of a coin that carry a field: the quotes, the coin itself, or (`last_updated`) both."""
    quotes = coin["quote"].values() if isinstance(coin["quote"], dict) else coin["quote"]
    return [place for place in (*quotes, coin) if name in place] or [coin]


def shift_body(body: bytes, by: dt.timedelta) -> bytes:
    """Move every `last_updated` and `timestamp` of a body; other dates are facts about the coin and stay."""

    def moved(match: re.Match[bytes]) -> bytes:
        moment = dt.datetime.fromisoformat(match[2].decode())
        return match[1] + venue_time(moment + by).encode() + match[3]

    return _TIME.sub(moved, body)


class _Status(msgspec.Struct):
    credit_count: int


class _Body(msgspec.Struct):
    status: _Status


def _credit_count(body: bytes) -> int:
    try:
        return msgspec.json.decode(body, type=_Body).status.credit_count
    except msgspec.MsgspecError:
        return 1
