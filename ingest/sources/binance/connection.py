"""One connection to the combined streams and its successors: what is pushed goes into a queue, without a hole.

A connection lives 24 hours at most, and less where the venue says `serverShutdown`. Before that a second one is
opened beside it, and takes over once it delivers; what both deliver comes twice, which is the reader's to drop.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import aiohttp
import structlog

from contracts.errors import TransientSourceError
from ingest.backoff import waits
from ingest.clock import Clock
from ingest.http import origin_of
from ingest.web_socket import Connect
from ingest.weight import WeightBudget
from ingest.wire_json import Members, NumberText, load, show

MOST_STREAMS = 1000
"""Streams of one connection; the venue allows 1,024."""

ATTEMPTS_PER_MINUTE = 55
"""Attempts to connect; the venue allows 300 in 5 minutes."""

_LONGEST_URL = 3500
_STREAMS_A_MESSAGE = 100
_SECONDS_BETWEEN_MESSAGES = 0.3
"""Four messages a second at most, and one left for a pong: the venue allows five."""

_SHUTDOWN = "serverShutdown"


@dataclass(frozen=True)
class Frame:
    """One pushed payload and the stream it came on; `stream` is empty where the message is none we know."""

    stream: str
    data: object


@dataclass(frozen=True)
class Patience:
    """How long a connection lives and how long it may say nothing, in seconds of the wall clock.

    A stream that pushes nothing for `silence_seconds` is asked about over REST: a market may be quiet, or halted.
    A connection is lost when not even the venue's pings, one every 20 s (futures: 3 min), come for `ping_seconds`.
    """

    silence_seconds: float
    ping_seconds: float = 60
    life_seconds: float = (23 * 60 + 50) * 60
    ack_seconds: float = 10
    linger_seconds: float = 1
    """How long the old connection is still read after the new one delivers."""


class _Link:
    """One WebSocket, read by a task of its own."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, origin: str) -> None:
        self.socket = socket
        self.origin = origin
        self.delivered = asyncio.Event()
        self.leaving = asyncio.Event()
        self.answers: dict[str, asyncio.Future[Members]] = {}
        self.reading: asyncio.Task[None]

    def lost(self, found: str, kind: str) -> TransientSourceError:
        """Build the error of a connection that cannot go on."""
        return TransientSourceError(f"{self.origin}: expected pushes, found {found}", kind=kind)


class Connection:
    """Keeps `streams` (at most 1,000) flowing into `frames`, which is bounded: a slow reader slows the socket.

    `opened` says whether the first connection was made and all streams were asked for on it.
    """

    def __init__(
        self,
        connect: Connect,
        base_url: str,
        streams: Sequence[str],
        frames: "asyncio.Queue[Frame]",
        *,
        patience: Patience,
        attempts: WeightBudget,
        clock: Clock,
        venue: str,
    ) -> None:
        self.opened = False
        self._connect = connect
        self._base_url = base_url
        self._streams = list(streams)
        self._frames = frames
        self._patience = patience
        self._attempts = attempts
        self._clock = clock
        self._log = structlog.get_logger().bind(venue=venue)

    async def run(self) -> None:
        """Connect, and hand over to new connections, until the connection is lost.

        Raises:
            TransientSourceError: always in the end.
        """
        links: list[_Link] = []
        try:
            link = await self._open(links)
            while True:
                await self._until_it_should_go(link)
                link = await self._hand_over(link, links)
        finally:
            for opened in links:
                await _close(opened)

    async def _until_it_should_go(self, link: _Link) -> None:
        leaving = asyncio.ensure_future(link.leaving.wait())
        try:
            await asyncio.wait(
                {link.reading, leaving}, timeout=self._patience.life_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            leaving.cancel()
        if link.reading.done():
            link.reading.result()

    async def _hand_over(self, old: _Link, links: list[_Link]) -> _Link:
        """Open a second connection while the first is read, and close the first once the second delivers.

        Raises:
            TransientSourceError: the first ended before the second was open, which is a hole between the two.
        """
        self._log.info("connection_handover", because=_SHUTDOWN if old.leaving.is_set() else "age")
        backoff = waits(self._clock.jitter, first=0.5, longest=30)
        while True:
            try:
                new = await self._open(links)
                if old.reading.done():
                    old.reading.result()
                delivered = asyncio.ensure_future(new.delivered.wait())
                await asyncio.wait({delivered, new.reading}, return_when=asyncio.FIRST_COMPLETED)
                delivered.cancel()
                if not new.reading.done():
                    break
                new.reading.result()
            except TransientSourceError as error:
                self._log.warning("handover_failed", kind=error.kind, error=str(error))
                for failed in [link for link in links if link is not old]:
                    await _close(failed)
                    links.remove(failed)
                if old.reading.done():
                    raise
                await self._clock.sleep(max(next(backoff), error.retry_after or 0))
        await asyncio.wait({old.reading}, timeout=self._patience.linger_seconds)
        await _close(old)
        links.remove(old)
        return new

    async def _open(self, links: list[_Link]) -> _Link:
        while wait := self._attempts.take(1):
            await self._clock.sleep(wait)
        named = f"{self._base_url}/stream?streams={'/'.join(self._streams)}"
        by_url = len(named) <= _LONGEST_URL
        url = named if by_url else f"{self._base_url}/stream"
        link = _Link(await self._connect(url), origin_of(url))
        link.reading = asyncio.create_task(self._read(link))
        links.append(link)
        if not by_url:
            await self._subscribe(link)
        self.opened = True
        self._log.info("connected", origin=link.origin, streams=len(self._streams))
        return link

    async def _subscribe(self, link: _Link) -> None:
        numbers: Iterator[int] = itertools.count(1)
        for start in range(0, len(self._streams), _STREAMS_A_MESSAGE):
            chunk, number = self._streams[start : start + _STREAMS_A_MESSAGE], str(next(numbers))
            answered = link.answers[number] = asyncio.get_running_loop().create_future()
            sent = self._clock.monotonic()
            try:
                await link.socket.send_str(json.dumps({"method": "SUBSCRIBE", "params": chunk, "id": int(number)}))
            except (aiohttp.ClientError, OSError):
                raise link.lost("a closed connection", "closed") from None
            await asyncio.wait(
                {answered, link.reading}, timeout=self._patience.ack_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if link.reading.done():
                link.reading.result()
            if not answered.done():
                raise link.lost(f"no answer to SUBSCRIBE within {self._patience.ack_seconds:g} s", "subscribe")
            said = answered.result()
            if "result" not in said or said["result"] is not None:
                raise link.lost(f"{show(said)} in answer to SUBSCRIBE", "subscribe")
            await self._clock.sleep(max(0.0, sent + _SECONDS_BETWEEN_MESSAGES - self._clock.monotonic()))

    async def _read(self, link: _Link) -> None:
        while True:
            try:
                async with asyncio.timeout(self._patience.ping_seconds):
                    message = await link.socket.receive()
            except TimeoutError:
                raise link.lost(f"nothing for {self._patience.ping_seconds:g} s", "silent") from None
            if message.type is aiohttp.WSMsgType.PING:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    await link.socket.pong(message.data)
            elif message.type is aiohttp.WSMsgType.PONG:
                continue
            elif message.type is aiohttp.WSMsgType.TEXT:
                await self._take(link, message.data)
            elif message.type is aiohttp.WSMsgType.ERROR:
                raise link.lost(f"a broken connection ({type(link.socket.exception()).__name__})", "closed")
            elif message.type is aiohttp.WSMsgType.BINARY:
                await self._frames.put(Frame("", f"{len(message.data)} bytes of no text"))
            else:
                raise link.lost(f"a closed connection (code {link.socket.close_code})", "closed")

    async def _take(self, link: _Link, text: str) -> None:
        try:
            document = load(text)
        except TransientSourceError:
            document = text
        if isinstance(document, Members):
            stream, data = document.get("stream"), document.get("data", document)
            if isinstance(data, Members) and data.get("e") == _SHUTDOWN:
                link.leaving.set()
                return
            if "data" not in document and ("id" in document or "code" in document or "error" in document):
                self._answered(link, document)
                return
            if isinstance(stream, str):
                link.delivered.set()
                await self._frames.put(Frame(stream, data))
                return
        await self._frames.put(Frame("", document))

    def _answered(self, link: _Link, document: Members) -> None:
        """Give an answer to whoever waits for it; an error may come without an id: it is the oldest one's."""
        number = document.get("id")
        key = (
            str(number)
            if isinstance(number, NumberText)
            else next((waiting for waiting, answer in link.answers.items() if not answer.done()), "")
        )
        if key in link.answers and not link.answers[key].done():
            link.answers[key].set_result(document)


async def _close(link: _Link) -> None:
    """Read a link no more, and close it, whatever state it is in."""
    link.reading.cancel()
    await asyncio.wait({link.reading})
    if not link.reading.cancelled():
        link.reading.exception()
    with contextlib.suppress(aiohttp.ClientError, OSError):
        await link.socket.close()
