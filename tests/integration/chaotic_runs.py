"""A run that goes wrong in many ways, drawn from one seed: simulator, generator and a restart, and what was pushed."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from contracts.settings import IngestSettings, JobSettings, KafkaSettings
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_KLINE_DATA
from infra.stack import StackInfo
from ingest.generate import generate
from simulator.binance.streams import StreamRules
from simulator.config import SimulatorConfig
from simulator.faults import Fault, FaultKind
from simulator.server import Simulator, running
from tests.integration.conftest import COINLAKE

FEEDS = ("binance_klines", "binance_agg_trades")
TOPICS = (CRYPTO_KLINE_DATA.topic, BINANCE_AGG_TRADES.topic)
SYMBOLS_A_RUN = 2
SPEED = 90
START_SECONDS = 240.0
DAY = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
_SYMBOLS = sorted(Simulator(SimulatorConfig()).venues["binance"].tape.symbols)  # type: ignore[attr-defined]

Query = dict[str, str | int]
Number = tuple[str, str, int]
"""A topic, a symbol, and which of its klines (open time in ms) or trades (id)."""


@dataclass(frozen=True)
class Plan:
    """What happens in one run."""

    seed: int
    symbols: tuple[str, ...]
    begin: dt.datetime
    rules: StreamRules
    shutdown_after: float | None
    halt: tuple[dt.datetime, dt.datetime] | None
    phases: tuple[float, float]
    pause: float
    killed: bool
    broken_off_after: float

    def __str__(self) -> str:
        rules = self.rules
        chances = f"drop {rules.drop:.3f} double {rules.double:.3f} reorder {rules.reorder:.3f}"
        breaks = f"1006 {rules.disconnect:.5f} life {rules.life_seconds:.0f} s silent {rules.silent_connections}"
        halted = "" if self.halt is None else f" halt {self.halt[0]:%H:%M:%S}-{self.halt[1]:%H:%M:%S}"
        ended = "SIGKILL" if self.killed else "stop"
        shut = "" if self.shutdown_after is None else " serverShutdown"
        return f"seed {self.seed} {'/'.join(self.symbols)} {chances} {breaks}{shut}{halted} {ended}"


def plan_of(seed: int, place: int) -> Plan:
    """Draw a run from its seed. Some frames are dropped in every run; each other fault is in some of them.

    Runs of different places share no symbol, so that their messages can share topics.
    """
    draw = random.Random(seed)
    begin = DAY + dt.timedelta(minutes=draw.randrange(60, 1200), seconds=draw.randrange(60))
    halted = begin + dt.timedelta(seconds=draw.uniform(200, 1500))
    rules = StreamRules(
        updates=5,
        seed=seed,
        drop=draw.uniform(0.01, 0.1),
        double=draw.choice((0, draw.uniform(0.01, 0.1))),
        reorder=draw.choice((0, draw.uniform(0.01, 0.2))),
        disconnect=draw.choice((0, draw.uniform(0.0005, 0.004))),
        life_seconds=draw.choice((24 * 3600, draw.uniform(3, 8))),
        notice_seconds=1,
        silent_connections=draw.choice((0, 0, 1, 3)),
        silent_after=draw.randrange(10, 200),
    )
    return Plan(
        seed=seed,
        symbols=tuple(_SYMBOLS[place * SYMBOLS_A_RUN : (place + 1) * SYMBOLS_A_RUN]),
        begin=begin,
        rules=rules,
        shutdown_after=draw.choice((None, draw.uniform(100, 600))),
        halt=draw.choice((None, None, (halted, halted + dt.timedelta(seconds=draw.uniform(180, 420))))),
        phases=(draw.uniform(9, 12), draw.uniform(8, 11)),
        pause=draw.uniform(0.5, 2),
        killed=draw.random() < 0.15,
        broken_off_after=draw.uniform(2, 7),
    )


@dataclass
class Played:
    """One run as it went: what REST says of its time, and which klines and trades were pushed to the feed at all."""

    plan: Plan
    klines: dict[str, list[list[Any]]] = field(default_factory=dict)
    trades: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pushed: set[Number] = field(default_factory=set)
    limits: dict[str, int] = field(default_factory=dict)
    codes: list[int] = field(default_factory=list)


async def play(plan: Plan, stack: StackInfo) -> Played:
    """Generate, end, generate again with no memory of it, end, and fill up to the end; then ask REST for the truth."""
    played = Played(plan)
    faults = () if plan.shutdown_after is None else (_shutdown(plan.shutdown_after),)
    halts = () if plan.halt is None else (plan.halt,)
    config = SimulatorConfig(speed=SPEED, begin=plan.begin, streams=plan.rules, halts=halts, faults=faults)
    async with running(config) as venue, _tapped(venue.url("binance"), played.pushed) as tap:
        settings = {
            "binance_url": venue.url("binance"),
            "binance_stream_url": tap.url,
            "binance_symbols": ",".join(plan.symbols),
            "binance_silence_seconds": "3",
            "binance_refill_hours": "48",  # the clock of another run may be a day ahead
            "poll_seconds": "0.1",
            "drain_seconds": "60",
        }
        async with aiohttp.ClientSession() as session:
            for number, seconds in enumerate(plan.phases):
                over = asyncio.create_task(_phase(plan, tap, seconds, session, venue.control))
                if plan.killed and number == 0:
                    await _generate_until_killed(settings, stack, over)
                else:
                    played.codes.append(await _generate(settings, stack, until=over))
                await asyncio.sleep(plan.pause)
            played.codes.append(await _generate(settings, stack))
            async with session.get(f"{venue.control}/limits") as answer:
                played.limits = (await answer.json())["binance"]
            for symbol in plan.symbols:
                played.klines[symbol] = await _klines(session, venue.url("binance"), symbol, plan.begin)
                first = min(
                    i for topic, name, i in played.pushed if (topic, name) == (BINANCE_AGG_TRADES.topic, symbol)
                )
                played.trades[symbol] = await _trades(session, venue.url("binance"), symbol, first)
    return played


def _shutdown(after: float) -> Fault:
    return Fault(venue="binance", kind=FaultKind.SERVER_SHUTDOWN, after_seconds=after)


async def _phase(plan: Plan, tap: "Tap", seconds: float, session: aiohttp.ClientSession, control: str) -> None:
    """Wait until each stream of each symbol is pushed, however slow the machine is, and so long; then it is over.

    On the way all connections are broken off once.
    """
    async with asyncio.timeout(START_SECONDS):
        await tap.each((topic, symbol) for topic in TOPICS for symbol in plan.symbols)
    await asyncio.sleep(plan.broken_off_after)
    async with session.post(f"{control}/disconnect") as answer:
        assert answer.status == 204
    await asyncio.sleep(seconds - plan.broken_off_after)


async def _generate(settings: dict[str, str], stack: StackInfo, *, until: asyncio.Task[None] | None = None) -> int:
    """Run a generator of its own, which knows what is in Kafka and nothing else; without an end, fill up once."""
    stop = asyncio.Event()
    if until is not None:
        until.add_done_callback(lambda _: stop.set())
    code = await generate(
        IngestSettings.model_validate(settings),
        KafkaSettings(kafka_bootstrap_servers=stack.kafka_bootstrap_servers),
        JobSettings(),
        venues=FEEDS,
        polls=None,
        stop=stop,
        once=until is None,
    )
    if until is not None:
        await until
    return code


async def _generate_until_killed(settings: dict[str, str], stack: StackInfo, until: asyncio.Task[None]) -> None:
    """Run `coinlake generate` as a process, and kill it then."""
    env = {**os.environ, "COINLAKE_HOME": str(stack.home), **stack.env()}
    env |= {f"COINLAKE_{name.upper()}": value for name, value in settings.items()}
    venues = [part for feed in FEEDS for part in ("--venue", feed)]
    process = await asyncio.create_subprocess_exec(
        *COINLAKE,
        *("generate", *venues),
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await until
        assert process.returncode is None, (
            f"expected a generator to kill, found that it ended with {process.returncode}"
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _klines(session: aiohttp.ClientSession, base: str, symbol: str, begin: dt.datetime) -> list[list[Any]]:
    query: Query = {
        "symbol": symbol,
        "interval": "1m",
        "startTime": round(begin.timestamp() * 1000) - 60_000,
        "limit": 1000,
    }
    async with session.get(f"{base}/api/v3/klines", params=query) as answer:
        rows: list[list[Any]] = await answer.json()
        return rows


async def _trades(session: aiohttp.ClientSession, base: str, symbol: str, first: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        query: Query = {"symbol": symbol, "fromId": first + len(found), "limit": 1000}
        async with session.get(f"{base}/api/v3/aggTrades", params=query) as answer:
            page = await answer.json()
        found += page
        if len(page) < 1000:
            return found


# --- listening in -----------------------------------------------------------------------------------------------------


@dataclass
class Tap:
    """Where streams are listened in to, and what was pushed there."""

    pushed: set[Number]
    url: str = ""
    _awaited: set[tuple[str, str]] = field(default_factory=set)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, numbers: Iterable[Number]) -> None:
        """Note what is pushed."""
        for number in numbers:
            self.pushed.add(number)
            self._awaited.discard(number[:2])
        if not self._awaited:
            self._heard.set()

    async def each(self, streams: Iterable[tuple[str, str]]) -> None:
        """Wait until each of these topics and symbols is pushed from now on."""
        self._awaited = set(streams)
        self._heard.clear()
        await self._heard.wait()


@contextlib.asynccontextmanager
async def _tapped(base: str, pushed: set[Number]) -> AsyncIterator[Tap]:
    """Pass streams on frame by frame, breaks included, and note each closed kline and trade that was pushed."""
    tap = Tap(pushed)

    async def relay(request: web.Request) -> web.StreamResponse:
        client = web.WebSocketResponse(autoping=False, compress=False, timeout=1)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{base}/stream?{request.query_string}", max_msg_size=0) as venue,
        ):
            await client.prepare(request)
            listening = asyncio.create_task(_drain(client, venue))
            try:
                async for message in venue:
                    if message.type is WSMsgType.TEXT:
                        tap.note(_named(message.data))
                        await client.send_str(message.data)
            except ConnectionError:
                return client
            finally:
                listening.cancel()
            if venue.close_code in (None, 1006):
                if request.transport is not None:
                    request.transport.abort()
            else:
                with contextlib.suppress(ConnectionError):
                    await client.close(code=venue.close_code or 1000)
        return client

    app = web.Application()
    app.router.add_get("/stream", relay)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        tap.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
        yield tap
    finally:
        await runner.cleanup()


async def _drain(client: web.WebSocketResponse, venue: aiohttp.ClientWebSocketResponse) -> None:
    """Hear when the client goes."""
    async for _ in client:
        pass
    await venue.close()


def _named(text: str) -> list[Number]:
    data = json.loads(text)["data"]
    if data["e"] == "aggTrade":
        return [(BINANCE_AGG_TRADES.topic, data["s"], data["a"])]
    if data["e"] == "kline" and data["k"]["x"]:
        return [(CRYPTO_KLINE_DATA.topic, data["s"], data["k"]["t"])]
    return []
