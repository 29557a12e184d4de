"""What a message looks like on ZeroMQ's wire: four frames, of which the first is what subscribers filter by.

1. the topic and a zero byte, so that a subscriber of `alt_liquidations` is not sent what is of a topic whose name only
   begins so;
2. the place, 17 bytes in network order: run (8 bytes), sequence number (8), kind (1);
3. the key, as in Kafka;
4. the value, wire JSON as in Kafka.

A run is one start of one publisher. Sequence numbers count the records of one topic in one run from 0, without a hole:
where a subscriber sees one, messages were lost. So that the loss of the last ones is seen too, marks and ends carry the
number of the record that would come next; they have no key and no value.

A subscription is all that travels from a subscriber to a publisher. So ours subscribe to two prefixes that no message
has: PRESENT as long as they are there, and `end_heard(run)` once each of their topics was told its end.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from contracts.errors import RecordError

RUN_BYTES = 8
RUNS = "runs"
"""A topic without records, for marks and ends alone: who takes work only hears by it that a run has ended."""
PRESENT = b"\0present"
_END_HEARD = b"\0end heard "
_END_OF_TOPIC = b"\0"
_PLACE = struct.Struct("!8sQB")
_FRAMES = 4


class Kind(IntEnum):
    """What a message is."""

    RECORD = 0
    MARK = 1
    """So many records were sent until now."""
    END = 2
    """So many were sent in all, and no more will be."""


class Framed(NamedTuple):
    """One message: of a mark or an end `sequence` is the number that the next record has, or would have had."""

    topic: str
    run: bytes
    sequence: int
    kind: Kind
    key: bytes = b""
    value: bytes = b""


def subscription(topic: str) -> bytes:
    """Return the prefix that all messages of a topic have, and none of any other.

    >>> subscription("wallex")
    b'wallex\\x00'
    """
    return topic.encode() + _END_OF_TOPIC


def end_heard(run: bytes) -> bytes:
    """Return what a subscriber that has heard the end of a run subscribes to."""
    return _END_HEARD + run


def pack(message: Framed) -> list[bytes]:
    """Write a message as frames; the topic has no zero byte in it, the run is 8 bytes."""
    place = _PLACE.pack(message.run, message.sequence, message.kind)
    return [subscription(message.topic), place, message.key, message.value]


def unpack(frames: Sequence[bytes]) -> Framed:
    """Read a message.

    Raises:
        RecordError: the frames are no message of ours.
    """
    if len(frames) != _FRAMES:
        raise RecordError(f"expected {_FRAMES} frames: topic, place, key and value, found {len(frames)}")
    head, place, key, value = frames
    if not head.endswith(_END_OF_TOPIC) or len(place) != _PLACE.size or place[-1] not in tuple(Kind):
        raise RecordError(
            f"expected a topic that ends with a zero byte and a place of {_PLACE.size} bytes, found {head[:64]!r} and"
            f" {place[:64]!r}"
        )
    run, sequence, kind = _PLACE.unpack(place)
    try:
        return Framed(head[:-1].decode(), run, sequence, Kind(kind), key, value)
    except UnicodeDecodeError:
        raise RecordError(f"expected a topic in UTF-8, found {head[:64]!r}") from None
