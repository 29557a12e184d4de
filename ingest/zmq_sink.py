"""The ZeroMQ sink: ticks to everybody who listens now, work to one worker each; nothing is kept, nothing sent again."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import structlog
import zmq

from contracts.errors import StackError, UndeliveredError
from contracts.frames import RUN_BYTES, RUNS, Framed, Kind, pack
from contracts.records import encode
from contracts.settings import TransportSettings
from contracts.streams import INGEST_GAPS, INGEST_REJECTED, STREAMS, Stream, key_of
from contracts.transport import ZmqAddress
from ingest.clock import Clock
from ingest.sink import Poll
from ingest.zmq_peers import Peers, wait_for

_BEAT_SECONDS = 1.0
"""How often every topic is told how many records it has had."""
_LOOK_SECONDS = 0.01
_AGAIN_SECONDS = 0.02
_TOGETHER = 500
"""So many records are sent before others have their turn."""
_ON_REQUEST = frozenset({INGEST_GAPS, INGEST_REJECTED})
"""What a consumer of a venue's records may do without: it is not waited for."""


class ZmqSink:
    """Sink into ZeroMQ: an XPUB socket for ticks, a PUSH socket for work, both bound, both bounded.

    A subscriber that is as far behind as the high-water mark loses what comes then, and sees that by the sequence
    numbers; it never holds up the others. Work waits for a worker. A record counts as sent once ZeroMQ has it.
    """

    def __init__(self, address: ZmqAddress, settings: TransportSettings, clock: Clock) -> None:
        self._address = address
        self._settings = settings
        self._clock = clock
        self._run = clock.jitter.randbytes(RUN_BYTES)
        self._next = {RUNS: 0, **{stream.topic: 0 for stream in STREAMS}}
        self._ticks_of = [*(stream.topic for stream in STREAMS if not stream.work), RUNS]
        self._in_flight = 0
        self._behind: Counter[str] = Counter()
        self._beating: asyncio.Task[None] | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._ticks = self._context.socket(zmq.XPUB)
        self._ticks.setsockopt(zmq.XPUB_NODROP, 1)
        self._work = self._context.socket(zmq.PUSH)
        for socket in (self._ticks, self._work):
            socket.setsockopt(zmq.SNDHWM, settings.zmq_high_water_mark)
            socket.setsockopt(zmq.LINGER, round(settings.zmq_linger_seconds * 1000))
        self._peers = Peers(self._ticks, self._work)

    @property
    def run(self) -> str:
        """The name of this start of the publisher, which consumers see beside every sequence number."""
        return self._run.hex()

    @property
    def in_flight(self) -> int:
        """Count the records that ZeroMQ has not taken yet."""
        return self._in_flight

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        late = await self._close()
        if late and error is None:
            raise UndeliveredError(late, count=1)

    async def start(self, streams: Iterable[Stream]) -> None:
        """Bind, and wait until each topic has its subscribers: what is sent before somebody listens is lost.

        Raises:
            StackError: an address cannot be bound.
            BrokerError: they did not come in time.
        """
        for socket, endpoint in ((self._ticks, self._address.ticks), (self._work, self._address.work)):
            try:
                socket.bind(endpoint)
            except zmq.ZMQError as error:
                raise StackError(
                    f"{self._address}: expected an address of this machine with {endpoint} free, found: {error}"
                ) from None
        waited_for = [stream for stream in streams if stream not in _ON_REQUEST]
        await wait_for(self._peers, waited_for, self._settings, self._clock)
        self._beating = asyncio.create_task(self._beat())

    async def send_poll(self, poll: Poll) -> None:
        """Send every record of a poll and return when ZeroMQ has all of them.

        Raises:
            UndeliveredError: no worker took some of them in time.
        """
        count = sum(map(len, poll.values()))
        self._in_flight += count
        left, deadline = count, self._clock.monotonic() + self._settings.zmq_delivery_seconds
        try:
            for stream, records in poll.items():
                for record in records:
                    key, value = key_of(stream, record), encode(record)
                    while not self._sent(stream, key, value):
                        if self._clock.monotonic() > deadline:
                            raise UndeliveredError(
                                f"no worker at {self._address.work} took {left} of {count} records within "
                                f"{self._settings.zmq_delivery_seconds:g} s",
                                count=left,
                            )
                        await self._clock.sleep(_LOOK_SECONDS)
                    left -= 1
                    self._in_flight -= 1
                    if left % _TOGETHER == 0:
                        await asyncio.sleep(0)
        finally:
            self._in_flight -= left

    def _sent(self, stream: Stream, key: bytes, value: bytes) -> bool:
        """Send one record and count it; say whether it was taken."""
        number = self._next[stream.topic]
        frames = pack(Framed(stream.topic, self._run, number, Kind.RECORD, key, value))
        if stream.work:
            if not _taken(self._work, frames):
                return False
        else:
            self._publish(stream.topic, frames)
        self._next[stream.topic] = number + 1
        return True

    def _publish(self, topic: str, frames: list[bytes]) -> None:
        """Send to all that can take it; who cannot is passed over until it has read half of what waits for it."""
        if not _taken(self._ticks, frames):
            self._behind[topic] += 1
            self._ticks.setsockopt(zmq.XPUB_NODROP, 0)
            _taken(self._ticks, frames)
            self._ticks.setsockopt(zmq.XPUB_NODROP, 1)

    async def _beat(self) -> None:
        while True:
            self._peers.listen()
            for topic in self._ticks_of:
                self._publish(topic, self._count_of(topic, Kind.MARK))
            for topic, times in self._behind.items():
                structlog.get_logger().warning("subscriber_fell_behind", topic=topic, times=times)
            self._behind.clear()
            await self._clock.sleep(_BEAT_SECONDS)

    def _count_of(self, topic: str, kind: Kind) -> list[bytes]:
        return pack(Framed(topic, self._run, self._next[topic], kind))

    async def _close(self) -> str:
        """Say that this is the end, and wait until ZeroMQ has sent what it holds; return what went wrong."""
        deadline, heard = self._clock.monotonic() + self._settings.zmq_linger_seconds, True
        if self._beating is not None:
            self._beating.cancel()
            heard = await self._end_heard(deadline)
        left = max(_LOOK_SECONDS, deadline - self._clock.monotonic())
        self._peers.close()
        for socket in (self._ticks, self._work):
            socket.close(round(left * 1000))
        closing = self._clock.monotonic()
        await asyncio.to_thread(self._context.term)
        if heard and self._clock.monotonic() - closing < left:
            return ""
        return (
            f"{self._address}: expected all consumers to have taken what waits for them within "
            f"{self._settings.zmq_linger_seconds:g} s after the end, found that at least one has not"
        )

    async def _end_heard(self, deadline: float) -> bool:
        """Tell each topic its count until all know: who fell behind is passed over until it has read enough."""
        while True:
            for topic in self._ticks_of:
                _taken(self._ticks, self._count_of(topic, Kind.END))
            self._peers.listen()
            if (heard := self._peers.all_heard_the_end(self._run)) or self._clock.monotonic() >= deadline:
                return heard
            await asyncio.sleep(_AGAIN_SECONDS)


def _taken(socket: "zmq.Socket[bytes]", frames: list[bytes]) -> bool:
    try:
        socket.send_multipart(frames, zmq.NOBLOCK)
    except zmq.Again:
        return False
    return True
