"""The routes: what a browser is served, who may read, and a WebSocket from its hello to its end."""

import asyncio
import contextlib
import inspect
import json
import re
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from contracts.settings import MovingAverageSettings
from serve.live.application import Parts, application
from serve.live.feed import Batch
from serve.live.points import Point
from serve.live.settings import LiveSettings
from tests.unit.serve.live.fakes import NOON_MS, FakeFeed, FakeTime, point

LIBRARY = Path(__file__)
"""Stands for the library that draws charts: a file whose name does not say that it is a module."""
PATIENCE_SECONDS = 30.0
TOKEN = "known-to-readers"
BTC: dict[str, int | None] = {"BTCUSDT": None}


@dataclass(frozen=True)
class Served:
    """A server that listens, its feed, and the time that it goes by."""

    client: TestClient[web.Request, web.Application]
    feed: FakeFeed
    time: FakeTime

    async def take(self, *points: Point) -> None:
        await self.feed.send(Batch(list(points)))

    async def opened(self, path: str = "/ws", headers: Mapping[str, str] | None = None) -> ClientWebSocketResponse:
        """Open a WebSocket and take its hello."""
        browser = await self.client.ws_connect(path, headers=headers)
        assert (await heard(browser))["type"] == "hello"
        return browser

    async def subscribed(self, symbols: Mapping[str, int | None]) -> tuple[ClientWebSocketResponse, Any]:
        """Open a WebSocket, subscribe, and return the history of the first symbol with it."""
        browser = await self.opened()
        await browser.send_json({"type": "subscribe", "symbols": symbols})
        return browser, await heard(browser)

    async def refused(self, path: str = "/ws", headers: Mapping[str, str] | None = None) -> int:
        """Knock where nobody is let in; return the status of the answer."""
        with pytest.raises(WSServerHandshakeError) as refusal:
            await self.client.ws_connect(path, headers=headers)
        return refusal.value.status

    async def measured(self, name: str, **labels: str) -> float:
        """Return a value of /metrics, 0 where there is none."""
        async with self.client.get("/metrics") as answer:
            assert answer.status == 200
            families = list(text_string_to_metric_families(await answer.text()))
        samples = [sample for family in families for sample in family.samples if sample.name == f"coinlake_live_{name}"]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    async def reaches(self, value: float, name: str) -> None:
        """Wait until a value of /metrics is this."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if await self.measured(name) == value:
                    return
                await asyncio.sleep(0.01)


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[Served]:
    """Serve on a free port with all of its tasks, and end them."""
    feed, time = FakeFeed(), FakeTime()
    rules = LiveSettings(**{"live_pace_seconds": 0, **settings})
    parts = Parts.make(rules, MovingAverageSettings(), feed, LIBRARY, time.clock())
    tasks = [asyncio.create_task(work) for work in (parts.broadcast.run(), feed.run(parts.broadcast.take))]
    try:
        async with TestClient(TestServer(application(parts))) as client:
            await feed.send(Batch())
            yield Served(client, feed, time)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def heard(browser: ClientWebSocketResponse) -> Any:
    """Return the next message."""
    return await browser.receive_json(timeout=PATIENCE_SECONDS)


async def ended(browser: ClientWebSocketResponse) -> int | None:
    """Wait for the end of a connection that nothing else is said on; return its code."""
    assert (await browser.receive(timeout=PATIENCE_SECONDS)).type in {WSMsgType.CLOSE, WSMsgType.CLOSED}
    return browser.close_code


def sequences(message: Any) -> list[int]:
    return [told["sequence"] for told in message["points"]]


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/page/app.js", "javascript"),
        ("/page/forecasts/index.js", "javascript"),
        ("/page/page.css", "text/css"),
        ("/page/icon.svg", "image/svg+xml"),
        ("/vendor/lightweight-charts.js", "javascript"),
    ],
)
async def test_the_page_is_served_as_what_it_is_and_may_load_nothing_but_ours(path: str, kind: str) -> None:
    async with served(live_token=TOKEN) as live, live.client.get(path) as answer:
        # Which of the two types of JavaScript a file is, is up to the machine; browsers take both.
        assert (answer.status, re.sub("^(text|application)/(?=javascript)", "", answer.content_type)) == (200, kind)
        assert await answer.read() != b""
        policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";"))
        host = f"{live.client.host}:{live.client.port}"
        assert policy["default-src"] == "'self'"
        assert policy["connect-src"] == f"'self' ws://{host} wss://{host}"
        assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
        assert "script-src" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-cache"


async def test_every_module_that_the_page_names_is_there() -> None:
    async with served() as live:
        async with live.client.get("/") as answer:
            text = await answer.text()
        named = [part.split('"')[0] for start in ('src="/', 'href="/') for part in text.split(start)[1:]]
        assert len(named) > 3
        for path in named:
            async with live.client.get(f"/{path}") as found:
                assert found.status == 200, path


@pytest.mark.parametrize("path", ["/page/../server.py", "/page/%2e%2e/server.py", "/page/", "/server.py"])
async def test_nothing_beside_the_page_is_served(path: str) -> None:
    async with served() as live, live.client.get(path) as answer:
        assert answer.status in {403, 404}
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_library_is_the_file_that_was_given() -> None:
    async with served() as live, live.client.get("/vendor/lightweight-charts.js") as answer:
        assert await answer.read() == inspect.getsource(sys.modules[__name__]).encode()


async def test_a_host_that_is_none_adds_nothing_to_the_policy() -> None:
    async with served() as live, live.client.get("/", headers={"Host": "a; script-src *"}) as answer:
        assert "script-src" not in answer.headers["Content-Security-Policy"]


async def test_health_is_that_of_kafka() -> None:
    async with served(live_token=TOKEN) as live:
        async with live.client.get("/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"healthy": True})
        live.feed.problem = "Kafka is gone"
        async with live.client.get("/healthz") as answer:
            assert (answer.status, await answer.json()) == (503, {"healthy": False, "reason": "Kafka is gone"})


async def test_the_symbols_with_data_are_listed() -> None:
    async with served() as live:
        await live.take(point(7, "ETHUSDT"), point(1), point(2, window=1), point(3, window=1, count=2))
        async with live.client.get("/api/symbols") as answer:
            assert answer.content_type == "application/json"
            rows = await answer.json()
    assert rows == {
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "base": "BTC",
                "quote": "USDT",
                "points": 2,
                "newest": NOON_MS + 500 - 100,
                "sequence": 3,
            },
            {"symbol": "ETHUSDT", "base": "ETH", "quote": "USDT", "points": 1, "newest": NOON_MS - 100, "sequence": 7},
        ]
    }


async def test_what_browsers_have_painted_is_measured() -> None:
    sample = {"event": NOON_MS, "broker": NOON_MS + 3, "result": NOON_MS + 10, "sent": NOON_MS + 11}
    async with served() as live:
        browser = await live.opened()
        absurd = {**sample, "painted": NOON_MS + 3_600_000}
        painted = [{**sample, "painted": NOON_MS + 40.5}, absurd]
        await browser.send_json({"type": "painted", "samples": painted})
        await browser.send_json({"type": "subscribe", "symbols": BTC})
        assert (await heard(browser))["type"] == "history"  # and so the message before was read
        for stage, seconds in (("event_to_painted", 0.0405), ("sent_to_painted", 0.0295)):
            assert await live.measured("latency_seconds_count", stage=stage) == 1
            assert await live.measured("latency_seconds_sum", stage=stage) == pytest.approx(seconds)
        assert await live.measured("latency_seconds_bucket", stage="event_to_painted", le="0.03") == 0
        assert await live.measured("latency_seconds_bucket", stage="event_to_painted", le="0.05") == 1
        assert await live.measured("samples_absurd_total") == 1
        assert await live.measured("clients") == 1


# --- a conversation ---------------------------------------------------------------------------------------------------


async def test_hello_comes_first_and_nothing_else_before_a_subscription() -> None:
    async with served(live_history_seconds=60, live_heartbeat_seconds=2) as live:
        browser = await live.client.ws_connect("/ws")
        assert await heard(browser) == {
            "type": "hello",
            "window_ms": 3000,
            "slide_ms": 500,
            "history_ms": 60_000,
            "heartbeat_ms": 2000,
            "time": NOON_MS,
        }
        await live.take(point(1))
        await browser.send_json({"type": "subscribe", "symbols": BTC})
        assert (await heard(browser))["type"] == "history"


async def test_history_comes_with_reset_and_then_live_points() -> None:
    async with served() as live:
        await live.take(point(1), point(2, window=1), point(3, window=1, count=2), point(4, "ETHUSDT"))
        browser, history = await live.subscribed(BTC)
        assert (history["type"], history["symbol"], history["reset"]) == ("history", "BTCUSDT", True)
        assert sequences(history) == [1, 3]
        assert history["points"][1] == {
            "symbol": "BTCUSDT",
            "end": NOON_MS + 500,
            "mean": "67000.5",
            "vwap": None,
            "last": "67000.5",
            "count": 2,
            "sequence": 3,
            "event": NOON_MS + 400,
            "broker": NOON_MS + 420,
            "result": NOON_MS + 450,
        }
        await live.take(point(5, "ETHUSDT", window=1), point(6, window=2))
        points = await heard(browser)
        assert points["type"] == "points"
        assert sequences(points) == [6]


async def test_who_comes_back_is_told_only_what_it_missed() -> None:
    async with served() as live:
        await live.take(point(1), point(2, window=1))
        browser, _ = await live.subscribed(BTC)
        await browser.close()
        await live.take(point(3, count=2), point(4, window=2))
        again, history = await live.subscribed({"BTCUSDT": 2})
        assert not history["reset"]
        assert sequences(history) == [3, 4]
        await live.take(point(5, window=3))
        assert sequences(await heard(again)) == [5]


async def test_a_sequence_that_the_server_cannot_know_is_answered_with_everything() -> None:
    async with served() as live:
        await live.take(point(5), point(6, window=1))
        for sequence in (3, 7):
            _, history = await live.subscribed({"BTCUSDT": sequence})
            assert history["reset"]
            assert sequences(history) == [5, 6]


async def test_a_quiet_client_hears_a_heartbeat() -> None:
    async with served(live_heartbeat_seconds=0.2) as live:
        browser = await live.opened()
        live.time.seconds += 1
        assert await heard(browser) == {"type": "heartbeat", "time": NOON_MS + 1000}


@pytest.mark.parametrize(
    "message",
    [
        '{"type": "order", "symbol": "BTCUSDT"}',
        '{"type": "subscribe", "symbols": {"BTCUSDT"',
        '{"type": "subscribe", "symbols": {"BTCUSDT": -1}}',
        '{"type": "subscribe", "symbols": {"A": null, "B": null, "C": null}}',
        '{"type": "painted", "samples": [{"event": 1}]}',
        "[]",
        "",
        b"\x00\x01",
    ],
)
async def test_a_wrong_message_is_named_and_ends_the_connection(message: str | bytes) -> None:
    async with served(live_max_symbols=2) as live:
        other, _ = await live.subscribed(BTC)
        browser = await live.opened()
        await (browser.send_bytes(message) if isinstance(message, bytes) else browser.send_str(message))
        error = await heard(browser)
        assert error["type"] == "error"
        assert error["reason"].startswith("expected")
        assert await ended(browser) == WSCloseCode.POLICY_VIOLATION
        assert await live.measured("messages_wrong_total") == 1
        await live.take(point(1))
        assert sequences(await heard(other)) == [1]


async def test_a_message_that_is_too_large_ends_the_connection() -> None:
    async with served(live_max_message_bytes=100) as live:
        browser = await live.opened()
        await browser.send_str(json.dumps({"type": "subscribe", "symbols": {"X" * 101: None}}))
        assert await ended(browser) == WSCloseCode.MESSAGE_TOO_BIG


async def test_too_many_messages_end_the_connection() -> None:
    async with served(live_max_messages_per_second=2) as live:
        browser = await live.opened()
        subscription = {"type": "subscribe", "symbols": BTC}
        for _ in range(4):
            await browser.send_json(subscription)
            assert (await heard(browser))["type"] == "history"
        live.time.seconds += 0.5  # room for one more
        await browser.send_json(subscription)
        assert (await heard(browser))["type"] == "history"
        await browser.send_json(subscription)
        assert await heard(browser) == {"type": "error", "reason": "expected at most 2 messages a second"}
        assert await ended(browser) == WSCloseCode.POLICY_VIOLATION


async def test_a_ping_is_answered_with_what_it_bears_and_counts_as_a_message() -> None:
    async with served(live_max_messages_per_second=2) as live:
        browser = await live.client.ws_connect("/ws", autoping=False)
        assert (await heard(browser))["type"] == "hello"
        for number in range(4):
            await browser.ping(b"%d" % number)
            pong = await browser.receive(timeout=PATIENCE_SECONDS)
            assert (pong.type, bytes(pong.data)) == (WSMsgType.PONG, b"%d" % number)
        await browser.ping()
        assert await heard(browser) == {"type": "error", "reason": "expected at most 2 messages a second"}


# --- who may ----------------------------------------------------------------------------------------------------------


async def test_a_page_of_another_origin_opens_no_websocket() -> None:
    async with served(live_origins="https://charts.example") as live:
        own = f"http://{live.client.host}:{live.client.port}"
        for origin in ("https://evil.example", f"{own}0", "null", "https://charts.example.evil.example"):
            assert await live.refused(headers={"Origin": origin}) == 403
        # A name of its own that leads to our address makes a page be of our origin, as its browser sees it.
        named = f"evil.example:{live.client.port}"
        assert await live.refused(headers={"Origin": f"http://{named}", "Host": named}) == 403
        assert await live.measured("connections_refused_total", reason="origin") == 5
        for origin in (own, "https://charts.example"):
            await live.opened(headers={"Origin": origin})


@pytest.mark.parametrize("path", ["/ws", "/ws?token=", "/ws?token=wrong", f"/ws?token={TOKEN}x", f"/ws?other={TOKEN}"])
async def test_without_the_token_no_websocket_opens(path: str) -> None:
    async with served(live_token=TOKEN) as live:
        assert await live.refused(path) == 401
        assert await live.refused(path, {"Authorization": f"Bearer {TOKEN[:-1]}"}) == 401
        assert await live.refused(path, {"Authorization": f"Basic {TOKEN}"}) == 401


async def test_the_token_opens_by_query_and_as_a_bearer_token() -> None:
    async with served(live_token=TOKEN) as live:
        await live.opened(f"/ws?token={TOKEN}")
        await live.opened(headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.mark.parametrize("path", ["/api/symbols", "/metrics"])
async def test_data_is_for_those_who_know_the_token(path: str) -> None:
    async with served(live_token=TOKEN) as live:
        async with live.client.get(path) as answer:
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        async with live.client.get(path, params={"token": TOKEN}) as answer:
            assert answer.status == 200
        async with live.client.get(path, headers={"Authorization": f"bearer {TOKEN}"}) as answer:
            assert answer.status == 200


async def test_more_clients_than_allowed_are_refused_until_one_leaves() -> None:
    async with served(live_max_clients=2) as live:
        first = await live.opened()
        await live.opened()
        assert await live.refused() == 503
        assert await live.measured("connections_refused_total", reason="full") == 1
        await first.close()
        await live.reaches(1, "clients")
        await live.opened()


# --- who reads nothing ------------------------------------------------------------------------------------------------

MANY = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT")
WINDOWS = 100


class Deaf:
    """A client that subscribes and then reads nothing, the kernel holding little for it, until it is told to."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._received = b""

    async def subscribe(self, live: Served) -> None:
        host, port = live.client.host, live.client.port
        await self._loop.sock_connect(self._socket, (host, port))
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: {host}:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
        ]
        text = json.dumps({"type": "subscribe", "symbols": dict.fromkeys(MANY)}).encode()
        assert len(text) < 126
        frame = bytes([0x81, 0x80 + len(text), 0, 0, 0, 0]) + text  # masked with zeros
        await self._loop.sock_sendall(self._socket, "\r\n".join([*lines, "", ""]).encode() + frame)

    async def read_until(self, sequence: int) -> tuple[int, list[Any]]:
        """Read until a point with this sequence is there; return how many bytes that took, and all messages."""
        while f'"sequence":{sequence},'.encode() not in self._received:
            assert await self._read(), "the connection was closed"
        return len(self._received), self._messages()

    async def read_to_the_end(self) -> None:
        """Read until the connection is closed."""
        with contextlib.suppress(ConnectionResetError):
            while await self._read():
                pass

    def close(self) -> None:
        self._socket.close()

    async def _read(self) -> bool:
        async with asyncio.timeout(PATIENCE_SECONDS):
            received = await self._loop.sock_recv(self._socket, 65536)
        self._received += received
        return received != b""

    def _messages(self) -> list[Any]:
        _, _, rest = self._received.partition(b"\r\n\r\n")
        messages = []
        while len(rest) > 1:
            extended = {126: 2, 127: 8}.get(rest[1], 0)
            length = int.from_bytes(rest[2 : 2 + extended], "big") if extended else rest[1]
            payload, opcode = rest[2 + extended : 2 + extended + length], rest[0] & 15
            rest = rest[2 + extended + length :]
            if opcode == 1 and len(payload) == length:
                messages.append(json.loads(payload))
        return messages


@asynccontextmanager
async def deaf_client(live: Served) -> AsyncIterator[Deaf]:
    """Open a client that reads nothing; it has been sent the histories, which are empty."""
    before = await live.measured("histories_sent_total")
    deaf = Deaf()
    try:
        await deaf.subscribe(live)
        await live.reaches(before + len(MANY), "histories_sent_total")
        yield deaf
    finally:
        deaf.close()


def told_anew(number: int) -> list[Point]:
    """All windows of many symbols, told for the nth time, from 1."""
    keys = [(symbol, window) for symbol in MANY for window in range(WINDOWS)]
    first = number * len(keys)
    return [point(first + n, symbol, window=window, count=number) for n, (symbol, window) in enumerate(keys)]


async def until_stuck(live: Served) -> None:
    """Tell everything anew until a client that reads nothing is behind."""
    for number in range(1, 200):
        await live.take(*told_anew(number))
        if await live.measured("points_conflated_total", where="slow") > 0:
            return
    raise AssertionError("expected a client that is behind, found none")


@pytest.mark.parametrize("max_pending", [1000, 10])
async def test_a_client_that_reads_nothing_delays_nobody_and_is_not_queued_for(max_pending: int) -> None:
    """Time stands still here: a server that waited for the deaf one would wait for ever."""
    rounds = 40
    async with served(live_max_pending=max_pending) as live, deaf_client(live) as deaf:
        quick = await live.opened()
        await quick.send_json({"type": "subscribe", "symbols": dict.fromkeys(MANY)})
        assert {(await heard(quick))["symbol"] for _ in MANY} == set(MANY)
        sent = 0
        for number in range(1, rounds + 1):
            batch = told_anew(number)
            await live.take(*batch)
            frame = await quick.receive(timeout=PATIENCE_SECONDS)
            assert sequences(json.loads(frame.data)) == [told.sequence for told in batch]
            sent += len(frame.data)
        assert sent > 3_000_000
        received, messages = await deaf.read_until(batch[-1].sequence)
        assert received < 1_000_000
        newest = {
            (told["symbol"], told["end"]): told["count"] for message in messages for told in message.get("points", [])
        }
        assert newest == {(told.symbol, told.end): rounds for told in batch}
        resets = [message["symbol"] for message in messages if message["type"] == "history" and message["reset"]]
        assert (len(resets) > len(MANY)) == (max_pending < len(batch))


async def test_a_client_that_reads_nothing_for_too_long_is_cut_off() -> None:
    async with served(live_send_seconds=10, live_heartbeat_seconds=0.1) as live, deaf_client(live) as deaf:
        await until_stuck(live)
        live.time.seconds += 9
        assert await live.measured("connections_cut_off_total") == 0
        live.time.seconds += 2
        await live.reaches(1, "connections_cut_off_total")
        await live.reaches(0, "clients")
        await deaf.read_to_the_end()


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_a_server_that_ends_tells_its_clients_whoever_reads_nothing() -> None:
    async with served(live_send_seconds=1000) as live:
        browser, _ = await live.subscribed(BTC)
        async with deaf_client(live):
            await until_stuck(live)
            closing = asyncio.create_task(live.client.server.close())
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (message := await browser.receive()).type is WSMsgType.TEXT:
                    pass
            assert message.type is WSMsgType.CLOSE
            assert browser.close_code == WSCloseCode.GOING_AWAY
        await closing
