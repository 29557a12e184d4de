"""What a running export prints, and how it is asked to end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from serve.export.exporter import Part

_ASKED = (signal.SIGINT, signal.SIGTERM)


def shown(part: Part) -> str:
    """Write what one wake did on a line.

    >>> shown(Part(messages=3, rejected=1, days={}))
    '3 messages, 1 rejected'
    """
    days = (
        f"{path.name}: {added.bars} bars closed, {added.posts} posts, {added.late} late, {added.size / 1000:,.0f} kB"
        for path, added in part.days.items()
    )
    rejected = f", {part.rejected} rejected" if part.rejected else ""
    return "; ".join([f"{part.messages} messages{rejected}", *days])


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set, so that what is being written is written to its end."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in _ASKED}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
