"""Who listens at a publisher's sockets, subscribers of each topic and workers, and the wait until they are there."""

from collections import Counter
from collections.abc import Iterable

import structlog
import zmq
from zmq.utils.monitor import recv_monitor_message

from contracts.errors import BrokerError
from contracts.frames import PRESENT, end_heard, subscription
from contracts.settings import TransportSettings
from contracts.streams import Stream
from ingest.clock import Clock

_JOINS, _LEAVES = b"\x01", b"\x00"
_LOOK_SECONDS = 0.01
_SETTLE_SECONDS = 0.1
"""The subscriptions of one consumer arrive one by one, in one go: after the first the others are waited for."""
_PROGRESS_SECONDS = 5.0
_READABLE = (zmq.POLLIN, zmq.POLLIN | zmq.POLLOUT)


class Peers:
    """Counts subscribers by what an XPUB socket tells of them, and workers by the connections of a PUSH socket."""

    def __init__(self, ticks: "zmq.Socket[bytes]", work: "zmq.Socket[bytes]") -> None:
        self._ticks = ticks
        # Else only the first subscription of a topic is told, and the end of the last one.
        self._ticks.setsockopt(zmq.XPUB_VERBOSER, 1)
        self._work = work
        self._connections = work.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        self._prefixes: Counter[bytes] = Counter()
        self._workers: set[int] = set()

    def listen(self) -> None:
        """Take up what has come and gone since the last call; a publisher calls it again and again."""
        while self._ticks.getsockopt(zmq.EVENTS) in _READABLE:
            told = self._ticks.recv(zmq.NOBLOCK)
            if told[:1] == _JOINS:
                self._prefixes[told[1:]] += 1
            elif told[:1] == _LEAVES:
                self._prefixes[told[1:]] -= 1
                self._prefixes += Counter()  # forgets those that nobody has any more
        while self._connections.getsockopt(zmq.EVENTS) in _READABLE:
            event = recv_monitor_message(self._connections, zmq.NOBLOCK)
            if event["event"] == zmq.EVENT_ACCEPTED:
                self._workers.add(event["value"])
            else:
                self._workers.discard(event["value"])

    def all_heard_the_end(self, run: bytes) -> bool:
        """Say whether all subscribers that tell of themselves have heard the end of a run."""
        return self._prefixes[end_heard(run)] >= self._prefixes[PRESENT]

    def count(self, stream: Stream) -> int:
        """Return how many subscribers a stream has, or how many workers."""
        if stream.work:
            return len(self._workers)
        head = subscription(stream.topic)
        return sum(count for prefix, count in self._prefixes.items() if head.startswith(prefix))

    def fewer_than(self, number: int, streams: Iterable[Stream]) -> list[str]:
        """Return the topics that have fewer peers than that."""
        return [stream.topic for stream in streams if self.count(stream) < number]

    def close(self) -> None:
        """Let go of the connection by which workers are watched."""
        self._work.disable_monitor()
        self._connections.close(0)


async def wait_for(peers: Peers, streams: Iterable[Stream], settings: TransportSettings, clock: Clock) -> None:
    """Return once each stream has as many subscribers, or workers, as the settings want.

    Raises:
        BrokerError: they did not come in time.
    """
    wanted, seconds, streams = settings.wait_for_subscribers, settings.wait_for_subscribers_seconds, list(streams)
    began, told = clock.monotonic(), float("-inf")
    peers.listen()
    while missing := peers.fewer_than(wanted, streams):
        now = clock.monotonic()
        if now - began > seconds:
            raise BrokerError(
                f"{settings.transport}: expected {wanted} consumers of each topic within {seconds:g} s, found fewer of "
                f"{', '.join(missing)}: start them, or set COINLAKE_WAIT_FOR_SUBSCRIBERS"
            )
        if now - told >= _PROGRESS_SECONDS:
            told = now
            structlog.get_logger().info(
                "waiting_for_subscribers", topics=",".join(missing), wanted=wanted, seconds=round(now - began)
            )
        await clock.sleep(_LOOK_SECONDS)
        peers.listen()
    if wanted:
        await clock.sleep(_SETTLE_SECONDS)
        peers.listen()
