"""Messages over ZeroMQ: ticks from a SUB socket, work from a PULL socket, and what was lost by their numbers."""

import time
from collections.abc import Callable, Mapping, Sequence

import structlog
import zmq

from contracts.errors import ExportError
from contracts.frames import PRESENT, RUN_BYTES, RUNS, Framed, Kind, end_heard, subscription, unpack
from contracts.settings import TransportSettings
from contracts.streams import Stream
from serve.export.feed import Lane, Lost, Message
from serve.export.positions import demand_lanes
from serve.export.sequences import Sequences

_MESSAGES = 1000
"""So many are handed out at once at most."""
_SILENT_SECONDS = 10.0
"""A publisher tells every second how many records there were; after so long without a word it is said to be silent."""
_QUIET_SECONDS = 1.0
_RECONNECT_MS = 100


class ZmqFeed:
    """Feed over ZeroMQ. A lane is a topic in one run of a publisher; an offset is a sequence number.

    There is no replay: what was sent before the connection is there, while we are away, or beyond the high-water mark
    is gone. Of ticks it is found out, by a number that jumps or by the count that the publisher tells each second. Of
    work it is not: the numbers that do not come are those that other workers have.
    """

    def __init__(
        self,
        settings: TransportSettings,
        streams: Sequence[Stream],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if (address := settings.zmq) is None:
            raise ExportError(f"expected a transport zmq://HOST:PORT, found {settings.transport}")
        self._address = address
        self._high_water_mark = settings.zmq_high_water_mark
        self._work = [stream.topic for stream in streams if stream.work]
        self._ticks = [*(stream.topic for stream in streams if not stream.work), RUNS]
        self._monotonic = monotonic
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._sockets: list[zmq.Socket[bytes]] = []
        self._sequences = Sequences({})
        self._ended: dict[str, bytes] = {}
        self._heard_at = 0.0

    def caught_up(self) -> bool:
        """Say whether a publisher has told that it is done, in each topic of ticks, and all that it sent was taken.

        Of work nobody is told the end: it counts as taken once nothing has come for a moment.
        """
        return self._has_ended() and (not self._work or self._monotonic() - self._heard_at > _QUIET_SECONDS)

    def _has_ended(self) -> bool:
        return len(self._ended) == len(self._ticks)

    def start(self, positions: Mapping[Lane, int]) -> None:
        """Connect; nobody needs to be there yet. What a lane has had since the position given for it is a loss.

        Nothing is sent again: a position says what was taken before, not what is to come.

        Raises:
            ExportError: the positions are those of another transport.
        """
        demand_lanes(positions, _is_run, "runs of a generator over ZeroMQ")
        self._sequences = Sequences(positions)
        self._heard_at = self._monotonic()
        ticks = self._socket(zmq.SUB)
        for prefix in (PRESENT, *map(subscription, self._ticks)):
            ticks.setsockopt(zmq.SUBSCRIBE, prefix)
        ticks.connect(self._address.ticks)
        if self._work:
            self._socket(zmq.PULL).connect(self._address.work)

    def _socket(self, kind: int) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.RCVHWM, self._high_water_mark)
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        socket.setsockopt(zmq.LINGER, 0)
        self._sockets.append(socket)
        self._poller.register(socket, zmq.POLLIN)
        return socket

    def take(self, wait: float) -> Sequence[Message]:
        """Return what has arrived, at the latest after `wait` seconds.

        Raises:
            RecordError: something else than our publisher is there.
        """
        messages: list[Message] = []
        deadline = self._monotonic() + wait
        while not messages and (left := deadline - self._monotonic()) >= 0:
            for socket, _ in self._poller.poll(round(left * 1000)):
                self._drain(socket, messages)
            self._note_silence()
            if not left:
                break
        return messages

    def _drain(self, socket: "zmq.Socket[bytes]", messages: list[Message]) -> None:
        for _ in range(_MESSAGES):
            try:
                framed = unpack(socket.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            self._heard_at = self._monotonic()
            if (message := self._told(framed)) is not None:
                messages.append(message)

    def _told(self, framed: Framed) -> Message | None:
        lane = Lane(framed.topic, framed.run.hex())
        if framed.topic in self._work:
            return Message(lane, framed.sequence, framed.value)
        if framed.kind is Kind.END:
            self._end(framed)
        else:
            self._ended.pop(framed.topic, None)
        if framed.kind is Kind.RECORD:
            new = self._sequences.arrived(lane, framed.sequence)
            return Message(lane, framed.sequence, framed.value) if new else None
        self._sequences.sent(lane, framed.sequence)
        return None

    def _end(self, framed: Framed) -> None:
        """Take up that a topic has ended; once all of one run have, its publisher is told that we know."""
        if self._ended.get(framed.topic) == framed.run:
            return
        self._ended[framed.topic] = framed.run
        if self._has_ended() and set(self._ended.values()) == {framed.run}:
            self._sockets[0].setsockopt(zmq.SUBSCRIBE, end_heard(framed.run))

    def _note_silence(self) -> None:
        if self._monotonic() - self._heard_at > _SILENT_SECONDS:
            self._heard_at = self._monotonic()
            structlog.get_logger().warning("publisher_silent", address=str(self._address), seconds=_SILENT_SECONDS)

    def losses(self) -> Sequence[Lost]:
        """Return which ticks were found missing since the last call."""
        return self._sequences.losses()

    def close(self) -> None:
        """Let go of the connection; what waits and was not taken is lost."""
        for socket in self._sockets:
            self._poller.unregister(socket)
            socket.close()
        self._sockets.clear()
        self._context.term()


def _is_run(name: str) -> bool:
    return len(name) == 2 * RUN_BYTES
