"""Faults on request: what may go wrong at a venue, for how long, and which of them strikes the next request."""

import datetime as dt
from collections.abc import Callable
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec

from contracts.errors import SettingsError


class FaultKind(StrEnum):
    """What goes wrong. Statuses, codes and times in brackets can be changed by the fault's fields."""

    RATE_LIMITED = "rate_limited"  # HTTP 429 with the venue's body; Retry-After where `retry_after` is given
    BANNED = "banned"  # HTTP 418, as RATE_LIMITED
    SERVER_ERROR = "server_error"  # HTTP [503] with a plain body
    ERROR = "error"  # the venue's own error for `code`, with the HTTP status that belongs to it
    ERROR_IN_200 = "error_in_200"  # HTTP 200 whose body carries the venue's error `code`
    HTML = "html"  # HTTP [200] with an HTML page
    TRUNCATED = "truncated"  # a whole HTTP answer whose JSON stops half way
    NAN = "nan"  # a JSON body with NaN in place of a number
    STALE = "stale"  # the answer of [600] simulated seconds ago
    SLOW = "slow"  # the right answer, [5] seconds of life late
    CUT = "cut"  # half the bytes that Content-Length promised, then the connection closes
    DISCONNECT = "disconnect"  # the connection closes with no answer
    SILENCE = "silence"  # the connection stays open and nothing comes

    # Of WebSocket streams; `count` is of frames that would be pushed, and their time is what is between the seconds.
    WS_DISCONNECT = "ws_disconnect"  # the connection breaks off without a word (1006) in place of a frame
    WS_SILENCE = "ws_silence"  # the connection pushes nothing any more; pings and acknowledgements go on
    WS_DROP = "ws_drop"  # a frame is not sent
    WS_DOUBLE = "ws_double"  # a frame is sent twice
    WS_REORDER = "ws_reorder"  # a frame is sent after one to [5] later ones
    SERVER_SHUTDOWN = "server_shutdown"  # the venue says that it goes down, and then closes the connection
    HALT = "halt"  # for `for_seconds` nothing is traded: no kline and no trade, neither pushed nor over REST


STREAM_KINDS = frozenset(kind for kind in FaultKind if kind.startswith("ws_")) | {FaultKind.SERVER_SHUTDOWN}
"""What strikes frames of a stream."""

REQUEST_KINDS = frozenset(FaultKind) - STREAM_KINDS - {FaultKind.HALT}
"""What strikes requests."""

_STREAMS = ("streams", ("binance", "binance_futures"))
_HALTS = ("halts", ("binance",))
"""What some kinds of fault need of a venue, and the venues that have it."""


class Injection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something put upon a venue: for `count` requests, or `for_seconds`, from `after_seconds` on.

    Seconds are of the simulated clock, counted from when it was asked for, or from the clock's start where that is
    later. With neither `count` nor `for_seconds` it strikes once.
    """

    venue: str
    count: int | None = None
    for_seconds: float | None = None
    after_seconds: float = 0


class Fault(Injection, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault asked for."""

    kind: FaultKind
    status: int | None = None
    code: int | None = None
    retry_after: int | str | None = None
    delay_seconds: float = 5
    age_seconds: float = 600
    window: int = 5

    def __post_init__(self) -> None:
        if self.kind not in REQUEST_KINDS:
            what, able = _HALTS if self.kind is FaultKind.HALT else _STREAMS
            if self.venue not in able:
                raise ValueError(f"{self.kind}: expected a venue with {what} ({', '.join(able)}), found {self.venue!r}")
        if self.kind is FaultKind.HALT and not self.for_seconds:
            raise ValueError("halt: expected for_seconds, found none")
        if self.window < 1:
            raise ValueError(f"window: expected 1 or more, found {self.window}")


T = TypeVar("T", bound=Injection)


class _Placed(Generic[T]):
    def __init__(self, injection: T, placed_at: dt.datetime) -> None:
        self.injection = injection
        self.placed_at = placed_at
        unlimited = injection.for_seconds is not None and injection.count is None
        self.left = None if unlimited else (1 if injection.count is None else injection.count)

    def active(self, now: dt.datetime, started: dt.datetime) -> bool:
        elapsed = (now - max(self.placed_at, started)).total_seconds() - self.injection.after_seconds
        if elapsed < 0 or self.left == 0:
            return False
        return self.injection.for_seconds is None or elapsed < self.injection.for_seconds


class Injections(Generic[T]):
    """What is put upon the venues at present, oldest first."""

    def __init__(self, on_place: Callable[[T, dt.datetime], None] = lambda *_: None) -> None:
        self._placed: list[_Placed[T]] = []
        self._on_place = on_place

    def place(self, injection: T, now: dt.datetime) -> None:
        """Put one more upon its venue."""
        self._placed.append(_Placed(injection, now))
        self._on_place(injection, now)

    def clear(self) -> None:
        """Take all of them away."""
        self._placed.clear()

    def pending(self) -> list[T]:
        """List what has not been used up."""
        return [placed.injection for placed in self._placed if placed.left != 0]

    def strike(self, venue: str, now: dt.datetime, started: dt.datetime) -> list[T]:
        """Return all that hold for a request now, and count the request off each."""
        struck = [p for p in self._placed if p.injection.venue == venue and p.active(now, started)]
        for placed in struck:
            _count_off(placed)
        return [placed.injection for placed in struck]

    def strike_first(
        self, venue: str, now: dt.datetime, started: dt.datetime, among: Callable[[T], bool] = lambda _: True
    ) -> T | None:
        """Return the oldest `among` them that holds for a request now, and count the request off that one alone."""
        for placed in self._placed:
            if placed.injection.venue == venue and placed.active(now, started) and among(placed.injection):
                _count_off(placed)
                return placed.injection
        return None


def _count_off(placed: "_Placed[T]") -> None:
    if placed.left is not None:
        placed.left -= 1


def parse_fault(text: str) -> Fault:
    """Read a fault from a command line.

    >>> parse_fault("wallex:server_error,count=3,status=502").status
    502

    Raises:
        SettingsError: the text does not say venue:kind, or a field is unknown or has no such value.
    """
    head, *pairs = text.split(",")
    venue, _, kind = head.partition(":")
    given = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    fields = {"venue": venue, "kind": kind} | given
    try:
        return msgspec.convert(fields, Fault, strict=False)
    except msgspec.ValidationError as error:
        kinds = ", ".join(FaultKind)
        raise SettingsError(
            f"fault {text!r}: expected venue:kind[,field=value...] with a kind of {kinds}, found: {error}"
        ) from error
