"""`python -m benchmarks.live_chart.clients`: many WebSocket clients in one process, and one that never reads."""

import asyncio
import socket
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

from benchmarks.live_engines.generator import SYMBOLS

OPEN_AT_ONCE = 50
STALLED_BYTES = 4096
"""What the kernel may hold for the client that never reads."""


class Point(msgspec.Struct, frozen=True):
    """What is kept of a point."""

    symbol: str
    end: int
    count: int
    event: int


class Frame(msgspec.Struct, frozen=True):
    """A message of the server; of most only the type is looked at."""

    type: str
    sent: int = 0
    points: list[Point] = []


class Heard(msgspec.Struct, frozen=True):
    """What one client has heard: of each window (by its end, ms) the greatest count, and what was told twice."""

    symbol: str
    windows: dict[int, int]
    repeated: int


class Told(msgspec.Struct, frozen=True):
    """What all clients have heard together. Latencies in ms: from the server's sending, and from the event."""

    clients: list[Heard]
    frames: int
    points: int
    received_after_sent: list[float]
    received_after_event: list[float]
    ended: dict[str, int]


_frame = msgspec.json.Decoder(Frame)


class Client:
    """Follows one symbol."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.windows: dict[int, int] = {}
        self.repeated = 0
        self.count_anew()

    def count_anew(self) -> None:
        """Count frames and time from now on."""
        self.frames = self.points = 0
        self.after_sent, self.after_event = array("d"), array("d")

    async def connect(self, session: ClientSession, url: str, at_once: asyncio.Semaphore) -> "asyncio.Task[str]":
        """Connect and subscribe; return the task that follows the symbol and says in the end why it ended."""
        async with at_once:
            connection = await session.ws_connect(url, max_msg_size=0)
            await connection.send_json({"type": "subscribe", "symbols": {self.symbol: None}})
            return asyncio.create_task(self._follow(connection))

    async def _follow(self, connection: ClientWebSocketResponse) -> str:
        async for message in connection:
            if message.type is not WSMsgType.TEXT:
                return str(message.type)
            now = time.time_ns() / 1e6
            frame = _frame.decode(message.data)
            self.frames += 1
            for point in frame.points:
                self._take(point)
            if frame.type == "points":
                self.after_sent.append(now - frame.sent)
                self.after_event.append(now - max(point.event for point in frame.points))
        return f"closed with {connection.close_code}"

    def _take(self, point: Point) -> None:
        self.points += 1
        before = self.windows.get(point.end, 0)
        self.repeated += point.count <= before
        self.windows[point.end] = max(before, point.count)


def stall(url: str) -> socket.socket:
    """Open a WebSocket, subscribe to everything, and never read from it."""
    parts = urlsplit(url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BYTES)
    raw.connect((parts.hostname, parts.port))
    raw.sendall(
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: c3RhbGxlZCBjbGllbnQuLg==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    payload = msgspec.json.encode({"type": "subscribe", "symbols": dict.fromkeys(SYMBOLS)})
    # A client's frame is masked (RFC 6455, 5.3); a mask of zeros leaves it as it is.
    raw.sendall(b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload)
    return raw


async def follow(url: str, count: int, seconds: float, opened: Path) -> Told:
    """Let so many clients follow the symbols in turn, beside one that stalls; write a file when all are connected."""
    clients = [Client(SYMBOLS[number % len(SYMBOLS)]) for number in range(count)]
    at_once = asyncio.Semaphore(OPEN_AT_ONCE)
    ended: Counter[str] = Counter()
    stalled = await asyncio.to_thread(stall, url)
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        tasks = await asyncio.gather(*(client.connect(session, url, at_once) for client in clients))
        for client in clients:
            client.count_anew()
        await asyncio.to_thread(opened.write_text, "all are connected\n")
        done, listening = await asyncio.wait(tasks, timeout=seconds)
        ended.update(task.result() if task.exception() is None else repr(task.exception()) for task in done)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    stalled.close()
    return Told(
        [Heard(client.symbol, client.windows, client.repeated) for client in clients],
        sum(client.frames for client in clients),
        sum(client.points for client in clients),
        [value for client in clients for value in client.after_sent],
        [value for client in clients for value in client.after_event],
        dict(ended),
    )


def run(
    url: Annotated[str, typer.Option(help="the server's WebSocket")],
    clients: Annotated[int, typer.Option(help="how many")],
    seconds: Annotated[float, typer.Option(help="for how long once all are connected")],
    opened: Annotated[Path, typer.Option(help="a file to write when all are connected")],
    out: Annotated[Path, typer.Option(help="the file for what they heard")],
) -> None:
    """Follow a server with many clients."""
    out.write_bytes(msgspec.msgpack.encode(asyncio.run(follow(url, clients, seconds, opened))))


def read_told(out: Path) -> Told:
    """Read back what the clients have heard."""
    return msgspec.msgpack.decode(out.read_bytes(), type=Told)


if __name__ == "__main__":
    typer.run(run)
