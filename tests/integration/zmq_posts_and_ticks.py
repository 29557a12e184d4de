"""Numbered records, free ports, and a feed that is drained in a thread, for the tests over ZeroMQ's sockets."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from benchmarks.transports.ports import free_pair
from contracts.settings import TransportSettings
from contracts.streams import Stream
from ingest.clock import Clock
from ingest.zmq_sink import ZmqSink
from serve.export.feed import Lost, Message
from serve.export.zmq_feed import ZmqFeed
from tests.unit.contracts.test_posts import post
from tests.unit.serve.export.messages import ticker


def transport(**values: Any) -> TransportSettings:
    """Settings with two free ports side by side, and little patience."""
    given = {"wait_for_subscribers_seconds": 20, "zmq_linger_seconds": 5, "zmq_delivery_seconds": 5, **values}
    return TransportSettings(_env_file=None, transport=f"zmq://127.0.0.1:{free_pair()}", **given)


def ticks(numbers: Iterable[int]) -> list[Any]:
    return [ticker(str(number + 1), number) for number in numbers]


def posts(numbers: Iterable[int]) -> list[Any]:
    return [post(post_id=str(number)) for number in numbers]


def prices(messages: Sequence[Message]) -> list[int]:
    """Return the numbers by which `ticks` made these messages."""
    return [int(json.loads(message.value)["price"]) - 1 for message in messages if message.lane.topic == "wallex"]


def ids(messages: Sequence[Message]) -> list[int]:
    """Return the numbers by which `posts` made these messages."""
    return [int(json.loads(message.value)["post_id"]) for message in messages if message.lane.topic == "bitcoin"]


class Reading:
    """A feed in a thread: takes until told to stop, or until the run has ended."""

    def __init__(self, settings: TransportSettings, *streams: Stream, nap: Callable[[], bool] = lambda: False) -> None:
        self.messages: list[Message] = []
        self.lost: list[Lost] = []
        self._feed = ZmqFeed(settings, streams)
        self._nap = nap
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reading")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stop.set()
        self.finish()

    def finish(self) -> None:
        """Wait until the run has ended and all was read."""
        self._thread.join(30)
        self._stop.set()
        self._thread.join()

    def stop(self) -> None:
        """Leave, whatever waits."""
        self._stop.set()
        self._thread.join()

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 120
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"expected {count} messages, found {len(self.messages)}"
            time.sleep(0.005)

    def _run(self) -> None:
        self._feed.start({})
        while not self._stop.is_set():
            if self._nap():
                time.sleep(0.01)
                continue
            taken = self._feed.take(0.05)
            self.messages += taken
            self.lost += self._feed.losses()
            if not taken and self._feed.caught_up():
                break
        self._feed.close()


def sink_of(settings: TransportSettings) -> ZmqSink:
    assert settings.zmq is not None
    return ZmqSink(settings.zmq, settings, Clock())


async def publish(settings: TransportSettings, *polls: dict[Stream, list[object]]) -> str:
    """Send polls in one run, and return its name."""
    async with sink_of(settings) as sink:
        await sink.start({stream: None for poll in polls for stream in poll})
        for poll in polls:
            await sink.send_poll(poll)  # type: ignore[arg-type]
    return sink.run


def missing(reading: Reading) -> list[int]:
    return [number for lost in reading.lost for number in range(lost.offset, lost.next_offset)]
