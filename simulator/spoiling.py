"""How a fault changes an answer that is otherwise right, and how rows are overwritten: pure functions on bodies."""

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from simulator.faults import Fault, FaultKind, Injection
from simulator.wire import Answer, Venue

_HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
_NUMBER = re.compile(rb'("(?:price|24h_ch)":\s*)-?[0-9][0-9.eE+-]*')
_TEXT_AS_SENT = msgspec.json.Decoder(float_hook=Decimal)
_NUMBERS_AS_RECEIVED = msgspec.json.Encoder(decimal_format="number")

_STATUS = {FaultKind.RATE_LIMITED: 429, FaultKind.BANNED: 418}


class RowChange(Injection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Overwrite fields of one row (a symbol, or a CoinMarketCap id), or repeat the row, without editing code.

    `set` holds JSON values exactly as given: `1e-12` is sent as `1e-12`.
    """

    row: str
    set: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    duplicate: bool = False


def instead(fault: Fault, venue: Venue, now: dt.datetime) -> Answer | None:
    """Return the answer a fault gives in place of the venue's, None where the venue is asked all the same."""
    match fault.kind:
        case FaultKind.RATE_LIMITED | FaultKind.BANNED:
            answer = venue.error(_STATUS[fault.kind], fault.code, now)
        case FaultKind.ERROR:
            answer = venue.error(fault.status, fault.code, now)
        case FaultKind.ERROR_IN_200:
            answer = venue.error(200, fault.code, now)
        case FaultKind.SERVER_ERROR:
            answer = Answer(b"upstream connect error", status=fault.status or 503, content_type="text/plain")
        case FaultKind.HTML:
            answer = Answer(_HTML, status=fault.status or 200, content_type="text/html; charset=utf-8")
        case _:
            return None
    if fault.retry_after is None:
        return answer
    return msgspec.structs.replace(answer, headers={"Retry-After": str(fault.retry_after)})


def spoiled(fault: Fault, answer: Answer) -> Answer:
    """Change the body of a right answer as a fault demands."""
    if fault.kind is FaultKind.TRUNCATED:
        return msgspec.structs.replace(answer, body=answer.body[: len(answer.body) * 2 // 3])
    if fault.kind is FaultKind.NAN:
        return msgspec.structs.replace(answer, body=_NUMBER.sub(rb"\1NaN", answer.body, count=1))
    return answer


def changed(answer: Answer, changes: Sequence[RowChange], venue: Venue) -> Answer:
    """Overwrite and repeat rows of a JSON body; all other numbers keep their value to the last digit."""
    if not changes or answer.status != 200:
        return answer
    body: Any = _TEXT_AS_SENT.decode(answer.body)
    for change in changes:
        venue.override(body, change.row, change.set)
        if change.duplicate:
            venue.duplicate(body, change.row)
    return msgspec.structs.replace(answer, body=_NUMBERS_AS_RECEIVED.encode(body))
