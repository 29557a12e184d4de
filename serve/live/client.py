"""One client: what it wants, what it still has to be sent, and the sending of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from serve.live.clock import Clock
from serve.live.history import History
from serve.live.messages import heartbeat, history_frame, join_points, points_frame
from serve.live.metrics import Metrics
from serve.live.pending import Pending
from serve.live.points import Point
from serve.live.socket import Socket

_POINTS_A_FRAME = 500


@dataclass
class Shared:
    """What all clients of a server share. `round` counts the rounds of sending; `ready`: the history is complete."""

    history: History
    metrics: Metrics
    clock: Clock
    max_pending: int
    round: int = 0
    ready: bool = False


class Client:
    """Sends at once while the socket takes everything; else a task of its own waits for the socket, and nobody else."""

    def __init__(self, socket: Socket, shared: Shared) -> None:
        self.symbols: frozenset[str] = frozenset()
        self._socket = socket
        self._shared = shared
        self._pending = Pending(shared.max_pending)
        self._known: dict[str, int] = {}
        """Up to which sequences histories that were just sent have told: a round may bring the same points again."""
        self._known_in = 0
        self._sending: asyncio.Task[None] | None = None
        self._gone = False
        self._wrote = self._flowed = shared.clock.monotonic()

    def subscribe(self, symbols: Mapping[str, int | None]) -> None:
        """Send these symbols and no others from now on, first their histories after the sequences given."""
        self.symbols = frozenset(symbols)
        self._pending.restart(symbols)
        self._known.clear()
        self.send_pending()

    async def tell(self, points: list[Point], frame: bytes) -> None:
        """Send points of our symbols, all of them in the frame; keep them where the socket is full. Never waits."""
        if self._known:
            points = [point for point in points if point.sequence > self._known.get(point.symbol, -1)]
            if self._known_in < self._shared.round:  # later rounds bring only what came after this one began
                self._known.clear()
            frame = points_frame(join_points(points), int(self._shared.clock.wall_ms()))
        if self._gone or not points:
            return
        if self._pending or self._socket.full:
            self._shared.metrics.conflated("slow", self._pending.add(points))
            self.send_pending()
        else:
            await self.write(frame)
            self._shared.metrics.sent(len(points))

    async def write(self, frame: bytes) -> None:
        """Write a frame; to a client that is gone nothing is written."""
        if self._gone:
            return
        self._wrote = self._shared.clock.monotonic()
        if not self._socket.full:
            self._flowed = self._wrote
        try:
            await self._socket.write(frame)
        except ConnectionError:
            self._gone = True

    async def pong(self, payload: bytes) -> None:
        """Answer a ping, also where the socket is full: how many there are is bounded by what a client may send."""
        try:
            if not self._gone:
                await self._socket.pong(payload)
        except ConnectionError:
            self._gone = True

    async def beat(self, seconds: float) -> None:
        """Send a heartbeat where nothing else was sent for so long and nothing is about to be."""
        quiet = self._shared.clock.monotonic() - self._wrote
        if quiet >= seconds and self._sending is None and not self._socket.full:
            await self.write(heartbeat(int(self._shared.clock.wall_ms())))

    def stuck(self, seconds: float) -> bool:
        """Say whether the socket was full whenever we looked, for so long. Has to be asked now and then."""
        now = self._shared.clock.monotonic()
        if not self._socket.full:
            self._flowed = now
        return now - self._flowed >= seconds

    def cut_off(self) -> None:
        """Close the connection whatever waits."""
        self._gone = True
        self._socket.abort()

    def leave(self) -> None:
        """Stop sending: the connection is closed, or cut off where it would wait for a socket that is full."""
        self._gone = True
        if self._sending is not None:
            self._sending.cancel()
        if self._socket.full:
            self._socket.abort()

    def send_pending(self) -> None:
        """Start the task that sends what is pending, unless it runs, or the history is not complete yet."""
        if self._pending and self._sending is None and self._shared.ready and not self._gone:
            self._sending = asyncio.create_task(self._send_pending())

    async def _send_pending(self) -> None:
        try:
            while self._pending and not self._gone:
                await self._socket.drain()
                await self._send_next()
        except ConnectionError:
            self._gone = True
        finally:
            self._sending = None

    async def _send_next(self) -> None:
        now_ms = int(self._shared.clock.wall_ms())
        due = self._pending.next_history()
        if due is None:
            points = self._pending.next_points(_POINTS_A_FRAME)
            if points:  # else it has subscribed to nothing while the socket was full
                self._shared.metrics.sent(len(points))
                await self.write(points_frame(join_points(points), now_ms))
            return
        symbol, sequence = due
        answer = self._shared.history.since(symbol, sequence)
        self._known[symbol] = self._shared.history.heard(symbol)
        self._known_in = self._shared.round
        self._shared.metrics.history_sent(len(answer.points))
        await self.write(history_frame(symbol, join_points(answer.points), reset=answer.reset, sent_ms=now_ms))
