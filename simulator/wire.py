"""What travels between the server and a venue: requests, answers, and what a venue must be able to say."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

JSON = "application/json; charset=utf-8"


class Request(msgspec.Struct, frozen=True):
    """One request as the venue sees it: `path` is below the venue's base URL; header names are lower case."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class Answer(msgspec.Struct, frozen=True):
    """One answer of a venue."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)


Content = Callable[[Request, dt.datetime], Answer | None]
"""What a venue shows at a moment, keys and limits aside; None where it knows no such path."""


class Venue(Protocol):
    """One venue's own manners: its keys, limits, error bodies and rows."""

    def answer(self, request: Request, now: dt.datetime, content_at: dt.datetime) -> Answer:
        """Answer a request received at `now` with what the venue showed at `content_at` (earlier for a stale cache)."""

    def error(self, status: int | None, code: int | None, now: dt.datetime) -> Answer:
        """Answer with the venue's error body; a status or code of None is the usual one for the other."""

    def override(self, body: Any, row: str, fields: Mapping[str, Any]) -> bool:
        """Overwrite fields of one row of a decoded body; say whether the row was there."""

    def duplicate(self, body: Any, row: str) -> bool:
        """Repeat one row of a decoded body under the same symbol; say whether that could be done."""


def venue_time(moment: dt.datetime) -> str:
    """Write a moment as both venues do: RFC 3339 with milliseconds and Z."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
