"""Keep what is no record: raw, with the reason."""

import datetime as dt

from contracts.records import Rejected
from contracts.streams import Stream
from ingest.wire_json import dump

_LARGEST_PAYLOAD = 500_000
"""Bytes of a rejected payload that are kept: base64 makes it a third larger, and a Kafka message holds 1 MB."""


def reject(
    venue: str, stream: Stream, reason: str, raw: object, *, poll_time: dt.datetime, ingest_time: dt.datetime
) -> Rejected:
    """Build the Rejected of a row (a loaded JSON value) or of a whole answer (its text).

    Its event time is the poll's, and never ahead of the ingest time, or it would be rejected itself.
    """
    text = raw if type(raw) is str else dump(raw)
    payload = text.encode("utf-8", "backslashreplace")
    if len(payload) > _LARGEST_PAYLOAD:
        reason = f"{reason} (the first {_LARGEST_PAYLOAD} of {len(payload)} bytes are kept)"
    return Rejected(
        venue=venue,
        event_time=min(poll_time, ingest_time),
        ingest_time=ingest_time,
        stream=stream.topic,
        reason=reason,
        payload=payload[:_LARGEST_PAYLOAD],
    )
