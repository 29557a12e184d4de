"""The one place where the setting chooses by what records leave: Kafka, or ZeroMQ."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, Self

import structlog

from contracts.records import Gap, Record
from contracts.settings import KafkaSettings, TransportSettings
from contracts.streams import Stream
from ingest.clock import Clock
from ingest.gaps import PollSeen
from ingest.kafka_sink import KafkaSink
from ingest.kafka_tail import KafkaTail
from ingest.sink import Sink, Tail
from ingest.zmq_sink import ZmqSink


class OpenSink(Sink, AbstractAsyncContextManager["OpenSink"], Protocol):
    """A sink with a connection of its own, which ends with its context."""

    async def __aenter__(self) -> Self:
        """Return itself."""

    async def start(self, streams: Iterable[Stream]) -> None:
        """Make sure that records of these streams can be sent.

        Raises:
            StackError, BrokerError, TopicError: they cannot.
        """


class NoTail:
    """A Tail of a transport that keeps nothing: every start is a first start."""

    async def newest_polls(self, venue: str, stream: Stream) -> Sequence[PollSeen]:
        """Return nothing."""
        return ()

    async def gaps(self, venue: str, stream: Stream) -> Sequence[Gap]:
        """Return nothing."""
        return ()

    async def newest_records(self, venue: str, stream: Stream, symbols: Sequence[str]) -> Sequence[Record]:
        """Return nothing."""
        return ()

    async def names(self, venue: str, stream: Stream, name: Callable[[Record], bytes]) -> set[bytes]:
        """Return nothing."""
        return set()


def sink_of(transport: TransportSettings, kafka: KafkaSettings, clock: Clock) -> OpenSink:
    """Return the sink that the setting names."""
    if (address := transport.zmq) is None:
        return KafkaSink(kafka.kafka_bootstrap_servers)
    return ZmqSink(address, transport, clock)


def tail_of(transport: TransportSettings, kafka: KafkaSettings) -> Tail:
    """Return the tail that goes with the sink; of ZeroMQ it is empty, and that is logged."""
    if transport.zmq is None:
        return KafkaTail(kafka.kafka_bootstrap_servers)
    structlog.get_logger().info("nothing_to_resume", transport=transport.transport, reason="ZeroMQ keeps nothing")
    return NoTail()


async def unless_stopped(start: Coroutine[object, object, None], stop: asyncio.Event) -> bool:
    """Wait for a start, and give it up where a stop is asked first; say whether it came to its end.

    Raises:
        CoinlakeError: what the start raises.
    """
    starting, stopping = asyncio.create_task(start), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        starting.result()
        return True
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
