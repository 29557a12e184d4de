"""The messages of the live chart, as docs/live.md tells them: read strictly, written by joining what is encoded."""

from typing import Annotated

import msgspec

from contracts.errors import RecordError
from serve.live.points import Point

Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=1e14)]
Sequence = Annotated[int, msgspec.Meta(ge=0)]
Symbol = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class Sample(msgspec.Struct, frozen=True):
    """When a point happened, was in Kafka, was averaged, was sent and was on the screen."""

    event: Milliseconds
    broker: Milliseconds
    result: Milliseconds
    sent: Milliseconds
    painted: Milliseconds


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe"):
    """A client wants these symbols and no others: what came after a sequence, or for null all of the history."""

    symbols: dict[Symbol, Sequence | None]


class Painted(msgspec.Struct, frozen=True, tag="painted"):
    """A client reports what it has painted."""

    samples: Annotated[list[Sample], msgspec.Meta(max_length=100)]


FromClient = Subscribe | Painted
_DECODER: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The server's first message."""

    window_ms: int
    slide_ms: int
    history_ms: int
    heartbeat_ms: int
    time: int


class _Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    time: int


class _Error(msgspec.Struct, frozen=True, tag="error"):
    reason: str


def read_message(payload: bytes) -> FromClient:
    """Read a client's message.

    Raises:
        RecordError: it is not one of ours; the message says why.
    """
    try:
        return _DECODER.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordError(f"expected a message of docs/live.md, found: {error}") from None


def hello(message: Hello) -> bytes:
    """Write the first message."""
    return msgspec.json.encode(message)


def heartbeat(time_ms: int) -> bytes:
    """Write a heartbeat."""
    return msgspec.json.encode(_Heartbeat(time_ms))


def error(reason: str) -> bytes:
    """Write what was wrong."""
    return msgspec.json.encode(_Error(reason))


def join_points(points: list[Point]) -> bytes:
    """Join encoded points into what stands between the brackets of a list."""
    return b",".join([point.encoded for point in points])


def points_frame(joined: bytes, sent_ms: int) -> bytes:
    """Write new points, joined before, so that many clients share the work.

    >>> points_frame(b'{"count":1},{"count":2}', 7)
    b'{"type":"points","sent":7,"points":[{"count":1},{"count":2}]}'
    """
    return b'{"type":"points","sent":%d,"points":[%b]}' % (sent_ms, joined)


def history_frame(symbol: str, joined: bytes, *, reset: bool, sent_ms: int) -> bytes:
    """Write the history of a symbol."""
    return b'{"type":"history","symbol":%b,"reset":%b,"sent":%d,"points":[%b]}' % (
        msgspec.json.encode(symbol),
        b"true" if reset else b"false",
        sent_ms,
        joined,
    )
