"""The WebSocket side: connections, control messages, pings, the life of a connection, and what goes wrong on it."""

import asyncio
import datetime as dt
import heapq
import json
import math
import random
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from simulator.binance.frames import Frame, Push, in_microseconds
from simulator.binance.limits import (
    CONNECTION_WINDOW_SECONDS,
    CONNECTIONS_PER_WINDOW,
    STREAMS_PER_CONNECTION,
    Rate,
    Tally,
)
from simulator.binance.rest import epoch_ms
from simulator.clock import SimulatedClock
from simulator.faults import STREAM_KINDS, Fault, FaultKind, Injections

TICK_SECONDS = 0.02
_STRETCH_MS = 10 * 60_000
_FRAMES_BETWEEN_BREATHS = 64
_REORDER_WINDOW = 5
_CLOSE_SECONDS = 1.0
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class _Fate(Enum):
    """What becomes of a frame that is not held back."""

    SEND = auto()
    DOUBLE = auto()
    DROP = auto()
    MUTE = auto()
    BREAK = auto()


_FATES = {
    FaultKind.WS_DISCONNECT: _Fate.BREAK,
    FaultKind.WS_SILENCE: _Fate.MUTE,
    FaultKind.WS_DROP: _Fate.DROP,
    FaultKind.WS_DOUBLE: _Fate.DOUBLE,
}


Pushes = Callable[[str, int], Push | None]
"""Return what the stream of a name pushes, None where nobody bears it or this is not its route; see `StreamRules` for
the number."""


class Pushing(msgspec.Struct, frozen=True, kw_only=True):
    """A venue as its streams know it: routes below its prefix with what each pushes, its pings, and its limit."""

    venue: str
    tally: Tally
    routes: Mapping[str, Pushes]
    ping_seconds: float
    pong_seconds: float
    messages_per_second: int


class StreamRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The times of a connection in seconds of life, and what goes wrong on it by chance.

    `updates` is how often at most an open kline is pushed. Of every frame, `drop`, `double` and `reorder` are the
    chances to be left out, sent twice, or sent after up to five later ones; `disconnect` is that of the connection to
    break off (1006) before it. `silent_after` frames a connection pushes nothing more, though its pings go on;
    the first `silent_connections` do so. All depend on `seed` and the order of connections alone. Pings are those of
    the venue where nothing is said of them.
    """

    ping_seconds: float | None = None
    pong_seconds: float | None = None
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

    def __init__(self, venue: Pushing, clock: SimulatedClock, rules: StreamRules, faults: Injections[Fault]) -> None:
        self.venue = venue.venue
        self.tally = venue.tally
        self._pushing = venue
        self._clock = clock
        self._rules = rules
        self._faults = faults
        self._opened = 0
        self._attempts: defaultdict[str | None, Rate] = defaultdict(lambda: Rate(CONNECTION_WINDOW_SECONDS))
        self._running: set[Connection] = set()

    def routes(self) -> list[web.RouteDef]:
        """List the routes below the venue's prefix."""
        return [
            web.get(f"/{self.venue}{route}{path}", self._serving(pushes))
            for route, pushes in self._pushing.routes.items()
            for path in ("/ws", "/ws/{streams:.*}", "/stream")
        ]

    def break_off(self) -> None:
        """Break every connection off without a word (1006)."""
        for connection in list(self._running):
            connection.break_off()

    def announce_shutdown(self) -> None:
        """Tell every client that the server goes down, and close after the notice."""
        for connection in list(self._running):
            connection.shut_down()

    def _serving(self, pushes: Pushes) -> Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]:
        async def serve(http: web.Request) -> web.StreamResponse:
            return await self._serve(http, pushes)

        return serve

    async def _serve(self, http: web.Request, pushes: Pushes) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        count = self._attempts[http.remote].count(loop.time())
        self.tally.most_connections_per_window = max(self.tally.most_connections_per_window, count)
        if count > CONNECTIONS_PER_WINDOW:
            self.tally.connections_refused += 1
            return web.Response(status=429)
        combined = http.path.endswith("/stream")
        named = http.query.get("streams", "") if combined else http.match_info.get("streams", "")
        names = [name for name in named.split("/") if name]
        if len(names) > STREAMS_PER_CONNECTION:
            self.tally.stream_breaches += 1
            return web.Response(status=400)
        self.tally.connections += 1
        self._opened += 1
        self._clock.start()
        socket = web.WebSocketResponse(autoping=False, compress=False, timeout=_CLOSE_SECONDS)
        await socket.prepare(http)
        micro = http.query.get("timeUnit", "").upper() == "MICROSECOND"
        world = (self._pushing, pushes, self._clock, self._rules, self._faults)
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
        venue: Pushing,
        pushes: Pushes,
        clock: SimulatedClock,
        rules: StreamRules,
        faults: Injections[Fault],
        number: int,
        *,
        combined: bool,
        micro: bool,
    ) -> None:
        self._socket = socket
        self._http = http
        self._venue = venue
        self._pushes_of = pushes
        self._tally = venue.tally
        self._clock = clock
        self._rules = rules
        self._faults = faults
        self._random = random.Random(f"{rules.seed}:{number}")
        self._combined = combined
        self._micro = micro
        self._pushes: dict[str, Push | None] = {}
        self._sent = 0
        self._mute_after = rules.silent_after if number <= rules.silent_connections else math.inf
        self._held: list[tuple[int, Frame]] = []
        self._incoming = Rate(1.0)
        self._pings: dict[bytes, float] = {}
        self._shutdown = asyncio.Event()

    def subscribe(self, names: Iterable[str]) -> None:
        """Push these streams from now on; one that nobody bears is silent."""
        for name in names:
            self._pushes[name] = self._pushes_of(name, self._rules.updates)

    def break_off(self) -> None:
        """Close the transport without a close frame."""
        if self._http.transport is not None:
            self._http.transport.abort()

    def shut_down(self) -> None:
        """Send the notice of a shutdown, then close."""
        self._shutdown.set()

    async def run(self) -> None:
        """Serve the connection to its end."""
        async with _side_by_side(self._push(), self._ping(), self._end_of_life(), failing=self.break_off):
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
            if count > self._venue.messages_per_second:
                self._tally.message_breaches += 1
                await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
                return
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._answered(message.data)
            elif message.type is WSMsgType.TEXT:
                await self._say(self._reply(message.data))

    def _answered(self, payload: bytes) -> None:
        """Count a pong for its ping and those before it; an unsolicited one counts for nothing."""
        if bytes(payload) in self._pings:
            for sent in list(self._pings):
                del self._pings[sent]
                if sent == bytes(payload):
                    return

    def _reply(self, said: str) -> dict[str, object]:
        try:
            asked = json.loads(said)
        except json.JSONDecodeError:
            return {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}
        if not isinstance(asked, dict) or asked.get("method") not in _METHODS:
            found = asked.get("method") if isinstance(asked, dict) else None
            if found is None:
                return {"code": 2, "msg": f"Invalid request: missing field `method` at line 1 column {len(said)}"}
            expected = ", ".join(f"`{method}`" for method in _METHODS)
            column = said.find(json.dumps(found)) + len(json.dumps(found))
            unknown = f"unknown variant {found}, expected one of {expected} at line 1 column {column}"
            return {"code": 2, "msg": f"Invalid request: {unknown}"}
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
        """Push every frame since the last look at the clock, in the order of time; a slow client is waited for.

        Who is behind gets a stretch of the tape at a time, so that all else goes on: what is late is not lost.
        """
        since = epoch_ms(self._clock.now())
        while not self._socket.closed:
            until = min(epoch_ms(self._clock.now()), since + _STRETCH_MS)
            if until == since:
                await asyncio.sleep(TICK_SECONDS)
                continue
            streams = [push(since, until) for push in self._pushes.values() if push is not None]
            for frame in heapq.merge(*streams, key=lambda frame: frame.ms):
                if not await self._push_one(frame):
                    return
                if self._sent % _FRAMES_BETWEEN_BREATHS == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0 if until < epoch_ms(self._clock.now()) else TICK_SECONDS)
            since = until

    async def _push_one(self, frame: Frame) -> bool:
        """Push a frame, or do to it what a fault or chance has in mind; False where nothing more is to be pushed."""
        if self._sent >= self._mute_after:
            return True
        self._sent += 1
        self._held = [(left - 1, late) for left, late in self._held]
        fate = self._fate(frame)
        if fate is _Fate.BREAK:
            self.break_off()
            return False
        if fate is _Fate.MUTE:
            self._mute_after = 0
            return True
        if fate is not _Fate.DROP and isinstance(fate, _Fate):
            for _ in range(2 if fate is _Fate.DOUBLE else 1):
                await self._send(frame)
        elif isinstance(fate, int):
            self._held.append((fate, frame))
        for _, late in [one for one in self._held if one[0] <= 0]:
            await self._send(late)
        self._held = [one for one in self._held if one[0] > 0]
        return not self._socket.closed

    def _fate(self, frame: Frame) -> "_Fate | int":
        """Say what becomes of a frame; a number is how many later ones go before it."""
        at = dt.datetime.fromtimestamp(frame.ms / 1000, dt.UTC)
        fault = self._faults.strike_first(self._venue.venue, at, self._clock.started_at or at, self._strikes)
        if fault is not None and fault.kind is FaultKind.SERVER_SHUTDOWN:
            self.shut_down()
        elif fault is not None:
            return self._random.randint(1, fault.window) if fault.kind is FaultKind.WS_REORDER else _FATES[fault.kind]
        rules = self._rules
        if self._random.random() < rules.disconnect:
            return _Fate.BREAK
        chance = self._random.random()
        for rate, fate in ((rules.reorder, None), (rules.drop, _Fate.DROP), (rules.double, _Fate.DOUBLE)):
            if chance < rate:
                return self._random.randint(1, _REORDER_WINDOW) if fate is None else fate
            chance -= rate
        return _Fate.SEND

    def _strikes(self, fault: Fault) -> bool:
        leaving = fault.kind is FaultKind.SERVER_SHUTDOWN and self._shutdown.is_set()
        return fault.kind in STREAM_KINDS and not leaving

    async def _send(self, frame: Frame) -> None:
        payload = in_microseconds(frame.payload) if self._micro else frame.payload
        await self._say({"stream": frame.stream, "data": payload} if self._combined else payload)

    async def _say(self, body: object) -> None:
        with suppress(ConnectionError, RuntimeError):
            await self._socket.send_str(msgspec.json.encode(body).decode())

    async def _ping(self) -> None:
        """Ping on the grid; hang up on who does not answer in time, be it for not reading."""
        loop = asyncio.get_running_loop()
        every = self._venue.ping_seconds if self._rules.ping_seconds is None else self._rules.ping_seconds
        patience = self._venue.pong_seconds if self._rules.pong_seconds is None else self._rules.pong_seconds
        next_ping = loop.time() + every
        while not self._socket.closed:
            due = next(iter(self._pings.values()), math.inf)
            await asyncio.sleep(max(0.0, min(next_ping, due) - loop.time()))
            due = next(iter(self._pings.values()), math.inf)
            if loop.time() >= due:
                self.break_off()
                return
            if loop.time() >= next_ping:
                payload = str(epoch_ms(self._clock.wall())).encode()
                self._pings.setdefault(payload, next_ping + patience)
                next_ping += every
                with suppress(ConnectionError, RuntimeError, TimeoutError):
                    await asyncio.wait_for(self._socket.ping(payload), every)

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
async def _side_by_side(*works: Coroutine[Any, Any, None], failing: Callable[[], None]) -> AsyncIterator[None]:
    """Work beside the block until it ends; where a work fails, `failing` is called, and its error raised at the end."""

    def ended(task: "asyncio.Future[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            failing()

    tasks = [asyncio.ensure_future(work) for work in works]
    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                raise error
