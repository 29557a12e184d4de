"""The WebSocket side: connections, control messages, pings, the life of a connection, and what goes wrong on it."""

import asyncio
import heapq
import json
import random
import re
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from simulator.binance.frames import Frame, Push, in_microseconds, pushes_of
from simulator.binance.limits import (
    CONNECTION_WINDOW_SECONDS,
    CONNECTIONS_PER_WINDOW,
    MESSAGES_PER_SECOND,
    STREAMS_PER_CONNECTION,
    Rate,
    Tally,
)
from simulator.binance.rest import epoch_ms
from simulator.binance.tape import Tape
from simulator.clock import SimulatedClock

TICK_SECONDS = 0.02
_CLOSE_SECONDS = 1.0
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class StreamRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The times of a connection in seconds of life, and what goes wrong on it by chance.

    `updates` is how often at most an open kline is pushed. Of every frame, `drop`, `double` and `reorder` are the
    chances to be left out, sent twice, or sent after up to five later ones; `disconnect` is that of the connection to
    break off (1006) before it. `silent_after` frames a connection pushes nothing more, though its pings go on;
    the first `silent_connections` do so. All depend on `seed` and the order of connections alone.
    """

    ping_seconds: float = 20
    pong_seconds: float = 60
    life_seconds: float = 24 * 3600
    notice_seconds: float = 10
    updates: int = 29
    seed: int = 1
    drop: float = 0
    double: float = 0
    reorder: float = 0
    disconnect: float = 0
    silent_connections: int = 0
    silent_after: int = 0


class Streams:
    """All connections to one venue."""

    def __init__(self, tape: Tape, tally: Tally, clock: SimulatedClock, rules: StreamRules) -> None:
        self._tape = tape
        self._tally = tally
        self._clock = clock
        self._rules = rules
        self._opened = 0
        self._attempts = Rate(CONNECTION_WINDOW_SECONDS)
        self._running: set[Connection] = set()

    def routes(self, venue: str) -> list[web.RouteDef]:
        """List the routes below the venue's prefix."""
        return [
            web.get(f"/{venue}/ws", self._serve),
            web.get(f"/{venue}/ws/{{streams:.*}}", self._serve),
            web.get(f"/{venue}/stream", self._serve),
        ]

    def break_off(self) -> None:
        """Break every connection off without a word (1006)."""
        for connection in list(self._running):
            connection.break_off()

    def announce_shutdown(self) -> None:
        """Tell every client that the server goes down, and close after the notice."""
        for connection in list(self._running):
            connection.shut_down()

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        count = self._attempts.count(loop.time())
        self._tally.most_connections_per_window = max(self._tally.most_connections_per_window, count)
        if count > CONNECTIONS_PER_WINDOW:
            self._tally.connections_refused += 1
            return web.Response(status=429)
        combined = http.path.endswith("/stream")
        named = http.query.get("streams", "") if combined else http.match_info.get("streams", "")
        names = [name for name in named.split("/") if name]
        if len(names) > STREAMS_PER_CONNECTION:
            self._tally.stream_breaches += 1
            return web.Response(status=400)
        self._tally.connections += 1
        self._opened += 1
        self._clock.start()
        socket = web.WebSocketResponse(autoping=False, compress=False, timeout=_CLOSE_SECONDS)
        await socket.prepare(http)
        micro = http.query.get("timeUnit", "").upper() == "MICROSECOND"
        world = (self._tape, self._tally, self._clock, self._rules)
        connection = Connection(socket, http, *world, self._opened, combined=combined, micro=micro)
        connection.subscribe(names)
        self._running.add(connection)
        try:
            await connection.run()
        finally:
            self._running.discard(connection)
        return socket


class Connection:
    """One client's connection."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        http: web.Request,
        tape: Tape,
        tally: Tally,
        clock: SimulatedClock,
        rules: StreamRules,
        number: int,
        *,
        combined: bool,
        micro: bool,
    ) -> None:
        self._socket = socket
        self._http = http
        self._tape = tape
        self._tally = tally
        self._clock = clock
        self._rules = rules
        self._random = random.Random(f"{rules.seed}:{number}")
        self._combined = combined
        self._micro = micro
        self._pushes: dict[str, Push | None] = {}
        self._sent = 0
        self._silent = number <= rules.silent_connections
        self._held: list[tuple[int, Frame]] = []
        self._incoming = Rate(1.0)
        self._pong_due: float | None = None
        self._shutdown = asyncio.Event()

    def subscribe(self, names: Iterable[str]) -> None:
        """Push these streams from now on; one that nobody bears is silent."""
        for name in names:
            self._pushes[name] = pushes_of(name, self._tape, self._rules.updates)

    def break_off(self) -> None:
        """Close the transport without a close frame."""
        if self._http.transport is not None:
            self._http.transport.abort()

    def shut_down(self) -> None:
        """Send the notice of a shutdown, then close."""
        self._shutdown.set()

    async def run(self) -> None:
        """Serve the connection to its end."""
        async with _side_by_side(self._push(), self._ping(), self._end_of_life()):
            await self._listen()
        with suppress(ConnectionError, RuntimeError):
            await self._socket.close(code=WSCloseCode.OK)

    # --- what the client says -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._socket.closed:
            message = await self._socket.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return
            count = self._incoming.count(loop.time())
            self._tally.most_messages_per_second = max(self._tally.most_messages_per_second, count)
            if count > MESSAGES_PER_SECOND:
                self._tally.message_breaches += 1
                await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
                return
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._pong_due = None
            elif message.type is WSMsgType.TEXT:
                await self._say(self._reply(message.data))

    def _reply(self, said: str) -> dict[str, object]:
        try:
            asked = json.loads(said)
        except json.JSONDecodeError:
            return {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}
        if not isinstance(asked, dict) or asked.get("method") not in _METHODS:
            found = asked.get("method") if isinstance(asked, dict) else None
            if found is None:
                return {"code": 2, "msg": "Invalid request: missing field `method` at line 1 column 2"}
            expected = ", ".join(f"`{method}`" for method in _METHODS)
            return {"code": 2, "msg": f"Invalid request: unknown variant {found}, expected one of {expected}"}
        number = asked.get("id")
        if not (number is None or isinstance(number, int) or re.fullmatch(r"\w{1,36}", str(number))):
            return {"code": 2, "msg": "Invalid request: invalid id"}
        return self._do(asked["method"], asked.get("params"), number)

    def _do(self, method: str, params: object, number: object) -> dict[str, object]:  # noqa: PLR0911
        words = params if isinstance(params, list) else []
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(self._pushes), "id": number}
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            if not words or words[0] != "combined":
                return {"code": 0, "msg": "Unknown property", "id": number}
            if method == "GET_PROPERTY":
                return {"result": self._combined, "id": number}
            if len(words) != 2 or not isinstance(words[1], bool):
                return {"code": 1, "msg": "Invalid value type: expected Boolean", "id": number}
            self._combined = words[1]
            return {"result": None, "id": number}
        names = [str(word) for word in words]
        if not names:
            return {"code": 2, "msg": "Invalid request: missing field `params`", "id": number}
        if method == "UNSUBSCRIBE":
            for name in names:
                self._pushes.pop(name, None)
        elif len(self._pushes.keys() | set(names)) > STREAMS_PER_CONNECTION:
            self._tally.stream_breaches += 1
            return {"code": 2, "msg": f"Invalid request: more than {STREAMS_PER_CONNECTION} streams", "id": number}
        else:
            self.subscribe(names)
        return {"result": None, "id": number}

    # --- what the venue says ------------------------------------------------------------------------------------

    async def _push(self) -> None:
        """Push every frame since the last look at the clock, in the order of time; a slow client is waited for."""
        since = epoch_ms(self._clock.now())
        while not self._socket.closed:
            await asyncio.sleep(TICK_SECONDS)
            until = epoch_ms(self._clock.now())
            streams = [push(since, until) for push in self._pushes.values() if push is not None]
            for frame in heapq.merge(*streams, key=lambda frame: frame.ms):
                if not await self._push_one(frame):
                    return
            since = until

    async def _push_one(self, frame: Frame) -> bool:
        """Push a frame, or do to it what chance has in mind; False where the connection is broken off."""
        if self._silent and self._sent >= self._rules.silent_after:
            return True
        self._sent += 1
        self._held = [(left - 1, late) for left, late in self._held]
        chance = self._random.random()
        rules = self._rules
        if self._random.random() < rules.disconnect:
            self.break_off()
            return False
        if chance < rules.reorder:
            self._held.append((self._random.randint(1, 5), frame))
        elif chance >= rules.reorder + rules.drop:
            await self._send(frame)
            if chance < rules.reorder + rules.drop + rules.double:
                await self._send(frame)
        for _, late in [one for one in self._held if one[0] <= 0]:
            await self._send(late)
        self._held = [one for one in self._held if one[0] > 0]
        return True

    async def _send(self, frame: Frame) -> None:
        payload = in_microseconds(frame.payload) if self._micro else frame.payload
        await self._say({"stream": frame.stream, "data": payload} if self._combined else payload)

    async def _say(self, body: object) -> None:
        with suppress(ConnectionError, RuntimeError):
            await self._socket.send_str(msgspec.json.encode(body).decode())

    async def _ping(self) -> None:
        """Ping on the grid; hang up on who does not answer in time."""
        loop = asyncio.get_running_loop()
        next_ping = loop.time() + self._rules.ping_seconds
        while not self._socket.closed:
            await asyncio.sleep(min(1.0, self._rules.ping_seconds / 4))
            if self._pong_due is not None and loop.time() > self._pong_due:
                self.break_off()
                return
            if loop.time() >= next_ping:
                next_ping += self._rules.ping_seconds
                with suppress(ConnectionError, RuntimeError):
                    await self._socket.ping(str(epoch_ms(self._clock.wall())).encode())
                if self._pong_due is None:
                    self._pong_due = loop.time() + self._rules.pong_seconds

    async def _end_of_life(self) -> None:
        """Close after a life, or after the notice of a shutdown."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._shutdown.wait(), self._rules.life_seconds)
        if self._shutdown.is_set():
            notice: dict[str, object] = {"e": "serverShutdown", "E": epoch_ms(self._clock.now())}
            await self._say({"stream": "!serverShutdown", "data": notice} if self._combined else notice)
            await asyncio.sleep(self._rules.notice_seconds)
        with suppress(ConnectionError, RuntimeError):
            await self._socket.close(code=WSCloseCode.GOING_AWAY)


@asynccontextmanager
async def _side_by_side(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
